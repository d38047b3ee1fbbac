"""Tables on a terminal, JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence


def emit_json(value: object) -> None:
    """Write plain data as one JSON document to stdout; dates and paths as text."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """Write a line for people to stderr, so that stdout stays a result."""
    typer.echo(text, file=sys.stderr)


def show_rows(title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write rows as a table to stdout; numbers to the right, shares in per cent."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    names = list(columns or rows[0])
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(name, row.get(name))) for name in names))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(table)
    console.print()


_KEY: Final = re.compile(r"(?:^|_)(?:key|id|no)(?:_|$)")
"""Columns of numbers that are names: they are copied into other commands, so no separators."""


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{100 * value:.1f} %" if name.startswith("no_") or name.endswith("share") else f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if _KEY.search(name) else f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(str(v) for v in value)
    return str(value)
