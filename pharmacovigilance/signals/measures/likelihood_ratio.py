"""Likelihood-ratio tests with Monte Carlo p-values that hold for a whole family of pairs.

The statistic of a pair is log LR = n log(n / E) - (n - E) where n > E, else 0. Under a null of independence the largest
statistic of a family (the pairs of one drug, or of the whole table) is simulated, and the p-value of a pair is the share
of simulated maxima that reach its statistic: the family-wise error is kept at the level of the test.

The zero-inflated form lets a share omega of each drug's cells be structural zeros. Its statistic is the same at
``n`` > 0 and 0 at ``n`` = 0; what changes is the null that is simulated: a cell that is 0 stays 0 with its posterior
probability of being structural.

References:
    Huang L, et al. J Am Stat Assoc 2011;106:1230-1241. doi:10.1198/jasa.2011.ap10243
    Huang L, et al. J Biopharm Stat 2017;27:990-1008. doi:10.1080/10543406.2017.1295250
    Chakraborty S, et al. Stat Med 2022;41:5395-5420. doi:10.1002/sim.9575
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.optimize import brentq

from cinchona.errors import ConfigError, InputError, NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.measures import kernels
from cinchona.settings import Config

MAX_TABLE: Final = 5_000_000
"""Largest drug x event table that is simulated, in cells."""
_BLOCK: Final = 4_000_000
"""Simulated cells that are held at one time."""


class LrtConfig(Config):
    """How p-values are simulated."""

    null: Literal["multinomial", "binomial", "poisson"] = "binomial"
    """``multinomial``: a drug's mentions fall on events by their shares, margins fixed (Huang 2011; for mentions).
    ``binomial``: the same for reports, which can have several events. ``poisson``: every cell of the table is drawn and
    expected counts are computed anew from each drawn table (Chakraborty 2022; for tables of mentions)."""
    family: Literal["drug", "table"] = "drug"
    """Pairs over which the maximum is taken."""
    zero_inflated: bool = False
    """Let a share of each drug's cells be structural zeros."""
    draws: int = 1000
    """Simulated tables; the smallest p-value is 1 / (draws + 1)."""


@dataclass(frozen=True, slots=True)
class LrtResult:
    """Statistics and p-values of the pairs of a table, for the tested drugs."""

    drugs: np.ndarray
    """Tested drug codes, int64, shape (j,)."""
    log_ratio: np.ndarray
    """Log likelihood ratios, float64, shape (n_events, j), at least 0."""
    p_value: np.ndarray
    """Monte Carlo p-values, float64, shape (n_events, j), in [1 / (draws + 1), 1]."""
    omega: np.ndarray
    """Share of structural zeros of each tested drug, float64, shape (j,); 0 without zero inflation."""
    critical: np.ndarray
    """95 % quantile of the simulated maxima, float64, shape (j,)."""


def likelihood_ratio_test(
    counts: PairCounts, *, rng: np.random.Generator, drugs: np.ndarray | None = None, config: LrtConfig | None = None
) -> LrtResult:
    """Test every event of the chosen drugs.

    Args:
        counts: Counts of the whole table.
        rng: Random numbers.
        drugs: Drug codes to test, int, shape (j,); None tests all. The others belong to the table all the same.
        config: Null, family, zero inflation and number of draws.

    Raises:
        InputError: if ``counts`` is a selection.
        NoUsableRowsError: if no pair was reported.
        ConfigError: if the table is too large to simulate, or the null does not fit the counts.
    """
    chosen = config or LrtConfig()
    tested = np.arange(len(counts.drug_labels)) if drugs is None else np.asarray(drugs, np.int64)
    _check(counts, chosen, len(tested))
    table = _Table.of(counts)
    expected = table.expected[:, tested]
    observed = table.n[:, tested]
    statistic = kernels.poisson_log_ratio(observed.ravel(), expected.ravel()).reshape(expected.shape)
    omega = np.zeros(table.n.shape[1])
    if chosen.zero_inflated:
        omega = np.array([structural_zeros(table.n[:, j], table.expected[:, j]) for j in range(len(omega))])
    maxima = _simulate(table, tested, _structural_probability(table, omega), config=chosen, rng=rng)
    if chosen.family == "table":
        maxima = np.repeat(maxima.max(axis=1, keepdims=True), len(tested), axis=1)
    ordered = np.sort(maxima, axis=0)
    p = np.empty_like(statistic)
    for j in range(len(tested)):
        reached = chosen.draws - np.searchsorted(ordered[:, j], statistic[:, j], side="left")
        p[:, j] = (1.0 + reached) / (chosen.draws + 1.0)
    return LrtResult(tested, statistic, p, omega[tested], np.quantile(maxima, 0.95, axis=0))


