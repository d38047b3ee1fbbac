"""The page of a comparison: one HTML file with tables, and paired differences drawn as intervals."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cinchona.experiments.compare import Comparison, Paired
from cinchona.files import write_text
from cinchona.pipelines.report import render
from cinchona.screening.csvfile import write_csv

PAGE: Final = "comparison.html"
"""Name of the page."""
_WIDTH: Final = 360
_MARGIN: Final = 8


@dataclass(frozen=True, slots=True)
class Cells:
    """A table of texts."""

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One paired difference with its picture."""

    paired: Paired
    figures: tuple[str, ...]
    svg: Any


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """What the template shows."""

    title: str
    subtitle: str
    tables: tuple[Cells, ...]
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]


def write_comparison(found: Comparison, folder: Path) -> Path:
    """Write ``comparison.html``, ``metrics.csv`` and ``paired.csv`` into ``folder`` and return the page's path.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    import pyarrow as pa

    target = folder / PAGE
    write_text(target, render("comparison.html.j2", view_of(found)))
    for name, rows in (("metrics", found.metrics()), ("paired", [_row(p) for p in found.paired])):
        if rows:
            table = pa.Table.from_pylist(rows)
            write_csv(folder / f"{name}.csv", table.to_batches(), table.schema)
    return target


def view_of(found: Comparison) -> ComparisonView:
    """Arrange a comparison for the page; the template escapes all texts."""
    names = [run.name for run in found.runs]
    tables = [
        _cells("Runs", found.facts()),
        _cells("Settings that differ", found.settings(), "none: all settings are the same"),
        _cells(
            "Figures as recorded",
            found.metrics(),
            "Each run's own test compounds: comparable only where these are the same.",
        ),
        _cells("Hits in common", found.overlaps),
    ]
    shown = tuple(t for t in tables if t.rows or t.note)
    return ComparisonView(
        title=f"{len(names)} runs compared",
        subtitle=f"Reference: {names[0]}. Differences are run minus reference, on the compounds that both held out.",
        tables=shown,
        bars=tuple(_bars(found.paired)),
        notes=found.notes,
    )


def _bars(paired: Sequence[Paired]) -> list[Bar]:
    from markupsafe import Markup

    bars = []
    for one in paired:
        alike = [p for p in paired if (p.metric, p.target) == (one.metric, one.target)]
        reach = (
            max((abs(x) for p in alike for x in (p.lower, p.upper, p.difference) if math.isfinite(x)), default=0.0)
            or 1.0
        )
        figures = (
            f"{one.reference_value:.4g}", f"{one.value:.4g}", f"{one.difference:+.3g}",
            f"{one.lower:+.3g} … {one.upper:+.3g}", f"{one.n:,}", one.verdict,
        )  # fmt: skip
        bars.append(Bar(one, figures, Markup(interval_svg(one, reach))))  # noqa: S704 - built here from numbers alone
    return bars


def interval_svg(one: Paired, reach: float) -> str:
    """An interval on a line through 0; ``reach`` is the largest absolute value on the line."""

    def place(value: float) -> float:
        inner = _WIDTH / 2 - _MARGIN
        return round(_WIDTH / 2 + inner * max(-1.0, min(1.0, value / reach)), 1)

    told = html.escape(f"{one.metric}: {one.difference:+.3g}, 95 % interval {one.lower:+.3g} to {one.upper:+.3g}")
    ends = (place(one.lower), place(one.upper)) if math.isfinite(one.lower) else (place(one.difference),) * 2
    return (
        f'<svg class="interval" role="img" aria-label="{told}" viewBox="0 0 {_WIDTH} 24" width="{_WIDTH}" height="24">'
        f'<line x1="{_WIDTH / 2}" y1="2" x2="{_WIDTH / 2}" y2="22" stroke="currentColor" stroke-opacity=".4"/>'
        f'<line x1="{ends[0]}" y1="12" x2="{ends[1]}" y2="12" stroke="currentColor" stroke-width="2"/>'
        f'<circle cx="{place(one.difference)}" cy="12" r="4" fill="currentColor"/></svg>'
    )


def _row(one: Paired) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def _cells(title: str, rows: Sequence[Mapping[str, Any]], note: str = "") -> Cells:
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    texts = tuple(tuple(_text(row.get(name)) for name in names) for row in rows)
    return Cells(title, names, texts, note)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


__all__ = ["PAGE", "Bar", "Cells", "ComparisonView", "interval_svg", "view_of", "write_comparison"]
