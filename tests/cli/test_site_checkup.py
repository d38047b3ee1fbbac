"""What the doctor says of a site: what is there, what is missing, and what to do."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from cinchona.cli.site_checkup import examine_site
from cinchona.errors import ExitCode


@pytest.fixture
def examine(tmp_path, monkeypatch):
    """States and details by check, for a profile; the given programs are there and print what is given."""

    def run(profile: str, **programs: str) -> dict[str, tuple[str, str]]:
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir(exist_ok=True)
        for name, says in programs.items():
            (bin_folder / name).write_text(f"#!/bin/sh\nprintf '{says}'\n")
            (bin_folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}/bin-of-nobody")
        file = tmp_path / "site.yaml"
        file.write_text(profile)
        return {f.check: (f.state, f.detail) for f in examine_site(file)}

    return run


SINFO = {"sbatch": "", "squeue": "", "scancel": "", "sinfo": "main up 3\\nold down 1\\n"}


def test_a_site_that_works(examine):
    found = examine("kind: slurm\ninterface: lo\nlifetime: 30min\njob: {queue: main}\n", **SINFO)
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert "main, old" in found["slurm"][1]


@pytest.mark.parametrize("profile,check,state,words", [
    ("kind: slurm\njob: {queue: gone}\n", "queue", "fault", "no partition gone"),
    ("kind: slurm\njob: {queue: old}\n", "queue", "remark", "is down"),
    ("kind: slurm\nlifetime: 2h\n", "lifetime", "fault", "shorten"),
    ("kind: slurm\ninterface: ib7\n", "interface", "fault", "set interface to one of"),
    ("kind: slurm\ntls: {mode: off}\n", "tls", "remark", "can run code as you"),
    ("kind: pbs\n", "qsub", "fault", "not found"),
    ("kind: ssh\nssh: {hosts: [a]}\n", "tls", "fault", "how to encrypt"),
])  # fmt: skip
def test_what_is_wrong_and_what_to_do(examine, profile, check, state, words):
    found = examine(profile.replace("off}", "'off'}"), **SINFO)
    assert found[check][0] == state, found
    assert words in found[check][1]


def test_a_scheduler_that_answers_or_not(examine):
    with socket.create_server(("127.0.0.1", 0)) as server:
        profile = f"kind: address\naddress: tcp://127.0.0.1:{server.getsockname()[1]}\ntls: {{mode: 'off'}}\n"
        assert examine(profile)["scheduler"][0] == "ok"
    state, detail = examine(profile)["scheduler"]
    assert state == "fault" and "start it" in detail


def test_the_command_says_it_and_ends_with_2(cinchona, tmp_path):
    Path(tmp_path, "site.yaml").write_text("kind: lsf\n")
    ran = cinchona("doctor", "--profile", "site.yaml", "--json", "--set", "tracking.enabled=false")
    assert ran.code == ExitCode.USAGE
    checks = {c["check"]: c for c in json.loads(ran.out)["checks"]}
    assert checks["bsub"]["state"] == "fault"
    assert checks["profile"]["state"] == "ok"


def test_a_wrong_profile_is_a_fault(cinchona, tmp_path):
    Path(tmp_path, "site.yaml").write_text("kind: slrum\n")
    ran = cinchona("doctor", "--profile", "site.yaml", "--set", "tracking.enabled=false")
    assert ran.code == ExitCode.USAGE
    assert "slrum" in ran.out
