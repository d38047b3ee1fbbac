"""The data-quality page as one HTML file that needs nothing else."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import jinja2

from cinchona import __version__
from cinchona.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from cinchona.pharmacovigilance.quality.facts import StoreFacts

_WIDTH: Final = 900
_HEIGHT: Final = 170
_WIDEST: Final = 90


def render(facts: StoreFacts, *, title: str) -> str:
    """Return the page as HTML text; every value of the store is escaped."""
    template = resources.files(__package__).joinpath("templates/quality.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["share"] = lambda value: "" if value is None else f"{100 * value:.1f} %"
    environment.filters["count"] = lambda value: f"{value:,}"
    charts = {source: quarter_chart([q for q in facts.quarters if q["source"] == source])
              for source in dict.fromkeys(q["source"] for q in facts.quarters)}  # fmt: skip
    return environment.from_string(template).render(facts=facts, title=title, charts=charts, version=__version__)


def write_page(facts: StoreFacts, target: Path, *, title: str) -> None:
    """Write the page to ``target``, atomically."""
    write_text(target, render(facts, title=title))


def quarter_chart(quarters: list[dict[str, Any]]) -> dict[str, Any]:
    """Bars of reports by quarter, current ones dark, in the units of an SVG of 900 x 170."""
    most = max((q["versions"] for q in quarters), default=1) or 1
    step = min(_WIDTH / max(1, len(quarters)), _WIDEST)
    bars = []
    for i, q in enumerate(quarters):
        high, dark = _HEIGHT * q["versions"] / most, _HEIGHT * q["current"] / most
        bars.append(
            {
                "x": round(i * step + 0.1 * step, 2), "width": round(0.8 * step, 2), "quarter": q["quarter"],
                "y": round(_HEIGHT - high, 2), "height": round(high, 2), "dark_y": round(_HEIGHT - dark, 2),
                "dark": round(dark, 2), "versions": q["versions"], "current": q["current"],
                "label": i % max(1, len(quarters) // 12) == 0,
            }
        )  # fmt: skip
    return {"bars": bars, "most": most, "width": _WIDTH, "height": _HEIGHT}
