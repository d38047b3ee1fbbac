"""CSV that a spreadsheet cannot take for formulas."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from cinchona.files import atomic_path

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is a formula to some spreadsheet (OWASP, CSV injection)."""


def write_csv(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    """Write a table as CSV (UTF-8, comma, quotes where needed), batch by batch, atomically.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers are left alone. Null is an
    empty cell.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    is_text = [pa.types.is_string(f.type) or pa.types.is_large_string(f.type) for f in schema]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_quoted(safe_cell(name)) for name in schema.names) + "\n")
        for batch in batches:
            columns = [_cells(c, is_text=t) for c, t in zip(batch.columns, is_text, strict=True)]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))


def safe_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula.

    >>> safe_cell("=1+1"), safe_cell("CCO")
    ("'=1+1", 'CCO')
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _cells(column: pa.Array, *, is_text: bool) -> list[str]:
    values = column.to_pylist()
    if is_text:
        return ["" if v is None else _quoted(safe_cell(v)) for v in values]
    if pa.types.is_float32(column.type):
        # The shortest text that reads back as the same 32-bit number.
        numbers = column.to_numpy(zero_copy_only=False)
        return ["" if v is None else str(n) for v, n in zip(values, numbers, strict=True)]
    return ["" if v is None else str(v) for v in values]


def _quoted(text: str) -> str:
    """Quote where RFC 4180 asks for it; the standard library forgets a carriage return that stands alone."""
    if not any(c in text for c in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'
