"""Reading the user's tables: CSV, TSV and Parquet, with an error that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cinchona.errors import InputError


def read_table(path: Path, *, what: str) -> pl.DataFrame:
    """Read a table by the suffix of its file: ``.parquet``, ``.tsv`` or ``.txt`` (tabs), else CSV; ``.gz`` is fine.

    Args:
        path: The file.
        what: What it is, for messages, for example ``the reference set``.

    Raises:
        InputError: if it cannot be read.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    last = suffixes[-1] if suffixes else ""
    try:
        if last == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, separator="\t" if last in {".tsv", ".txt", ".tab"} else ",", infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{what} cannot be read: {str(error).splitlines()[0]}", where=str(path),
            expected="Parquet, or CSV or TSV in UTF-8 with a header",
        ) from error  # fmt: skip