def structural_zeros(n: np.ndarray, expected: np.ndarray) -> float:
    """Share of structural zeros among the cells of one drug, by maximum likelihood, in [0, 1).

    Each cell is zero-inflated Poisson with its rate at the maximum max(n, E), so cells with ``n`` = 0 tell how many
    zeros there are beyond exp(-E). Cells with E = 0 say nothing and are left out.

    Args:
        n: Counts of the drug, shape (n_events,).
        expected: Expected counts, shape (n_events,).
    """
    known = expected > 0
    chance = np.exp(-expected[known & (n == 0)])
    positive = int((n[known] > 0).sum())

    def slope(share: float) -> float:
        return float(((1.0 - chance) / (share + (1.0 - share) * chance)).sum() - positive / (1.0 - share))

    if slope(0.0) <= 0.0:
        return 0.0
    return float(brentq(slope, 0.0, 1.0 - 1e-9, xtol=1e-12)) if positive else 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class _Table:
    """The dense table: events by drugs."""

    n: np.ndarray
    expected: np.ndarray
    share: np.ndarray
    """Probability of each event, float64, shape (n_events,)."""
    drug_margin: np.ndarray

    @classmethod
    def of(cls, counts: PairCounts) -> _Table:
        n = np.zeros((len(counts.event_labels), len(counts.drug_labels)))
        n[counts.event, counts.drug] = counts.n
        share = counts.event_margin / counts.total
        return cls(n, share[:, None] * counts.drug_margin[None, :], share, counts.drug_margin)


def _check(counts: PairCounts, config: LrtConfig, n_tested: int) -> None:
    if len(counts) == 0:
        raise NoUsableRowsError("a table without a reported pair cannot be tested", expected="at least one pair")
    if not counts.complete:
        raise InputError("the test needs the whole table", expected="counts of all pairs, drugs chosen by `drugs`")
    mentions = counts.definition.counting == "mentions"
    if (config.null in {"multinomial", "poisson"}) != mentions:
        raise ConfigError(
            f"the null {config.null!r} does not fit counts of {counts.definition.counting}",
            expected="binomial for reports, multinomial or poisson for mentions",
        )
    whole = config.null == "poisson" or config.zero_inflated
    size = len(counts.event_labels) * (len(counts.drug_labels) if whole else n_tested)
    if size > MAX_TABLE:
        raise ConfigError(
            f"a table of {size:,} cells is too large to simulate", expected=f"at most {MAX_TABLE:,} cells",
            remedy="test fewer drugs, or group drugs or events",
        )  # fmt: skip


def _structural_probability(table: _Table, omega: np.ndarray) -> np.ndarray:
    """Posterior probability that a cell is a structural zero, given that it is a zero; 0 for the others."""
    chance = (1.0 - omega) * np.exp(-table.expected)
    return np.asarray(np.where(table.n == 0, omega / np.maximum(omega + chance, 1e-300), 0.0))


def _simulate(
    table: _Table, tested: np.ndarray, structural: np.ndarray, *, config: LrtConfig, rng: np.random.Generator
) -> np.ndarray:
    """Largest statistic of each tested drug in each simulated table, float64, shape (draws, j)."""
    if config.null == "poisson":
        drawn = [_draw_poisson(table, tested, structural, rng) for _ in range(config.draws)]
        return np.stack(drawn)
    maxima = np.zeros((config.draws, len(tested)))
    block = max(1, _BLOCK // len(table.share))
    for column, drug in enumerate(tested):
        for first in range(0, config.draws, block):
            size = min(block, config.draws - first)
            cells = _draw_drug(table, int(table.drug_margin[drug]), config.null, size, rng)
            cells[rng.random(cells.shape) < structural[:, drug]] = 0.0
            expected = np.broadcast_to(table.expected[:, drug], cells.shape).ravel()
            statistic = kernels.poisson_log_ratio(cells.ravel(), expected).reshape(cells.shape)
            maxima[first : first + size, column] = statistic.max(axis=1)
    return maxima


def _draw_drug(table: _Table, margin: int, null: str, size: int, rng: np.random.Generator) -> np.ndarray:
    if null == "multinomial":
        return rng.multinomial(margin, table.share / table.share.sum(), size=size).astype(np.float64)
    return rng.binomial(margin, np.minimum(table.share, 1.0), size=(size, len(table.share))).astype(np.float64)


def _draw_poisson(table: _Table, tested: np.ndarray, structural: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cells = rng.poisson(table.expected).astype(np.float64)
    if structural.any():
        cells[rng.random(cells.shape) < structural] = 0.0
    expected = np.outer(cells.sum(axis=1), cells.sum(axis=0)[tested]) / max(cells.sum(), 1.0)
    statistic = kernels.poisson_log_ratio(cells[:, tested].ravel(), expected.ravel())
    return np.asarray(statistic.reshape(expected.shape).max(axis=0))
