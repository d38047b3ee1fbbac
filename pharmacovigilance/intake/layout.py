"""How a file's columns become a table of the store: the small language in which every layout is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["category", "text", "integer", "date", "decimal", "flag", "sex", "role"]
"""How a column is read; ``decimal`` columns have intermediate names (``_age``) and a unit beside them."""
DateOrder = Literal["ymd", "mdy", "dmy"]
"""Order of day, month and year where they are written with marks between them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a column of the store comes from."""

    target: str
    """Column of the store, or an intermediate name with a leading underscore."""
    names: tuple[str, ...]
    """Names in the files, newest first."""
    kind: Kind = "category"
    """How it is read."""
    required: bool = False
    """True when a file without it is refused."""


@dataclass(frozen=True, slots=True)
class FileLayout:
    """One kind of file."""

    prefix: str
    """Begin of the file name, or another name of the kind."""
    table: str
    """Table of the store."""
    columns: tuple[Source, ...]
    """Columns besides the report id."""
    id_names: tuple[str, ...] = ("report_id",)
    """Column that keys a row to its report."""
    date_order: DateOrder = "ymd"
    """How dates with marks are written."""
    silent: frozenset[str] = frozenset()
    """Columns that are known and not kept, so not worth a note."""


NEEDED: Final = {
    "drugs": ("name", "substance"),
    "reactions": ("term",),
    "outcomes": ("outcome",),
    "indications": ("term",),
    "reporters": ("reporter",),
}
"""A row of these tables without any of these columns says nothing and is set aside."""

UNITS: Final = {"_age": "_age_unit", "_weight": "_weight_unit", "_duration": "_duration_unit"}
"""Columns that need the unit beside them."""


def find_name(names: list[str], wanted: tuple[str, ...]) -> int | None:
    """Return the place of the first of ``wanted`` among ``names``, or None."""
    for name in wanted:
        if name in names:
            return names.index(name)
    return None
