"""The table of hits in a report: columns, cells, and what a reader can search and sort by."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from markupsafe import Markup, escape

from cinchona.pipelines.depict import structure_svg
from cinchona.screening.layout import NEAREST, TableLayout

PICTURE: Final = (180, 118)
"""Width and height of a structure in the table, in CSS pixels."""
_PROPERTIES: Final = {"mw": "MW", "logp": "logP", "tpsa": "TPSA"}
_DOMAIN: Final = {1: "inside", 0: "outside"}
_BLANK: Final = Markup("–")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    key: str
    """Column of ``hits.parquet``."""
    label: str
    """What stands above it."""
    kind: str
    """``picture``, ``id``, ``number``, ``value``, ``range``, ``domain``, ``flags`` or ``text``."""
    ascending_first: bool = False
    """Whether the first click sorts upwards."""
    sorted: str = ""
    """Order in which the table comes."""

    @property
    def numeric(self) -> bool:
        """Whether cells are compared as numbers."""
        return self.kind in {"number", "value", "range"}

    @property
    def sortable(self) -> bool:
        """Whether the head is a button."""
        return self.kind != "picture"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; ``html`` is escaped."""

    html: Markup
    css: str
    label: str
    """Name that a card shows before the value."""
    sort_value: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One row."""

    text: str
    """What the search looks at, lower case."""
    score: str
    domain: str
    flags: list[str]
    cells: list[Cell]


def columns_of(hits: pa.Table, layout: TableLayout) -> list[Column]:
    """Columns worth showing: no endpoint twice, no property that nobody computed."""
    names = set(hits.schema.names)
    columns = [
        Column("rank", "rank", "number", ascending_first=True, sorted="ascending"),
        Column("parent_smiles", "structure", "picture"),
        Column("compound_id", "id and SMILES", "id"),
    ]
    if not _score_is_endpoint(hits, layout):
        columns.append(Column("score", "score", "number"))
    for endpoint in layout.endpoints:
        unit = f" [{endpoint.unit}]" if endpoint.unit else ""
        columns.append(Column(endpoint.column, f"{endpoint.name}{unit}", "value"))
        if {"lower", "upper"} <= set(layout.details):
            columns.append(Column(endpoint.column, "interval", "range"))
        if "in_domain" in layout.details:
            columns.append(Column(f"{endpoint.column}_in_domain", "domain", "domain"))
    if layout.nearest:
        columns.append(Column(NEAREST, "nearest in training", "text"))
    columns += [Column(key, label, "number") for key, label in _PROPERTIES.items() if key in names]
    return [*columns, Column("flags", "flags", "flags")]


def flags_of(hits: pa.Table) -> list[str]:
    """Flags that occur, sorted."""
    return sorted({flag for text in hits["flags"].to_pylist() for flag in _split(text)})


def hit_rows(
    hits: pa.Table, columns: Sequence[Column], layout: TableLayout, *, explained: Mapping[str, Markup] | None = None
) -> Iterator[Hit]:
    """The rows of the table, best first.

    Args:
        hits: The hits.
        columns: What to show.
        layout: What the scorer gave.
        explained: Pictures with shares by standardized SMILES; the others are plain.
    """
    pictures = explained or {}
    domain = f"{layout.endpoints[0].column}_in_domain" if layout.endpoints else ""
    for row in hits.to_pylist():
        searched = (row["compound_id"], row.get("duplicate_ids"), row["smiles"], row["parent_smiles"], row["flags"])
        yield Hit(
            text=" ".join(printable(str(part)) for part in searched if part).lower()[:4000],
            score=_plain(row["score"]),
            domain=str(row.get(domain, "")),
            flags=_split(row["flags"]),
            cells=[
                Cell(pictures[row["parent_smiles"]], "pic", "")
                if column.kind == "picture" and row["parent_smiles"] in pictures
                else _CELLS[column.kind](row, column)
                for column in columns
            ],
        )


def printable(text: str) -> str:
    """``text`` without control characters and marks that turn the direction of writing."""
    return "".join(
        c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def _score_is_endpoint(hits: pa.Table, layout: TableLayout) -> bool:
    if len(layout.endpoints) != 1:
        return False
    value = hits[layout.endpoints[0].column].to_numpy()
    return bool(np.array_equal(value, hits["score"].to_numpy(), equal_nan=True))


def _split(text: str | None) -> list[str]:
    return [flag for flag in (text or "").split(";") if flag]


def _plain(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _shown(value: float | None) -> str:
    """As few digits as are needed to compare: two decimals, one from 100 on, three digits for the very small."""
    if value is None or not math.isfinite(value):
        return ""
    size = abs(value)
    if 0 < size < 0.01 or size >= 100_000:
        return f"{value:.3g}"
    return f"{value:.1f}" if size >= 100 else f"{value:.2f}"


Row = Mapping[str, Any]


def _picture(row: Row, column: Column) -> Cell:
    svg = structure_svg(row[column.key] or "", size=PICTURE)
    return Cell(Markup(svg), "pic", "")  # noqa: S704 - rebuilt from numbers by depict


def _id(row: Row, _: Column) -> Cell:
    name = printable(row["compound_id"] or f"row {row['row_id']}")
    more = row.get("n_duplicates") or 0
    note = Markup('<span class="note">and {} more of this structure</span>').format(more) if more else ""
    smiles = Markup("<code>{}</code>").format(printable(row["parent_smiles"] or ""))
    return Cell(Markup("<bdi>{}</bdi>{}{}").format(name, smiles, note), "id", "", name)


def _number(row: Row, column: Column) -> Cell:
    value = row[column.key]
    shown = str(value) if isinstance(value, int) else _shown(value)
    return Cell(escape(shown) if shown else _BLANK, "num", column.label, _plain(value))


def _value(row: Row, column: Column) -> Cell:
    value, spread = row[column.key], row.get(f"{column.key}_uncertainty")
    tail = Markup('<span class="spread">± {}</span>').format(_shown(spread)) if _shown(spread) else ""
    body = Markup("{}{}").format(_shown(value), tail) if _shown(value) else _BLANK
    return Cell(body, "num", column.label, _plain(value))


def _range(row: Row, column: Column) -> Cell:
    low, high = row.get(f"{column.key}_lower"), row.get(f"{column.key}_upper")
    shown = f"{_shown(low)} to {_shown(high)}" if _shown(low) and _shown(high) else ""
    return Cell(escape(shown) if shown else _BLANK, "num", column.label, _plain(low))


def _domain_cell(row: Row, column: Column) -> Cell:
    told = _DOMAIN.get(row[column.key], "")
    return Cell(escape(told) if told else _BLANK, "" if told else "blank", column.label)


def _flags(row: Row, _: Column) -> Cell:
    flags = _split(row["flags"])
    return Cell(
        Markup("").join(Markup('<span class="flag">{}</span>').format(printable(f)) for f in flags),
        "" if flags else "blank",
        "",
        ";".join(flags),
    )


def _text(row: Row, column: Column) -> Cell:
    value = printable(str(row[column.key] or ""))
    return Cell(Markup("<bdi>{}</bdi>").format(value), "" if value else "blank", column.label)


_CELLS: Final = {
    "picture": _picture,
    "id": _id,
    "number": _number,
    "value": _value,
    "range": _range,
    "domain": _domain_cell,
    "flags": _flags,
    "text": _text,
}
