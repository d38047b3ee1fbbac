"""Tables that the MLflow browser shows, with structure pictures in their cells.

MLflow's own ``log_table`` stores two files a picture in calls of their own; here a table and its pictures are written
to a folder first and sent at once, in the form that the browser reads.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from cinchona.masking import mask_secrets

PICTURES: Final = "structure"
"""Column whose cells are pictures: SVG text or PNG bytes."""
MAX_ROWS: Final = 200
"""Rows that the browser shows without becoming slow; the whole table belongs into a Parquet artifact."""
_PNG: Final = b"\x89PNG"


def write_table(folder: Path, name: str, table: pa.Table) -> str:
    """Write the first rows of ``table`` under ``folder`` as an MLflow table and return its path in there.

    Args:
        folder: Where the files go; its content becomes artifacts of the run as it is.
        name: Name of the table without ending.
        table: Rows to show; at most 200 are written. A column ``structure`` may hold SVG text or PNG bytes.
    """
    shown = table.slice(0, MAX_ROWS)
    columns = [
        _pictures(folder, name, column) if field.name == PICTURES else [_cell(v) for v in column.to_pylist()]
        for field, column in zip(shown.schema, shown.columns, strict=True)
    ]
    path = f"{name}.json"
    data = {"columns": shown.schema.names, "data": [list(row) for row in zip(*columns, strict=True)]}
    (folder / path).write_text(json.dumps(data, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    return path


def _pictures(folder: Path, name: str, column: pa.ChunkedArray) -> list[Any]:
    (folder / "table_images" / name).mkdir(parents=True)
    cells: list[Any] = []
    for index, value in enumerate(column.to_pylist()):
        data = value.encode() if isinstance(value, str) else value
        if not data:
            cells.append(None)
            continue
        path = f"table_images/{name}/{index}.{'png' if data.startswith(_PNG) else 'svg'}"
        (folder / path).write_bytes(data)
        cells.append({"type": "image", "filepath": path, "compressed_filepath": path})
    return cells


def _cell(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list):
        return "; ".join(str(v) for v in value)
    return mask_secrets(str(value))
