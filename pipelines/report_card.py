"""What the page of a model card shows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from cinchona.models.metrics import error_unit
from cinchona.models.weak_spots import Spot
from cinchona.pipelines.card import ModelCard, WeakSpots
from cinchona.pipelines.depict import structure_svg
from cinchona.pipelines.reliability import reliabilities
from cinchona.pipelines.report_domain import distances_svg, domain_notes, errors_svg
from cinchona.pipelines.report_hits import printable
from cinchona.pipelines.report_metrics import MetricsTable, facts_of, metrics_tables

MAX_SERIES: Final = 12
"""Series with a row; the others stand in ``card.json``."""


@dataclass(frozen=True, slots=True)
class SpotRow:
    """One group of held-out compounds."""

    name: str
    picture: Markup
    """The scaffold, or nothing."""
    compounds: str
    error: str
    bias: str
    ratio: str
    worse: bool


@dataclass(frozen=True, slots=True)
class WeakView:
    """Where one target is wrong."""

    target: str
    unit: str
    summary: str
    series: list[SpotRow]
    left: int
    """Series without a row."""
    properties: list[tuple[str, list[SpotRow]]]


@dataclass(frozen=True, slots=True)
class CardView:
    """Everything that the template of a card shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    endpoints: list[tuple[str, str, str, str]]
    use: list[str]
    standing: list[str]
    limits: list[str]
    tables: list[MetricsTable]
    facts: list[tuple[str, str]]
    calibration: list[tuple[str, str, Markup]]
    """Target, what became of its intervals and probabilities in words, and a picture of it."""
    domain: list[tuple[str, str]]
    distances: Markup
    errors: list[tuple[str, Markup]]
    """Target and errors by distance."""
    weak: list[WeakView]
    versions: list[tuple[str, str]]


def card_view(card: ModelCard) -> CardView:
    """Put the page together."""
    domain = card.trust.get("domain")
    limits = [
        float(t["distance"]) for t in (domain or {}).get("thresholds") or () if isinstance(t.get("distance"), float)
    ]
    return CardView(
        title=f"Model card: {printable(card.name)}",
        subtitle=f"{card.kind}, fingerprint {card.fingerprint[:16]}",
        endpoints=[(str(e["name"]), str(e["unit"] or ""), str(e["kind"]), str(e["good"])) for e in card.endpoints],
        use=[printable(text) for text in card.use],
        standing=[printable(text) for text in card.standing],
        limits=[printable(text) for text in card.limits],
        tables=metrics_tables(card.trust),
        facts=[("fingerprint", card.fingerprint), *facts_of(card.trust), *_training(card.trust)],
        calibration=list(_calibration(card.trust)),
        domain=list(domain_notes(domain)),
        distances=distances_svg({"training set, each left out": (domain or {}).get("own") or ()}, limits[:1]),
        errors=list(_errors(card, domain or {}, limits)),
        weak=[_weak(spots) for spots in card.weak if spots.compounds],
        versions=list(card.versions.items()),
    )


def _training(trust: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    training = trust.get("training")
    if isinstance(training, dict) and training.get("run_id"):
        yield "run", str(training["run_id"])
    if "seed" in trust:
        yield "seed", str(trust["seed"])


def _calibration(trust: Mapping[str, Any]) -> Iterator[tuple[str, str, Markup]]:
    """What was measured of intervals and probabilities on the test part; of a damaged record, its figures as they are."""
    record = trust.get("calibration")
    for entry in (record.get("endpoints") or ()) if isinstance(record, Mapping) else ():
        if not isinstance(entry, Mapping):
            continue
        try:
            (found,) = reliabilities({"calibration": {"endpoints": [entry]}})
        except (KeyError, TypeError, ValueError, IndexError):
            plain = [f"{k} {_figure(v)}" for k, v in entry.items() if isinstance(v, int | float | str)]
            yield printable(str(entry.get("target", ""))), printable(", ".join(plain)), Markup()
        else:
            yield printable(found.target), printable(found.told), found.svg


def _errors(card: ModelCard, domain: Mapping[str, Any], limits: Sequence[float]) -> Iterator[tuple[str, Markup]]:
    units = {str(e["name"]): error_unit(str(e["unit"] or "")) for e in card.endpoints}
    for place, found in enumerate((domain.get("evidence") or {}).get("targets") or ()):
        target = str(found.get("target"))
        limit = limits[place] if place < len(limits) else None
        yield target, errors_svg(found.get("errors") or (), unit=units.get(target, ""), limit=limit)


def _weak(spots: WeakSpots) -> WeakView:
    unit = f" {spots.unit}" if spots.unit else ""
    worst = sum(spot.worse for spot in spots.series)
    summary = (
        f"{spots.compounds:,} held-out compounds, wrong by {spots.error:.3g}{unit} on average; "
        f"{worst or 'no'} series {'are' if worst > 1 else 'is'} worse than the rest beyond chance."
    )
    return WeakView(
        target=spots.target, unit=spots.unit, summary=summary,
        series=[_row(spot) for spot in spots.series[:MAX_SERIES]], left=max(len(spots.series) - MAX_SERIES, 0),
        properties=[(label, [_row(spot) for spot in found]) for label, found in spots.properties.items()],
    )  # fmt: skip


def _row(spot: Spot) -> SpotRow:
    picture = Markup(structure_svg(spot.scaffold, size=(150, 96))) if spot.scaffold else Markup()  # noqa: S704 - rebuilt by depict
    ratio = f"{spot.ratio:.2f}" if math.isfinite(spot.ratio) else "–"
    return SpotRow(
        printable(spot.name),
        picture,
        f"{spot.compounds:,}",
        f"{spot.error:.3g}",
        f"{spot.bias:+.2g}".replace("-", "−"),
        ratio,
        spot.worse,
    )


def _figure(value: Any) -> str:  # noqa: ANN401 - read from a file
    if isinstance(value, bool | str):
        return json.dumps(value) if isinstance(value, bool) else value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


__all__ = ["CardView", "SpotRow", "WeakView", "card_view"]
