"""Time to detection: in which period would a rule have flagged a pair, had it been run at every period's end?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from cinchona.errors import NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.count import CountConfig, count_pairs
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports
from cinchona.pharmacovigilance.signals.counting.strata import MISSING, Strata
from cinchona.pharmacovigilance.signals.evaluation.reference import ReferenceSet
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus, fit_prior
from cinchona.pharmacovigilance.signals.gps.prior import PriorLikelihood
from cinchona.pharmacovigilance.signals.measures.catalogue import measure
from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet
from cinchona.pharmacovigilance.signals.scoring import score

NAIVE_RULES = (
    RuleSet(name="naive_n3", title="at least 3 reports", when="n >= 3", rank_by=("n",)),
    RuleSet(name="naive_n10", title="at least 10 reports", when="n >= 10", rank_by=("n",)),
)
"""Baselines that any rule has to beat: a mere count of reports."""


def time_to_detection(
    reports: CaseReports,
    periods: Strata,
    reference: ReferenceSet,
    rules: Sequence[RuleSet],
    *,
    config: CountConfig | None = None,
    accept: Collection[FitStatus | str] = (),
) -> pl.DataFrame:
    """Run rules on the reports up to the end of each period, and note when each reference pair is first flagged.

    The naive rules of :data:`NAIVE_RULES` are always run too. Cases without a date count from the first period on.

    Args:
        reports: The reports.
        periods: Period of each case, whose names ascend in time, for example from ``stratify(reports, "quarter")``.
        reference: Pairs with labels.
        rules: Rule sets.
        config: What is counted.
        accept: Statuses of an unusable prior fit to use all the same.

    Returns:
        One row a pair and rule: ``drug``, ``event``, ``label``, ``rule``, ``first_reported`` and ``detected`` (period
        names, null if never), ``delay`` (periods between the two).

    Raises:
        NoUsableRowsError: if no reference pair occurs.
    """
    every = [*rules, *NAIVE_RULES]
    order = [k for k, label in enumerate(periods.labels) if label != MISSING]
    undated = np.isin(periods.codes, [k for k, label in enumerate(periods.labels) if label == MISSING])
    first = np.full(len(reference), -1)
    flagged = np.full((len(every), len(reference)), -1)
    measures = sorted({name for rule in every for name in rule.measures}) or ["rrr"]
    for step in range(len(order)):
        so_far = reports.select(undated | np.isin(periods.codes, order[: step + 1]))
        try:
            counts = count_pairs(so_far, config)
        except NoUsableRowsError:
            continue
        found, places = counts.at(reference.drugs, reference.events)
        seen = found.n > 0
        first[places[seen & (first[places] < 0)]] = step
        frame = _score_found(counts, found, measures, accept)
        for r, rule in enumerate(every):
            hit = places[rule.mask(frame) & (flagged[r, places] < 0)]
            flagged[r, hit] = step
    if (first < 0).all():
        raise NoUsableRowsError("no reference pair was ever reported", expected="names as in the reports")
    return _tidy(reference, every, first, flagged, [periods.labels[k] for k in order])


def detection_summary(detections: pl.DataFrame) -> pl.DataFrame:
    """Summarise detections by rule.

    Returns:
        ``rule``, ``positives`` (reported pairs with label 1), ``detected`` (share of them ever flagged),
        ``median_delay`` (periods, over detected ones), ``negatives``, ``false_alarms`` (share ever flagged).
    """
    reported = detections.filter(pl.col("first_reported").is_not_null())
    positive, negative = pl.col("label") == 1, pl.col("label") == 0
    hit = pl.col("detected").is_not_null()
    return reported.group_by("rule", maintain_order=True).agg(
        positives=positive.sum(),
        detected=hit.filter(positive).mean(),
        median_delay=pl.col("delay").filter(positive).median(),
        negatives=negative.sum(),
        false_alarms=hit.filter(negative).mean(),
    )


def _score_found(
    counts: PairCounts, found: PairCounts, measures: Sequence[str], accept: Collection[FitStatus | str]
) -> pl.DataFrame:
    """Score the pairs ``found`` by a prior of the whole table ``counts``."""
    needs_prior = any(measure(name).needs_prior for name in measures)
    prior = fit_prior(counts).use(accept=accept) if needs_prior else PriorLikelihood.ALL_CELLS
    return score(found, measures, prior=prior).frame


def _tidy(
    reference: ReferenceSet, rules: Sequence[RuleSet], first: np.ndarray, flagged: np.ndarray, names: Sequence[str]
) -> pl.DataFrame:
    period = [*names, None]  # position -1 is never
    parts = [
        pl.DataFrame({
            "drug": reference.drugs, "event": reference.events, "label": reference.labels,
            "rule": [rule.name] * len(reference), "first_reported": [period[k] for k in first],
            "detected": [period[k] for k in flagged[r]],
            "delay": [int(f - b) if f >= 0 <= b else None for b, f in zip(first, flagged[r], strict=True)],
        }, schema_overrides={"first_reported": pl.String, "detected": pl.String, "delay": pl.Int64})
        for r, rule in enumerate(rules)
    ]  # fmt: skip
    return pl.concat(parts)
