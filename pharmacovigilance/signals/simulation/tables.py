"""Tables of counts with known ratios: drawn from a prior, or real margins with injected signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.counting.pairs import Definition, PairCounts
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture

_BLOCK: Final = 4_000_000
"""Cells that are drawn at one time."""

_Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""From a number of cells to their ratios and which of them are signals."""


@dataclass(frozen=True, slots=True)
class SimulatedTable:
    """Counts with the ratios that they were drawn with."""

    counts: PairCounts
    """Counts of all pairs with ``n`` >= 1; the margins are those given, not sums of the drawn counts."""
    ratio: np.ndarray
    """True ratio lambda of each pair of ``counts``, float64, shape (n,)."""
    injected: np.ndarray
    """True where the pair was made a signal, bool, shape (n,)."""
    n_injected: int
    """Signals in the whole table, also those never reported."""


def simulate_from_prior(
    prior: GammaMixture, drug_margin: np.ndarray, event_margin: np.ndarray, total: int, *, rng: np.random.Generator
) -> SimulatedTable:
    """Draw lambda from ``prior`` for every cell of the table, then n ~ Poisson(lambda E), and keep lambda.

    Zero cells are drawn like all others; only seen pairs are kept, as in a real table.

    Args:
        prior: Truth.
        drug_margin: Reports of each drug, shape (n_drugs,).
        event_margin: Reports of each event, shape (n_events,).
        total: Reports.
        rng: Random numbers.
    """
    margins = (drug_margin, event_margin, total)
    return _simulate(lambda size: (prior.draw(size, rng), np.zeros(size, bool)), margins, rng)


def inject_signals(
    drug_margin: np.ndarray,
    event_margin: np.ndarray,
    total: int,
    *,
    rng: np.random.Generator,
    share: float = 0.01,
    signal: tuple[float, float] = (1.5, 5.0),
) -> SimulatedTable:
    """Draw a table on given (real) margins with known signals among heterogeneous noise.

    Every cell has a background ratio Gamma(4, rate 4), mean 1. A random ``share`` of the cells are signals, whose
    ratio is multiplied by a factor uniform in ``signal``. Which cells are signals does not depend on the margins.

    Args:
        drug_margin: Reports of each drug, shape (n_drugs,).
        event_margin: Reports of each event, shape (n_events,).
        total: Reports.
        rng: Random numbers.
        share: Share of cells that are signals, in (0, 1).
        signal: Smallest and largest factor of a signal.

    Raises:
        ConfigError: if ``share`` is not a share.
    """
    if not 0.0 < share < 1.0:
        raise ConfigError(f"the share of signals is {share}", expected="between 0 and 1")

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        ratio = rng.gamma(4.0, 0.25, size)
        hit = rng.random(size) < share
        ratio[hit] *= rng.uniform(*signal, int(hit.sum()))
        return ratio, hit

    return _simulate(draw, (drug_margin, event_margin, total), rng)


def _simulate(draw: _Draw, margins: tuple[np.ndarray, np.ndarray, int], rng: np.random.Generator) -> SimulatedTable:
    drug_margin, event_margin, total = margins
    n_events = len(event_margin)
    step = max(1, _BLOCK // n_events)
    parts, n_injected = [], 0
    for first in range(0, len(drug_margin), step):
        expected = np.outer(drug_margin[first : first + step], event_margin) / total
        ratio, hit = draw(expected.size)
        n = rng.poisson(ratio * expected.ravel())
        seen = np.flatnonzero(n)
        n_injected += int(hit.sum())
        parts.append((first * n_events + seen, n[seen], ratio[seen], hit[seen]))
    keys, n, ratio, hit = (np.concatenate(column) for column in zip(*parts, strict=True))
    counts = PairCounts(
        _names("drug", len(drug_margin)), _names("event", n_events), (keys // n_events).astype(np.int32),
        (keys % n_events).astype(np.int32), n, np.asarray(drug_margin, np.int64), np.asarray(event_margin, np.int64),
        int(total), definition=Definition(universe="simulated on given margins"),
    )  # fmt: skip
    return SimulatedTable(counts, ratio, hit, n_injected)


def _names(what: str, size: int) -> pa.Array:
    width = len(str(max(size - 1, 0)))
    return pa.array([f"{what} {k:0{width}d}" for k in range(size)], pa.string())


def zipf_margins(size: int, *, largest: int, smallest: int = 5, power: float = 1.0) -> np.ndarray:
    """Margins that fall like a power of the rank, as those of real databases do; int64, shape (size,)."""
    return np.maximum(largest / np.arange(1, size + 1) ** power, smallest).astype(np.int64)
