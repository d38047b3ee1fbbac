"""Scoring 4 M pairs: closed forms, exact tests, prior fit, posterior quantiles; and the recorded figures of openEBGM.

    python benchmarks/signal_scores.py
    CINCHONA_ORACLES=... python benchmarks/signal_scores.py --oracles      also caers and the oracle's 1 M pairs

The table is drawn from a known prior on Zipf margins, zeros included, so the fit can be compared with the truth. CPU
seconds, median of three, loops compiled beforehand. Limits: PRR, ROR, chi-squared and IC with bounds 3 s; prior fit 5 s;
EB05 and EB95 together 5 s at a relative error of 1e-6 against exact Newton.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cinchona.manifest import host_facts
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.gps.cells import seen_cells
from cinchona.pharmacovigilance.signals.gps.curves import quantile
from cinchona.pharmacovigilance.signals.gps.fit import PriorFit, fit_groups, fit_prior
from cinchona.pharmacovigilance.signals.gps.posterior import posterior
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture
from cinchona.pharmacovigilance.signals.gps.quantiles import quantile_exact
from cinchona.pharmacovigilance.signals.measures.catalogue import MEASURES
from cinchona.pharmacovigilance.signals.measures.record import Scored
from cinchona.pharmacovigilance.signals.simulation.tables import SimulatedTable, simulate_from_prior, zipf_margins
from cinchona.seeds import rng

TRUTH = GammaMixture(0.45, 0.2, 1.7, 2.1, 0.12)
CLOSED = ("prr", "ror", "chi2", "chi2_yates", "ic")
RECORDED = {
    "openEBGM caers, fit of 17,189 pairs": "28.0 s elapsed",
    "openEBGM 1 M pairs, squashing": "18.3 s elapsed, 3.0 CPU s",
    "openEBGM 1 M pairs, fit": "refused: 27,708 squashed points, 20,000 allowed",
    "openEBGM 1 M pairs, EB05": "81.3 s elapsed, 16.5 CPU s",
    "openEBGM 1 M pairs, EB95": "70.7 s elapsed, 34.2 CPU s",
}
"""Recorded on a busy 2-core machine; from the oracles' timings."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--drugs", type=int, default=4000)
    parser.add_argument("--events", type=int, default=12_000)
    parser.add_argument("--oracles", action="store_true")
    asked = parser.parse_args()
    drugs = zipf_margins(asked.drugs, largest=400_000, smallest=20, power=0.85)
    events = zipf_margins(asked.events, largest=600_000, smallest=20, power=0.9)
    table = simulate_from_prior(TRUTH, drugs, events, 5_000_000, rng=rng(1, "signal_scores"))
    print(
        f"{len(table.counts):,} pairs seen of {asked.drugs * asked.events:,} cells; counts up to {table.counts.n.max():,}\n"
    )
    print("| what | CPU s |\n|---|---|")
    for name, seconds in chain(measures(table.counts, asked.repeat), shrinker(table, asked.repeat)):
        print(f"| {name} | {seconds} |", flush=True)
    if asked.oracles:
        for name, seconds in oracles(asked.repeat):
            print(f"| {name} | {seconds} |", flush=True)
    for name, text in RECORDED.items():
        print(f"| {name} | {text} |")
    facts = host_facts()
    print(f"\n{facts['processor']}, {facts['cores']} cores")


def measures(counts: PairCounts, repeat: int) -> Iterator[tuple[str, str]]:
    def closed() -> None:
        scored = Scored(counts)
        for name in CLOSED:
            MEASURES[name].compute(scored)

    yield "PRR, ROR, chi-squared twice, IC, with bounds", timed(closed, repeat)[0]
    for name in ("fisher", "fisher_two_sided", "lrt", "bcpnn"):
        yield MEASURES[name].title, timed(lambda name=name: MEASURES[name].compute(Scored(counts)), repeat)[0]


def shrinker(table: SimulatedTable, repeat: int) -> Iterator[tuple[str, str]]:
    counts = table.counts
    seconds, fit = timed(lambda: fit_prior(counts), repeat)
    yield (
        f"prior fit, all cells ({fit.n_points:,} points, {fit.agreeing_starts} of {len(fit.starts)} starts agree)",
        seconds,
    )
    yield "- distance to the truth, in standard errors", distance(fit)
    expected = counts.expected
    both: list[np.ndarray] = []

    def bounds() -> None:
        both[:] = [quantile(fit.prior, counts.n, expected, p) for p in (0.05, 0.95)]

    yield "EB05 and EB95", timed(bounds, repeat)[0]
    begun = time.process_time()
    exact = [quantile_exact(fit.prior, counts.n, expected, p) for p in (0.05, 0.95)]
    yield "- by exact Newton", f"{time.process_time() - begun:.2f}"
    error = max(float(np.abs(fast / slow - 1).max()) for fast, slow in zip(both, exact, strict=True))
    yield "- largest relative error", f"{error:.1e}"
    inside = np.mean((table.ratio >= both[0]) & (table.ratio <= both[1]))
    yield "- share of true ratios between them", f"{inside:.4f}"
    yield "EBGM and posterior weight", timed(lambda: posterior(fit.prior, counts.n, expected), repeat)[0]


def oracles(repeat: int) -> Iterator[tuple[str, str]]:
    if "CINCHONA_ORACLES" not in os.environ:
        sys.exit("set CINCHONA_ORACLES to the folder of reference results")
    folder = Path(os.environ["CINCHONA_ORACLES"])
    caers = pl.read_parquet(folder / "openEBGM" / "caers_processed_unstratified.parquet")
    million = pl.read_parquet(folder / "synth_1M_N_E.parquet")
    for name, frame in (("caers, 17,189 pairs", caers), ("1 M pairs", million)):
        n, expected = frame["N"].to_numpy(), frame["E"].to_numpy()
        for likelihood in ("mixture_of_truncated", "truncated_mixture"):
            seconds, fit = timed(lambda: fit_groups(seen_cells(n, expected), likelihood), repeat)  # noqa: B023
            yield f"{name}: grouping and fit, {likelihood}", seconds
        for p, title in ((0.05, "EB05"), (0.95, "EB95")):
            yield f"{name}: {title}", timed(lambda: quantile(fit.prior, n, expected, p), repeat)[0]  # noqa: B023


def distance(fit: PriorFit) -> str:
    steps = (np.array(fit.prior.vector) - np.array(TRUTH.vector)) / np.array(fit.standard_errors)
    return ", ".join(f"{step:+.2f}" for step in steps)


def timed(work: Callable[[], object], repeat: int) -> tuple[str, Any]:
    work()  # compiles
    seconds: list[float] = []
    result: Any = None
    for _ in range(repeat):
        begun = time.process_time()
        result = work()
        seconds.append(time.process_time() - begun)
    return f"{statistics.median(seconds):.2f}", result


if __name__ == "__main__":
    main()
