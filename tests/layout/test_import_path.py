"""The layout's first trap: with the root on the path, ``import datasets`` would find our folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOMS

import cinchona


def test_root_is_not_on_the_path(repository):
    assert repository.resolve() not in {Path(entry).resolve() for entry in sys.path if entry}
    assert "" not in sys.path, "an empty entry means the current folder"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_no_top_level_packages(repository, room):
    spec = importlib.util.find_spec(room)
    origin = Path(spec.origin).resolve() if spec and spec.origin else None
    assert origin is None or repository.resolve() not in origin.parents


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_reached_through_its_link(repository, room):
    module = importlib.import_module(f"cinchona.{room}")
    assert Path(module.__file__).resolve() == (repository / room / "__init__.py").resolve()


def test_git_stores_links_as_links(repository):
    command = ["git", "ls-files", "--stage", "--", *(f"src/cinchona/{room}" for room in ROOMS)]
    lines = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == len(ROOMS)
    assert {line.split()[0] for line in lines} == {"120000"}


def test_package_and_checks_know_the_same_rooms():
    assert sorted(cinchona.ROOMS) == list(ROOMS)


def test_package_without_rooms_says_what_to_do(tmp_path):
    package = tmp_path / "cinchona"
    package.mkdir()
    (package / "__init__.py").write_text(Path(cinchona.__file__).read_text())
    answer = subprocess.run(
        [sys.executable, "-c", "import cinchona"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert answer.returncode != 0
    assert "without its rooms datasets, models" in answer.stderr
    assert "core.symlinks true" in answer.stderr
