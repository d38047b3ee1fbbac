"""Signal tables as files: Parquet and CSV that no spreadsheet will run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from cinchona.errors import UsageError
from cinchona.files import atomic_path

_FORMULA: Final = r"^[\s\u00a0]*[=+\-@|%]|^[\t\r\n]"
"""Beginnings of a text that a spreadsheet may take for a formula."""


def write_frame(frame: pl.DataFrame, path: Path) -> Path:
    """Write a table as Parquet or CSV, by the suffix of ``path``, atomically.

    In CSV, texts that a spreadsheet could take for a formula get an apostrophe in front, missing and undefined figures
    are empty, and infinities are ``inf``. Parquet keeps everything as it is.

    Raises:
        UsageError: if the suffix is neither ``.parquet`` nor ``.csv``.
        RetryableError: if the disk is full or failing.
    """
    if path.suffix not in {".parquet", ".csv"}:
        raise UsageError(f"no table is written as {path.suffix or path.name!r}", expected=".parquet or .csv")
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            frame.write_parquet(temporary)
        else:
            formula_safe(frame).write_csv(temporary)
    return path


def formula_safe(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before texts that look like formulas, and make undefined figures missing."""
    texts = [name for name, kind in frame.schema.items() if kind in (pl.String, pl.Categorical)]
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    guarded = [
        pl.when(pl.col(name).cast(pl.String).str.contains(_FORMULA))
        .then(pl.concat_str(pl.lit("'"), pl.col(name).cast(pl.String)))
        .otherwise(pl.col(name).cast(pl.String))
        .alias(name)
        for name in texts
    ]
    return frame.with_columns(*guarded, *(pl.col(name).fill_nan(None) for name in floats))
