"""Writing values and names into SQL safely."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def literal(value: object) -> str:
    """Spell ``value`` as an SQL literal.

    Raises:
        TypeError: for values without a literal form.

    >>> literal("O'Neill")
    "'O''Neill'"
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise TypeError(f"no SQL literal for {type(value).__name__}")


def identifier(name: str) -> str:
    """Quote the name of a column or table.

    >>> identifier("table")
    '"table"'
    """
    return '"' + name.replace('"', '""') + '"'


def literals(values: Iterable[object]) -> str:
    """Spell ``values`` as a list in brackets, for ``IN``; an empty list matches nothing.

    >>> literals(["PS", "SS"])
    "('PS', 'SS')"
    """
    return "(" + (", ".join(literal(v) for v in values) or "NULL") + ")"
