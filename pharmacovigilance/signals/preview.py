"""Signal tables on a terminal: the columns that fit, figures to three digits, control characters made harmless."""

from __future__ import annotations

import math
import shutil
from typing import Final

import polars as pl
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cinchona.pharmacovigilance.signals.measures.catalogue import COLUMNS

WIDTH: Final = 120
"""Columns of text where the width of the terminal is not known."""
_FIRST: Final = ("rank", "drug", "event", "reason", "n", "expected")
_LAST: Final = ("rule", "n_drug", "n_event", "n_total", "sparse")
_LONGEST: Final = {"drug": 30, "event": 34, "reason": 44}
"""Longest text of a column; longer ones are folded."""


def preview(frame: pl.DataFrame, rows: int, *, width: int | None = None) -> tuple[str, list[str]]:
    """Write the first ``rows`` rows of a signal table as text.

    Args:
        frame: Signal table.
        rows: Rows to show.
        width: Characters in a line; None asks the terminal.

    Returns:
        The text, and the columns that did not fit.
    """
    wide = width or shutil.get_terminal_size((WIDTH, 24)).columns
    shown = frame.head(rows)
    cells = {name: [_cell(value) for value in shown[name]] for name in _ordered(frame)}
    kept, left = [], wide
    for name, texts in cells.items():
        needed = min(max(cell_len(t) for t in [name, *texts]), _LONGEST.get(name, wide)) + 2
        if needed > left and name not in _FIRST:
            continue
        kept.append(name)
        left -= needed
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in kept:
        number = frame.schema[name].is_numeric()
        longest = _LONGEST.get(name)
        table.add_column(
            name, justify="right" if number else "left", no_wrap=number, max_width=longest, overflow="fold"
        )
    for k in range(shown.height):
        table.add_row(*(Text(cells[name][k]) for name in kept))
    console = Console(width=max(wide, 40), color_system=None, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    return text, [name for name in frame.columns if name not in kept]


def figure_text(value: object) -> str:
    """A figure for people: whole numbers grouped, fractions to three digits, a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _cell(value: object) -> str:
    text = figure_text(value)
    return "".join(c if c.isprintable() else "�" for c in text)


def _ordered(frame: pl.DataFrame) -> list[str]:
    """Names first, then the figure and the lower bound of each measure, then the rest."""
    if "drug" not in frame.columns:  # a table of another kind, such as figures of an evaluation
        return frame.columns
    strata = [name for name in frame.columns[: frame.columns.index("drug")] if name not in {*_FIRST, *_LAST}]
    figures = [c for c in frame.columns if c in COLUMNS and c in COLUMNS[c].columns[:2]]
    first = [*strata, *(name for name in _FIRST if name in frame.columns), *figures]
    last = [name for name in _LAST if name in frame.columns]
    middle = [name for name in frame.columns if name not in {*first, *last}]
    return [*first, *last, *middle] if not figures else [*first, *middle, *last]
