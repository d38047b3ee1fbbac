"""The description of a run: one readable page of what was put in and what came out, as Markdown."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_FIGURES: Final = 40
HEADLINE: Final = 6
"""Figures in the line that can be seen without unfolding."""
MAX_CHARACTERS: Final = 7_500
"""MLflow keeps 8,000 characters of a tag."""
_TOLD: Final = ("seed", "split", "split_kind", "model_name", "cinchona_version")
_SPECIAL: Final = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]|#!~"} | {"\n": " ", "\r": " "})


@dataclass(slots=True)
class Note:
    """What a run has recorded so far, as far as its description tells it."""

    title: str
    kind: str
    lead: str = ""
    """Plain text that says what the run did, from the tag ``description``."""
    figures: dict[str, float] = field(default_factory=dict)
    """Metrics without steps."""
    curves: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Metrics with steps: number of points and last value."""
    datasets: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, use, digest."""
    files: list[str] = field(default_factory=list)
    """Artifacts worth opening."""

    def markdown(self, tags: Mapping[str, str] | None = None) -> str:
        """Render; every value is escaped, since names come from other people's files."""
        shown = [f"{escape(k)} {escape(v)}" for k, v in (tags or {}).items() if k in _TOLD]
        name = self.title.removeprefix(f"{self.kind} ")
        parts = [
            " · ".join([f"**{escape(self.kind)}** {escape(name)}", *shown]),
            escape(self.lead),
            " · ".join(f"{escape(k)} **{number(v)}**" for k, v in [*self.figures.items()][:HEADLINE]),
            table(("figure", "value"), [(k, number(v)) for k, v in [*self.figures.items()][:MAX_FIGURES]]),
            table(("curve", "points", "last"), [(k, str(n), number(v)) for k, (n, v) in self.curves.items()]),
            table(("data", "use", "SHA-256"), [(n, use, digest[:12]) for n, use, digest in self.datasets]),
            _files(self.files),
        ]
        return _fit([p for p in parts if p])


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no link, no HTML, one line."""
    return html.escape(text, quote=False).translate(_SPECIAL)


def number(value: float) -> str:
    """A figure for people: integers with separators, others with four digits."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, or nothing without rows."""
    body = [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    if not body:
        return ""
    return "\n".join([f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *body])


def _files(names: Sequence[str]) -> str:
    return f"Look at {', '.join(escape(n) for n in names)} under *Artifacts*." if names else ""


def _fit(parts: list[str]) -> str:
    while sum(len(p) + 2 for p in parts) > MAX_CHARACTERS and len(parts) > 1:
        parts.pop()
    return "\n\n".join(parts)[:MAX_CHARACTERS]
