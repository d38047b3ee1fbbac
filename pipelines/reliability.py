"""Reliability of a model for reports and records: a picture and a sentence for each endpoint, from its trust record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cinchona.pipelines.figures import bars_svg, lines_svg


@dataclass(frozen=True, slots=True)
class Reliability:
    """What became of an endpoint's promises on held-out compounds."""

    target: str
    svg: Markup
    told: str
    """In words."""


def reliabilities(trust: Mapping[str, Any]) -> Iterator[Reliability]:
    """One entry for each endpoint that ``trust["calibration"]`` tells of."""
    for record in (trust.get("calibration") or {}).get("endpoints") or ():
        svg = _class_svg(record) if record["kind"] == "classification" else _coverage_svg(record)
        yield Reliability(str(record["target"]), Markup(svg), told(record))  # noqa: S704 - drawn here, names escaped


def reliability_figures(trust: Mapping[str, Any]) -> dict[str, float]:
    """Figures for the record of runs, by name."""
    figures: dict[str, float] = {}
    for record in (trust.get("calibration") or {}).get("endpoints") or ():
        for key in ("coverage", "width", "ece", "single"):
            if isinstance(record.get(key), int | float):
                figures[f"test {key} {record['target']} intervals"] = float(record[key])
    return figures


def _coverage_svg(record: Mapping[str, Any]) -> str:
    """Share of labels found within intervals over the share promised; an honest model lies on the diagonal."""
    points = list(zip(record["levels"], record["found"], strict=True))
    return lines_svg(
        [(str(record["target"]), points)], y_range=(0.0, 1.0), x_label="share promised within the interval",
        y_label="share found", guide=((points[0][0], points[0][0]), (points[-1][0], points[-1][0])),
    )  # fmt: skip


def _class_svg(record: Mapping[str, Any]) -> str:
    """Share of actives over the predicted probability in bins of equal count, with 95 % intervals."""
    bins: Sequence[Mapping[str, float]] = record["bins"]
    marks = [(b["promised"], b["found"], b["lower"], b["upper"]) for b in bins]
    return bars_svg(
        marks,
        label=str(record["target"]),
        x_label="predicted probability, bins of equal count",
        y_label="share of actives",
    )


def _by_chance(bins: Sequence[Mapping[str, float]]) -> float:
    """Gap that is expected of right probabilities: mean absolute deviation of a share, by its normal approximation."""
    total = sum(b["n"] for b in bins)
    gaps = [b["n"] / total * math.sqrt(2 * b["promised"] * (1 - b["promised"]) / (math.pi * b["n"])) for b in bins]
    return sum(gaps)


def told(record: Mapping[str, Any]) -> str:
    """A record of :func:`~cinchona.models.calibration.checking.check_trust` in words."""
    low, high = record["coverage_interval"]
    held = f"{record['coverage']:.1%} of {record['n']:,} labels ({low:.1%} to {high:.1%})"
    if record["kind"] == "classification":
        return (
            f"Of the sets of level {record['level']:.0%}, {held} hold the label, and {record['single']:.0%} name a single one. Mean gap "
            f"between probability and share of actives: {record['ece']:.3f}; {_by_chance(record['bins']):.3f} by chance alone if all "
            f"probabilities were right.{_by_domain(record)}"
        )
    width = "no finite width" if record["width"] is None else f"mean width {record['width']:.3g}"
    return f"Intervals of level {record['level']:.0%} hold {held}; {width}.{_by_domain(record)}"


def _by_domain(record: Mapping[str, Any]) -> str:
    """How much lies outside the domain, and what the promise is worth there and inside."""
    found = record.get("domain")
    if not isinstance(found, Mapping):
        return ""
    inside, outside = (int(found[key]) for key in ("inside", "outside"))
    if not outside:
        return " None of these compounds is outside the domain."
    share = f" {outside:,} of these compounds ({outside / record['n']:.0%}) {'is' if outside == 1 else 'are'} outside the domain"
    rest = f", and {found['coverage_inside']:.0%} inside" if inside else ""
    return f"{share}, where {found['coverage_outside']:.0%} are held{rest}."


__all__ = ["reliabilities", "Reliability", "reliability_figures", "told"]
