"""Judging the measures of a view by a reference set."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from cinchona.errors import NoUsableRowsError
from cinchona.pharmacovigilance.signals.evaluation.harness import DEFAULT_COLUMNS, EvaluationConfig, evaluate
from cinchona.pharmacovigilance.signals.evaluation.reference import PlacedReference, ReferenceSet
from cinchona.pharmacovigilance.signals.measures.catalogue import COLUMNS, measure
from cinchona.pharmacovigilance.signals.scoring import score
from cinchona.pharmacovigilance.signals.view import PairView

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """How the measures did on a reference set."""

    figures: pl.DataFrame
    """As :func:`~cinchona.pharmacovigilance.signals.evaluation.harness.evaluate` gives them."""
    pairs: pl.DataFrame
    """The placed pairs with their scores and ``label``."""
    placed: PlacedReference
    """What of the set was found, and what was not."""


def judge_reference(
    view: PairView,
    reference: ReferenceSet,
    *,
    events: Mapping[str, Sequence[str]] | None = None,
    config: EvaluationConfig | None = None,
    seed: int = 0,
) -> Judged:
    """Judge measures by the pairs of a reference set, reported or not.

    Args:
        view: Reports and settings.
        reference: The reference set.
        events: Terms of each outcome of the set, counted as one event; for outcomes that are no terms themselves.
        config: What is judged.
        seed: Seed of the bootstrap.

    Raises:
        NoUsableRowsError: if no pair of the set can be placed; the message says which names do not occur.
        PooledAucRefusedError: if a pooled AUC is asked for.
    """
    chosen = config or EvaluationConfig()
    if events:
        view = view.with_event_groups(events)
    placed = reference.place(view.counts)
    if placed.unknown_drugs or placed.unknown_events:
        logger.warning(
            "reference set: %d drugs and %d events do not occur in the reports, for example %s",
            len(placed.unknown_drugs), len(placed.unknown_events),
            ", ".join([*placed.unknown_drugs[:3], *placed.unknown_events[:3]]),
        )  # fmt: skip
    if len(placed.labels) == 0:
        raise NoUsableRowsError(
            "no pair of the reference set occurs in the reports",
            where=f"{len(placed.unknown_drugs)} drugs and {len(placed.unknown_events)} events are unknown",
            expected="names as in the reports, or terms of each outcome",
        )
    columns = chosen.columns or DEFAULT_COLUMNS
    names = dict.fromkeys(COLUMNS[c].name for c in columns if c in COLUMNS)
    prior = view.prior if any(measure(name).needs_prior for name in names) else view.settings.prior
    table = replace(score(placed.counts, names, prior=prior, accept=view.settings.accept))
    pairs = table.frame.with_columns(label=pl.Series(placed.labels))
    figures = evaluate(pairs, placed.labels, config=chosen.model_copy(update={"columns": tuple(columns)}), seed=seed)
    return Judged(figures, pairs, placed)
