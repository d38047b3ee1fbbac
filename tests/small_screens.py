"""Small screens for tests: real compounds that come with RDKit, small partitions, the cheap scorer."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from cheap_scorer import CheapScorer
from rdkit import RDConfig

from cinchona.datasets.config import StandardizeConfig
from cinchona.errors import CinchonaError
from cinchona.pipelines.array import work
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.screening.config import ExecutorConfig, ScreenConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.screening.totals import committed

NCI = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi")
"""4,999 lines of SMILES and number: salts, duplicates and a few unreadable ones among them."""


def nci_library(path: Path, rows: int) -> Path:
    """Write the first ``rows`` compounds of NCI as CSV with the columns ``id`` and ``smiles``."""
    lines = [line.split() for line in NCI.read_text().splitlines()[:rows]]
    path.write_text("id,smiles\n" + "".join(f"NSC{name},{smiles}\n" for smiles, name in lines))
    return path


def small_settings(
    kind: str = "serial",
    *,
    workers: int = 2,
    in_flight: int | None = None,
    method: str = "none",
    lease_seconds: float = 60.0,
    stall_seconds: float = 30.0,
    watch: dict[str, Any] | None = None,
    **screen: Any,
) -> Settings:
    """Settings of a screen that takes a second: partitions of 100 rows, batches of 32.

    Serial ones are unwatched unless ``watch`` says how, so that tests can reach into them.
    """
    return Settings(
        standardize=StandardizeConfig(method=method),
        screen=ScreenConfig(**{"partition_rows": 100, "batch_rows": 32, "top_k": 20, **screen}),
        executor=ExecutorConfig(
            kind=kind,
            workers=workers,
            in_flight=in_flight,
            lease_seconds=lease_seconds,
            stall_seconds=stall_seconds,
            dashboard=False,
            **({"watchdog": kind != "serial"} if watch is None else watch),
        ),
    )


def score_table(folder: Path) -> pa.Table:
    """All rows of a complete run, in order, as a reader sees them who trusts receipts."""
    run = RunFolder(folder)
    parts = [pq.read_table(run.root / receipt.file) for _, receipt in committed(run, load_plan(run))]
    return pa.concat_tables(parts)


# ---------------------------------------------------------------------------------------------- drivers that may die

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["small_screens"])


def start_driver(
    library: Path,
    out: Path,
    *,
    scorer: CheapScorer | None = None,
    settings: Settings | None = None,
    environment: dict[str, str] | None = None,
    max_file_bytes: int | None = None,
) -> multiprocessing.process.BaseProcess:
    """Start a screen in a process of its own, forked from a fresh one that has everything imported."""
    process = _FORKSERVER.Process(
        target=drive,
        args=(library, out, scorer or CheapScorer(), settings or small_settings(), environment or {}, max_file_bytes),
    )
    process.start()
    return process


def drive(
    library: Path,
    out: Path,
    scorer: CheapScorer,
    settings: Settings,
    environment: dict[str, str],
    max_file_bytes: int | None,
) -> None:
    """Screen, and end with the exit code that the command line would give."""
    os.environ.update(environment)
    if max_file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    try:
        screen(library, model=scorer, out=out, settings=settings)
    except CinchonaError as error:
        sys.exit(int(error.exit_code))


def start_task(
    out: Path, task: int, of: int, *, scorer: CheapScorer | None = None, environment: dict[str, str] | None = None
) -> multiprocessing.process.BaseProcess:
    """Start an array task of a planned screen in a process of its own."""
    process = _FORKSERVER.Process(target=drive_task, args=(out, task, of, scorer or CheapScorer(), environment or {}))
    process.start()
    return process


def drive_task(out: Path, task: int, of: int, scorer: CheapScorer, environment: dict[str, str]) -> None:
    """Do a task, and end with the exit code that the command line would give."""
    os.environ.update(environment)
    try:
        work(out, task=task, of=of, model=scorer)
    except CinchonaError as error:
        sys.exit(int(error.exit_code))


def ended(process: multiprocessing.process.BaseProcess, *, seconds: float = 120.0) -> int | None:
    """Exit code of a driver, waiting for it; None if it does not end."""
    process.join(seconds)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    return code


def wait_for_receipts(folder: Path, n: int, *, seconds: float = 120.0) -> None:
    """Wait until ``n`` partitions are committed."""
    deadline = time.monotonic() + seconds
    while sum(1 for _ in RunFolder(folder).receipt_files()) < n:
        assert time.monotonic() < deadline, f"no {n} receipts within {seconds} s"
        time.sleep(0.01)
