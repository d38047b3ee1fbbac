"""Signals: counts of drug-event pairs, every measure under a named convention, rules, evaluation, pictures, reports."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.signals.counting.columns import ReportColumns
    from cinchona.pharmacovigilance.signals.counting.comparators import count_against_cases, count_within_class
    from cinchona.pharmacovigilance.signals.counting.count import CountConfig, Universe, count_by, count_pairs
    from cinchona.pharmacovigilance.signals.counting.grouping import group_drugs, group_events
    from cinchona.pharmacovigilance.signals.counting.linked import count_linked
    from cinchona.pharmacovigilance.signals.counting.pairs import Cells, PairCounts, counts_of_pairs
    from cinchona.pharmacovigilance.signals.counting.reports import CaseReports, read_reports, reports_of_lists
    from cinchona.pharmacovigilance.signals.counting.strata import Strata, stratify
    from cinchona.pharmacovigilance.signals.counting.tables import (
        CountColumns,
        counts_of_cross_table,
        counts_of_table,
        read_counts,
    )
    from cinchona.pharmacovigilance.signals.counting.triplets import count_triplets
    from cinchona.pharmacovigilance.signals.evaluation.detection import detection_summary, time_to_detection
    from cinchona.pharmacovigilance.signals.evaluation.harness import EvaluationConfig, evaluate
    from cinchona.pharmacovigilance.signals.evaluation.reference import ReferenceSet, read_reference
    from cinchona.pharmacovigilance.signals.gps.fit import FitStatus, PriorFit, fit_groups, fit_prior
    from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture, PriorLikelihood
    from cinchona.pharmacovigilance.signals.measures.catalogue import MEASURES, conventions
    from cinchona.pharmacovigilance.signals.measures.interaction import interaction_table
    from cinchona.pharmacovigilance.signals.measures.likelihood_ratio import LrtConfig, likelihood_ratio_test
    from cinchona.pharmacovigilance.signals.measures.observed_expected import (
        observed_expected_table,
        observed_to_expected,
    )
    from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet, load_rules, rank_signals, rule_sets
    from cinchona.pharmacovigilance.signals.scoring import SignalTable, score, score_table
    from cinchona.pharmacovigilance.signals.simulation.reports import ReportSimulation, simulate_reports

_HERE: Final = "cinchona.pharmacovigilance.signals"
_LAZY: Final = {
    name: f"{_HERE}.{module}"
    for module, names in {
        "counting.columns": ("ReportColumns",),
        "counting.comparators": ("count_against_cases", "count_within_class"),
        "counting.count": ("CountConfig", "Universe", "count_by", "count_pairs"),
        "counting.grouping": ("group_drugs", "group_events"),
        "counting.linked": ("count_linked",),
        "counting.pairs": ("Cells", "PairCounts", "counts_of_pairs"),
        "counting.reports": ("CaseReports", "read_reports", "reports_of_lists"),
        "counting.strata": ("Strata", "stratify"),
        "counting.tables": ("CountColumns", "counts_of_cross_table", "counts_of_table", "read_counts"),
        "counting.triplets": ("count_triplets",),
        "evaluation.detection": ("detection_summary", "time_to_detection"),
        "evaluation.harness": ("EvaluationConfig", "evaluate"),
        "evaluation.reference": ("ReferenceSet", "read_reference"),
        "gps.fit": ("FitStatus", "PriorFit", "fit_groups", "fit_prior"),
        "gps.prior": ("GammaMixture", "PriorLikelihood"),
        "measures.catalogue": ("MEASURES", "conventions"),
        "measures.interaction": ("interaction_table",),
        "measures.likelihood_ratio": ("LrtConfig", "likelihood_ratio_test"),
        "measures.observed_expected": ("observed_expected_table", "observed_to_expected"),
        "rules.rule_sets": ("RuleSet", "load_rules", "rank_signals", "rule_sets"),
        "scoring": ("score", "score_table", "SignalTable"),
        "simulation.reports": ("ReportSimulation", "simulate_reports"),
    }.items()
    for name in names
}

__all__ = [
    "CaseReports",
    "Cells",
    "conventions",
    "count_against_cases",
    "count_by",
    "count_linked",
    "count_pairs",
    "count_triplets",
    "count_within_class",
    "CountColumns",
    "CountConfig",
    "counts_of_cross_table",
    "counts_of_pairs",
    "counts_of_table",
    "detection_summary",
    "evaluate",
    "EvaluationConfig",
    "fit_groups",
    "fit_prior",
    "FitStatus",
    "GammaMixture",
    "group_drugs",
    "group_events",
    "interaction_table",
    "likelihood_ratio_test",
    "load_rules",
    "LrtConfig",
    "MEASURES",
    "observed_expected_table",
    "observed_to_expected",
    "PairCounts",
    "PriorFit",
    "PriorLikelihood",
    "rank_signals",
    "read_counts",
    "read_reference",
    "read_reports",
    "ReferenceSet",
    "ReportColumns",
    "reports_of_lists",
    "ReportSimulation",
    "rule_sets",
    "RuleSet",
    "score",
    "score_table",
    "SignalTable",
    "simulate_reports",
    "Strata",
    "stratify",
    "time_to_detection",
    "Universe",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
