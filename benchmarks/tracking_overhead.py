"""Share of a screen's CPU time that its record in MLflow takes, measured within one run.

Every call of the tracker is timed while the screen runs, and so is the thread that samples processor and memory. Importing
MLflow and making a new SQLite store, which happen once, are told apart. Usage::

    python benchmarks/tracking_overhead.py [LIBRARY] [--rows 100000] [--model FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.sources import open_library
from cinchona.experiments import sampler
from cinchona.experiments.client import load_mlflow
from cinchona.experiments.tracker import MlflowTracker
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train
from cinchona.protocols import TrackedRun
from cinchona.settings import load_settings

_STEP = 20_000


@dataclass
class Clock:
    """CPU seconds of the calls that it wraps; nested calls count once."""

    seconds: float = 0.0
    calls: int = 0
    deep: int = 0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, timed."""

        def run(*arguments: Any, **named: Any) -> Any:
            self.deep += 1
            begun = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                self.deep -= 1
                if not self.deep:
                    self.seconds += time.thread_time() - begun
                    self.calls += 1

        return run


class TimedTracker:
    """A tracker whose calls are timed."""

    def __init__(self, tracker: MlflowTracker, clock: Clock) -> None:
        self._tracker = tracker
        self._clock = clock

    @contextmanager
    def run(
        self, name: str, *, kind: str, tags: Mapping[str, str] | None = None, parent: str | None = None
    ) -> Iterator[TrackedRun]:
        """Open a run and time what it does."""
        opened = self._tracker.run(name, kind=kind, tags=tags, parent=parent)
        run = self._clock.timed(opened.__enter__)()
        for method in ("log_params", "log_metrics", "log_dataset", "log_artifact", "log_table", "set_tags"):
            setattr(run, method, self._clock.timed(getattr(run, method)))
        yield run
        self._clock.timed(opened.__exit__)(None, None, None)

    def describe(self) -> str:
        """One line for people."""
        return self._tracker.describe()


def cpu_now() -> float:
    """CPU seconds of this process and of the children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def first_rows(library: str, rows: int, scratch: Path) -> Path:
    """The first ``rows`` rows of a library as Parquet."""
    batches = open_library([library], staging=scratch / "staged").batches(_STEP)
    tables = [
        pa.Table.from_batches([batch.data.select(["compound_id", "smiles"])])
        for batch, _ in itertools.islice(batches, -(-rows // _STEP))
    ]
    target = scratch / "library.parquet"
    pq.write_table(pa.concat_tables(tables).slice(0, rows), target)
    return target


def measure(library: str, rows: int, model: Path | None, scratch: Path) -> None:
    """Screen once and print the shares."""
    settings: Settings = load_settings(Settings, overrides=["executor.kind=serial", "training.epochs=1"], environ={})
    if model is None:
        model = train("catalogue:nav17", targets=["pIC50"], out=scratch / "model", settings=settings).folder
    source = first_rows(library, rows, scratch)
    begun = cpu_now()
    load_mlflow()
    imported = cpu_now() - begun
    tracker = MlflowTracker(f"sqlite:///{scratch}/mlflow.db")
    tracker.store.connect().search_experiments()
    made = cpu_now() - begun - imported
    clock, samples = Clock(), Clock()
    sampler._figures = samples.timed(sampler._figures)  # noqa: SLF001 - timed, not changed
    begun = cpu_now()
    done = screen(source, model=model, out=scratch / "out", settings=settings, tracker=TimedTracker(tracker, clock))
    total = cpu_now() - begun
    logging = clock.seconds + samples.seconds
    print(f"rows {done.rows:,}, screen {total:.1f} CPU s, of which the record {logging:.2f} s in {clock.calls} calls")
    print(f"  and {samples.calls} samples of the machine ({samples.seconds:.2f} s): {100 * logging / total:.2f} %")
    print(f"once: import of MLflow {imported:.1f} s, a new SQLite store {made:.1f} s")
    print(f"all of it: {100 * (logging + imported + made) / (total + imported + made):.2f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="?", default="catalogue:moses")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument(
        "--model", type=Path, help="Model folder; by default one of default size is trained for an epoch."
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(chosen.library, chosen.rows, chosen.model, Path(folder))
