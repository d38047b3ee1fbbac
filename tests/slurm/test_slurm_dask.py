"""Dask's workers as jobs of a real SLURM, encrypted: a screen that loses a worker's job halfway is exact."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from slurm_jobs import receipts, until
from small_screens import nci_library, small_settings

from cinchona.pipelines.screen import screen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SLOW = CheapScorer(seconds=0.05)


@pytest.fixture
def site(tmp_path) -> Path:
    file = tmp_path / "site.yaml"
    tests = Path(__file__).parent.parent
    file.write_text(f"""
kind: slurm
workers: 2
interface: lo
start_seconds: 240
job:
  queue: main
  memory: 1GiB
  walltime: "00:10:00"
  logs: {tmp_path}/logs
  prologue: ['export PYTHONPATH="$PYTHONPATH:{tests}"']
tls:
  folder: {tmp_path}/tls
""")
    return file


def test_a_job_is_cancelled_halfway(slurm, site, tmp_path):
    library = nci_library(tmp_path / "library.csv", 2_000)
    clean = screen(library, model=SLOW, out=tmp_path / "clean", settings=small_settings(batch_rows=100))
    settings = small_settings("dask", batch_rows=100)
    executor = settings.executor.model_copy(update={"profile": site, "workers": None})
    killed = []

    def cancel_one() -> None:
        until(lambda: len(receipts(tmp_path / "run")) >= 3, "the first receipts")
        jobs = slurm.run("squeue", "-h", "-n", "cinchona-worker", "-t", "R", "-o", "%A").split()
        slurm.run("scancel", "--signal=KILL", "--full", jobs[0])
        killed.append(jobs[0])

    canceller = threading.Thread(target=cancel_one)
    canceller.start()
    result = screen(
        library, model=SLOW, out=tmp_path / "run", settings=settings.model_copy(update={"executor": executor})
    )
    canceller.join()
    assert killed, "no job was cancelled, so nothing was shown"
    assert result.scores_digest == clean.scores_digest
    until(lambda: not slurm.run("squeue", "-h", "-n", "cinchona-worker").strip(), "jobs stay behind")
    assert not list((tmp_path / "tls").iterdir()), "certificates stay behind"
