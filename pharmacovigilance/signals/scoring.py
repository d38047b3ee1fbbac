"""Scoring: a table of pairs with every measure that was asked for, and how all of it was made."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from cinchona.errors import ConfigError, InputError
from cinchona.pharmacovigilance.signals.counting.pairs import Cells, Definition, PairCounts
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus, PriorFit, fit_prior
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture, PriorLikelihood
from cinchona.pharmacovigilance.signals.measures.catalogue import DEFAULT_MEASURES, conventions, measure
from cinchona.pharmacovigilance.signals.measures.frequentist import is_sparse, warn_if_sparse
from cinchona.pharmacovigilance.signals.measures.record import Measure, Scored

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignalTable:
    """Scored pairs and how they were made."""

    frame: pl.DataFrame
    """One row a pair: ``drug``, ``event``, ``n``, ``n_drug``, ``n_event``, ``n_total``, ``expected``, ``sparse``
    (an expected cell is below 5), then the columns of the measures."""
    definition: Definition
    """How the counts were made."""
    measures: tuple[str, ...]
    """Names of the measures."""
    prior: PriorFit | GammaMixture | None = None
    """The prior behind ``ebgm``, ``eb05`` and ``eb95``."""

    def conventions(self) -> pl.DataFrame:
        """Formula, range, null value, convention and citation of each measure."""
        return conventions(self.measures)

    def about(self) -> dict[str, object]:
        """Plain data that says how the table was made; for JSON, trackers and reports."""
        found: dict[str, object] = {f"counts_{k}": v for k, v in asdict(self.definition).items()}
        found |= {"measures": list(self.measures), "pairs": self.frame.height}
        if isinstance(self.prior, PriorFit):
            found |= {f"prior_{k}": v for k, v in self.prior.summary().items()}
        elif self.prior is not None:
            found |= {"prior_parameters": list(self.prior.vector), "prior_likelihood": "given by the user"}
        return found


def score(
    counts: PairCounts,
    measures: Iterable[str] = DEFAULT_MEASURES,
    *,
    prior: PriorFit | GammaMixture | PriorLikelihood | str = PriorLikelihood.ALL_CELLS,
    accept: Collection[FitStatus | str] = (),
    rows: np.ndarray | None = None,
) -> SignalTable:
    """Score pairs by every measure named.

    The prior of the gamma-Poisson shrinker belongs to the whole table, so it is fitted to ``counts`` before ``rows``
    are picked.

    Args:
        counts: Counts of the whole table.
        measures: Names of measures or of their columns.
        prior: A fit, a prior with known parameters, or the likelihood to fit one by; read only if a measure needs it.
        accept: Statuses of an unusable fit to use all the same, for example ``("boundary",)``.
        rows: Positions or mask of the pairs to score; None scores all.

    Raises:
        UnknownNameError: if a measure does not exist.
        PriorNotUsableError: if the prior fit is not usable and its status is not accepted.
        ConfigError: if no measure is named.
    """
    chosen = _distinct(measure(name) for name in measures)
    if not chosen:
        raise ConfigError("no measure is named", expected="at least one")
    fit = _prior(counts, prior) if any(m.needs_prior for m in chosen) else None
    usable = fit.use(accept=accept) if isinstance(fit, PriorFit) else fit
    picked = counts if rows is None else counts.take(rows)
    scored = Scored(picked, usable)
    frame = picked.frame().with_columns(sparse=pl.Series(is_sparse(scored.cells)))
    for item in chosen:
        logger.debug("computing %s of %d pairs", item.name, len(picked))
        frame = frame.with_columns(**_columns(item, scored))
    return SignalTable(frame, counts.definition, tuple(m.name for m in chosen), fit)


def score_table(
    cells: tuple[int, int, int, int], *, drug: str = "drug", event: str = "event", measures: Sequence[str] | None = None
) -> pl.DataFrame:
    """Score one 2x2 table by the measures that need no prior.

    Args:
        cells: Reports (a) with drug and event, (b) with the drug only, (c) with the event only, (d) with neither.
        drug: Name for the table and for messages.
        event: Name for the table and for messages.
        measures: Names of measures; None takes all closed forms.

    Returns:
        One row.

    Raises:
        InputError: if a cell is negative or not whole, or all are 0.

    Warns:
        SparseTableWarning: if an expected cell is below 5.

    >>> score_table((25, 75, 1_000, 10_000), measures=["prr"])["prr"].round(2).item()
    2.75
    """
    a, b, c, d = cells
    if any(x != int(x) for x in cells if np.isfinite(x)) or not sum(cells):
        raise InputError(f"the cells {cells} are no counts of reports", expected="whole numbers, not all 0")
    warn_if_sparse(Cells.of(a, b, c, d), drug=drug, event=event)
    counts = PairCounts(
        pa.array([drug], pa.string()), pa.array([event], pa.string()), np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([a]),
        np.array([a + b]), np.array([a + c]), a + b + c + d, complete=False,
    )  # fmt: skip
    names = (
        "rrr",
        "prr",
        "ror",
        "ror_haldane",
        "chi2",
        "chi2_yates",
        "fisher",
        "fisher_two_sided",
        "ic",
        "bcpnn",
        "lrt",
    )
    return score(counts, measures or names).frame


def _distinct(chosen: Iterable[Measure]) -> list[Measure]:
    return list({m.name: m for m in chosen}.values())


def _prior(counts: PairCounts, prior: PriorFit | GammaMixture | PriorLikelihood | str) -> PriorFit | GammaMixture:
    if isinstance(prior, PriorFit | GammaMixture):
        return prior
    return fit_prior(counts, prior)


def _columns(item: Measure, scored: Scored) -> dict[str, pl.Series]:
    arrays = item.compute(scored)
    assert len(arrays) == len(item.columns), f"{item.name} gave {len(arrays)} columns"
    return {name: pl.Series(array) for name, array in zip(item.columns, arrays, strict=True)}
