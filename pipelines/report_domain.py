"""What reports show of an applicability domain: a library beside the training set, and errors by distance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cinchona.models.domain.drift import DriftReport, Shift
from cinchona.models.domain.measure import BARS
from cinchona.pipelines.figures import empty_svg, lines_svg

_DISTANCE: Final = (
    "Distance: 1 minus the Tanimoto similarity of hashed atom environments (radius 2, 2,048 bits) to the nearest training "
    "compound; 0 is the same fingerprint, 1 shares nothing."
)

_VECTORS: Final = (
    "Euclidean distance in the principal components of the first network's vectors, within which training compounds have "
    "another one; whatever is beyond it is outside, however near its fingerprint is"
)


@dataclass(frozen=True, slots=True)
class DriftView:
    """Everything that the template of a comparison shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    figures: list[tuple[str, str]]
    """Value and what it is."""
    distances: Markup
    targets: list[tuple[str, str, str, str]]
    """Target, threshold, share outside, what the threshold means."""
    shifts: list[tuple[str, ...]]
    """Property, medians and ranges of library and training set, shift, share beyond."""
    notes: list[str]


def drift_view(drift: DriftReport, *, model: str, library: str, rejected: int) -> DriftView:
    """Put a report together.

    Args:
        drift: The figures.
        model: Name of the model.
        library: Names of the files.
        rejected: Rows without a usable structure.
    """
    limits = [target.threshold for target in drift.targets]
    return DriftView(
        title=f"How far {library} is from training",
        subtitle=f"seen from {model}",
        figures=[
            (f"{drift.compounds:,}", "compounds measured"),
            (f"{rejected:,}", "rows rejected"),
            (percent(max((t.share for t in drift.targets), default=math.nan)), "outside the domain"),
            (f"{drift.known:,}", "with a training compound's fingerprint"),
            (percent(drift.share_unseen), "on scaffolds that training has not"),
        ],
        distances=distances_svg({"library": drift.library, "training set, each left out": drift.training}, limits[:1]),
        targets=[(t.target, f"{t.threshold:.2f}", percent(t.share), t.meaning) for t in drift.targets]
        + _vectors(drift),
        shifts=[_shift_row(shift) for shift in drift.shifts],
        notes=[_sampled(drift), _DISTANCE],
    )


def _vectors(drift: DriftReport) -> list[tuple[str, str, str, str]]:
    """The row of the distance in the network's vectors."""
    seen = drift.vectors
    if seen is None:
        return []
    return [("every target, in the network's vectors", f"{seen.limit:.3g}", percent(seen.share), f"{_VECTORS}.")]


def distances_svg(sets: Mapping[str, Sequence[int]], limits: Sequence[float]) -> Markup:
    """Draw how compounds spread over distances, each set as shares of its own, with a dashed line at the threshold.

    Args:
        sets: Compounds in each of the bars of equal width in [0, 1], by name.
        limits: At most one threshold.
    """
    lines = [(name, _steps(counts)) for name, counts in sets.items() if sum(counts)]
    if not lines:
        return Markup(empty_svg("no compounds", label="Distances"))  # noqa: S704 - ours
    top = max(y for _, points in lines for _, y in points)
    highest = 1.35 * top  # room for the legend, which the guide must not cross
    guide = ((limits[0], 0.0), (limits[0], top)) if limits else None
    svg = lines_svg(
        lines, y_range=(0.0, highest), x_label="distance to the nearest training compound", y_label="share", guide=guide,
        legend="top",
    )  # fmt: skip
    return Markup(svg)  # noqa: S704 - drawn by us


def errors_svg(errors: Sequence[float | None], *, unit: str, limit: float | None) -> Markup:
    """Draw the mean held-out error in each bar of the distance, with a dashed line at the threshold."""
    points = [((k + 0.5) / len(errors), float(e)) for k, e in enumerate(errors) if e is not None and math.isfinite(e)]
    if len(points) < 2:
        return Markup(empty_svg("too few held-out compounds", label="Errors by distance"))  # noqa: S704 - ours
    top = max(y for _, y in points) or 1.0
    highest = 1.25 * top
    guide = None if limit is None else ((limit, 0.0), (limit, top))
    svg = lines_svg(
        [("mean error", points)], y_range=(0.0, highest), x_label="distance to the nearest training compound",
        y_label=f"absolute error{f' [{unit}]' if unit else ''}", guide=guide, legend="top",
    )  # fmt: skip
    return Markup(svg)  # noqa: S704 - drawn by us


def domain_notes(domain: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - read from a file
    """Facts about a domain as ``trust.json`` tells them: what each threshold means, how errors grow."""
    if not isinstance(domain, Mapping):
        return
    yield (
        "fingerprints kept",
        f"{domain.get('compounds', 0):,}, hashed; ids {'kept' if domain.get('ids') else 'not kept'}",
    )
    seen = domain.get("embedding")
    if isinstance(seen, Mapping) and isinstance(seen.get("limit"), float):
        yield "threshold in the network's vectors", f"{seen['limit']:.3g}: {_VECTORS}"
    evidence = {str(e.get("target")): e for e in (domain.get("evidence") or {}).get("targets") or ()}
    for place, threshold in enumerate(domain.get("thresholds") or ()):
        yield f"threshold {place + 1}" if len(domain["thresholds"]) > 1 else "threshold", str(threshold.get("meaning"))
    for target, found in evidence.items():
        if isinstance(found.get("spearman"), float):
            yield (
                f"error with distance, {target}",
                f"Spearman {found['spearman']:.2f} ({_text(found.get('lower'))} to {_text(found.get('upper'))})",
            )


def _sampled(drift: DriftReport) -> str:
    which = "all compounds" if drift.sample == drift.compounds else f"{drift.sample:,} compounds drawn at random"
    return (
        f"Properties and scaffolds are those of {which}; {drift.with_rings:,} of them have "
        f"rings, and the scaffolds of {drift.unseen:,} are not in training."
    )


def percent(share: float) -> str:
    """A share for people; a dash where there is none."""
    return f"{share:.1%}" if math.isfinite(share) else "–"


def _text(value: Any) -> str:  # noqa: ANN401 - read from a file
    return f"{value:.2f}" if isinstance(value, float) else "–"


def _steps(counts: Sequence[int]) -> list[tuple[float, float]]:
    """Outline of a histogram as points."""
    total = sum(counts)
    points = [(0.0, 0.0)]
    for k, count in enumerate(counts):
        points += [(k / BARS, count / total), ((k + 1) / BARS, count / total)]
    return [*points, (1.0, 0.0)]


def _shift_row(shift: Shift) -> tuple[str, ...]:
    cells = [
        f"{s.quantiles[2]:.4g} ({s.quantiles[0]:.4g} to {s.quantiles[-1]:.4g})" for s in (shift.library, shift.training)
    ]
    step = f"{shift.shift:+.2f}" if math.isfinite(shift.shift) else "–"
    return (shift.label, *cells, step, percent(shift.beyond))


__all__ = ["DriftView", "distances_svg", "domain_notes", "drift_view", "errors_svg", "percent"]
