"""What the report of an evaluation shows of compounds that the model may have seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.leakage import BINS
from cinchona.models.evaluation import Evaluation
from cinchona.models.metrics import METRICS
from cinchona.pipelines.depict import structure_svg
from cinchona.pipelines.figures import histogram_svg
from cinchona.pipelines.leakage import Audit
from cinchona.pipelines.report_hits import printable

MOST: Final = 8
"""Seen compounds that are shown, other forms before duplicates, which are less of a surprise."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A compound of the test that training has too."""

    structure: Markup
    compound_id: str
    kind: str
    """``duplicate``, or ``other form`` of a twin."""
    known_id: str
    """The nearest training compound."""
    similarity: str
    """Its Tanimoto similarity."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A figure with and without the compounds that were seen."""

    target: str
    metric: str
    all_compounds: str
    unseen: str


@dataclass(frozen=True, slots=True)
class LeakageView:
    """The section on leakage; texts are plain and escaped in the template."""

    source: str
    """Where the training compounds are from."""
    counts: list[tuple[str, str]]
    """What was counted, with shares."""
    histogram: Markup
    """Similarity to the nearest training compound."""
    changes: list[Changed]
    """Figures without the seen compounds; empty where none was seen or too few are new."""
    seen: list[Seen]
    """The first of the seen compounds."""
    n_seen: int
    """How many there are."""


def leakage_view(data: AssayTable, audit: Audit, figures: Sequence[Evaluation]) -> LeakageView:
    """Put the section together.

    Args:
        data: Measured compounds.
        audit: What they have in common with training.
        figures: Metrics of the model over all of them.
    """
    edges = [k / BINS for k in range(BINS + 1)]
    picture = histogram_svg(edges, audit.report.histogram, label="Tanimoto similarity to the nearest training compound")
    return LeakageView(
        source=audit.source,
        counts=list(_counts(audit)),
        histogram=Markup(picture),  # noqa: S704 - drawn from numbers
        changes=list(_changes(figures, audit.without)),
        seen=list(_seen(data, audit)),
        n_seen=int(audit.overlap.seen.sum()),
    )


def _counts(audit: Audit) -> Iterator[tuple[str, str]]:
    report = audit.report
    n = max(report.n_test, 1)
    yield "compounds of the test", f"{report.n_test:,}"
    yield "compounds of the training", f"{report.n_train:,}"
    for name, count in (
        ("duplicates: the same standardized structure", report.duplicates),
        ("other stereo form, isotope, protonation or tautomer", report.twins),
        ("scaffold known from training", report.shared_scaffolds),
    ):
        yield name, f"{count:,}\u00a0({count / n:.1%})"  # a space that does not break
    for bound, share in ((0.9, report.share_above_0_9), (0.7, report.share_above_0_7), (0.5, report.share_above_0_5)):
        yield f"nearest training compound at least {bound} similar", f"{share:.1%}"
    yield "median similarity to it", "–" if math.isnan(report.median_similarity) else f"{report.median_similarity:.2f}"


def _changes(before: Sequence[Evaluation], after: Sequence[Evaluation]) -> Iterator[Changed]:
    first = {(one.target, one.metric): one for one in before}
    for one in after:
        whole = first.get((one.target, one.metric))
        if one.interval is not None and whole is not None and whole.interval is not None:
            yield Changed(one.target, METRICS[one.metric].title, str(whole.interval), str(one.interval))


def _seen(data: AssayTable, audit: Audit) -> Iterator[Seen]:
    found = audit.overlap
    rows = np.concatenate([np.flatnonzero(found.twin), np.flatnonzero(found.duplicate)])
    for row in rows[:MOST].tolist():
        yield Seen(
            structure=Markup(structure_svg(data.smiles[row], size=(180, 118))),  # noqa: S704 - rebuilt by depict
            compound_id=printable(data.compound_ids[row]),
            kind="duplicate" if found.duplicate[row] else "other form",
            known_id=printable(audit.nearest_ids[row]),
            similarity=f"{found.similarity[row]:.2f}",
        )


__all__ = ["Changed", "LeakageView", "leakage_view", "MOST", "Seen"]
