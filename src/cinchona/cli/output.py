"""Results on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cinchona.cli.common import Common


def plain(value: Any) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - one branch for each kind of value
    """Plain JSON data of any result: records become mappings, NaN and infinities null, paths and dates text."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="python"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy, without importing it
        return plain(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(inner) for inner in value]
    return str(value)


def show(common: Common, result: Any, *, title: str = "") -> None:  # noqa: ANN401 - any result
    """Write a result: one JSON document with ``--json``, else a table of names and figures."""
    data = plain(result)
    if common.as_json:
        emit(json.dumps(data, indent=2, ensure_ascii=False))
    elif isinstance(data, list):
        show_table(data, title=title)
    else:
        show_record(data, title=title)


def show_record(data: Mapping[str, Any], *, title: str = "") -> None:
    """Write names and values as a table; nested mappings become dotted names, lists of mappings tables of their own."""
    from rich.table import Table

    if title:
        emit(title)  # the title of a narrow table would be broken into lines
    table = Table(show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    below: list[tuple[str, list[Any]]] = []
    for name, value in _flat(data):
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            below.append((name, value))
        elif value is not None and value not in ("", [], {}):
            table.add_row(_words(name), _text(value))
    _print(table)
    for name, rows in below:
        show_table(rows, title=_words(name))


def show_table(rows: Sequence[Any], *, title: str = "") -> None:
    """Write a list of mappings as a table with a column for each key."""
    from rich.table import Table

    if not rows:
        emit("none")
        return
    records = [row if isinstance(row, dict) else {"value": row} for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    if title:
        emit(title)
    table = Table(box=None)
    for name in names:
        figures = all(isinstance(r.get(name), int | float | None) for r in records)
        table.add_column(_words(name), justify="right" if figures else "left", overflow="fold")
    for record in records:
        table.add_row(*(_text(record.get(name)) for name in names))
    _print(table)


def emit(text: str) -> None:
    """Write text to stdout; a reader that has gone (``| head``) is no error."""
    import sys

    from cinchona.cli.main import discard_stdout

    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()


def _print(renderable: Any) -> None:  # noqa: ANN401 - whatever rich renders
    import io
    import shutil
    import sys

    from rich.console import Console

    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else 240
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, markup=False, emoji=False
    )
    console.print(renderable)
    emit("\n".join(line.rstrip() for line in console.file.getvalue().splitlines()))  # type: ignore[attr-defined]


def _flat(data: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _text(value: Any) -> str:  # noqa: ANN401, PLR0911 - a line for each kind of plain value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Path | str):
        return str(value)
    if isinstance(value, list):
        sentences = any(isinstance(item, str) and "," in item for item in value)
        return ("; " if sentences else ", ").join(_text(item) for item in value)
    return json.dumps(value, ensure_ascii=False)
