"""Prepared libraries: standardized once and kept with graph codes, so that no later model parses a SMILES again.

::

    out/ library.json                 header: rules, schema versions, sources, parts with their digests; written last
         parts/part-000000.parquet    one row for each input row, in order
         duplicates.parquet           row_id, first_row_id of every row whose compound occurred before
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cinchona.datasets.config import ReaderConfig, StandardizeConfig
from cinchona.datasets.graphcodes import CODES_SCHEMA
from cinchona.datasets.partitions import Layout, LibraryFile
from cinchona.digests import digest_file
from cinchona.errors import InputError
from cinchona.files import inside

FORM: Final = "cinchona-prepared-1"
"""Version of the folder's form."""
HEADER: Final = "library.json"
"""File that makes a folder a prepared library."""
DUPLICATES: Final = "duplicates.parquet"
"""File that lists repeated compounds."""
PARTS: Final = "parts"
"""Folder of the part files."""


class PreparedSource(BaseModel):
    """One file that the library was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Its name without folder."""
    digest: str
    """SHA-256 of its bytes, hex."""
    rows: int
    """Its rows."""


class PreparedPart(BaseModel):
    """One part file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Path inside the folder."""
    first_row: int
    """Row id of its first row."""
    rows: int
    """Its rows."""
    rejected: int
    """Rows of it that could not be read or standardized."""
    digest: str
    """SHA-256 of the file, hex; checked whenever the part is read whole."""


class PreparedHeader(BaseModel):
    """What a prepared library is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["cinchona-prepared-1"] = FORM
    """Version of this form."""
    codes_schema: str
    """Version of the graph codes."""
    rows: int
    """Rows of all sources."""
    rejected: int
    """Rows that could not be read or standardized."""
    duplicates: int
    """Rows whose compound occurred before, anywhere in the library."""
    sources: tuple[PreparedSource, ...]
    """What it was made from, in order."""
    standardize: StandardizeConfig
    """How structures were standardized."""
    reader: ReaderConfig
    """How the sources were read."""
    descriptors: tuple[str, ...]
    """RDKit descriptors of the parents that the parts hold, as float32 columns of that name."""
    versions: dict[str, str]
    """Versions of the code that decided the content."""
    parts: tuple[PreparedPart, ...]
    """Part files in order."""


def is_prepared(folder: Path) -> bool:
    """Whether ``folder`` is a finished prepared library."""
    return (folder / HEADER).is_file()


def read_header(folder: Path) -> PreparedHeader:
    """Read and check the header.

    Raises:
        InputError: if it is damaged, of another form, or its graph codes are of another schema.
    """
    path = folder / HEADER
    try:
        header = PreparedHeader.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(
            f"the header of the prepared library does not read: {what}", where=str(path), expected=f"form {FORM}",
            remedy="prepare the library again: cinchona data prepare",
        ) from error  # fmt: skip
    if header.codes_schema != CODES_SCHEMA:
        raise InputError(
            f"the library was prepared with graph codes {header.codes_schema!r}", where=str(folder),
            expected=f"{CODES_SCHEMA!r}, those of this version", remedy="prepare it again: cinchona data prepare",
        )  # fmt: skip
    _check_rows(header, path)
    return header


def open_prepared(folder: Path) -> LibraryFile:
    """Open a prepared library as one file of a library; its rows keep their order.

    Raises:
        InputError: if it is damaged or of another schema.
        UnsafeFileError: if the header names a file outside the folder.
    """
    header = read_header(folder)
    parts = []
    for part in header.parts:
        path = inside(folder, part.file)
        if not path.is_file():
            raise InputError("a part of the prepared library is missing", where=str(path), remedy="prepare it again")
        parts.append((str(path), part.rows, part.digest))
    marker = folder / HEADER
    return LibraryFile(
        name=folder.name, path=str(marker.absolute()), format="prepared", digest=digest_file(marker),
        n_bytes=marker.stat().st_size, n_rows=header.rows, layout=Layout(record="row"), parts=tuple(parts),
        prepared_with=header.standardize.model_dump(mode="json"),
        decisions=(_summary(header),),
    )  # fmt: skip


def _summary(header: PreparedHeader) -> str:
    counts = f"{header.rows:,} rows, {header.rejected:,} rejected, {header.duplicates:,} duplicates"
    return f"prepared with standardization {header.standardize.method!r}: {counts}"


def rules_of(files: tuple[LibraryFile, ...], asked: StandardizeConfig) -> StandardizeConfig:
    """Rules for a library: those that its prepared files were made with, or what was asked for where none is prepared.

    Raises:
        InputError: if something else was asked for, or the files differ.
    """
    found = [StandardizeConfig.model_validate(f.prepared_with) for f in files if f.prepared_with is not None]
    if not found:
        return asked
    wanted = [asked] if asked != StandardizeConfig() else []
    for other in (*found, *wanted):
        if other != found[0]:
            raise InputError(
                "the prepared library was standardized by other rules", where=files[0].name,
                expected=f"{_changed(found[0])}, asked for {_changed(other)}",
                remedy="leave the standardize settings out, or prepare the library with them",
            )  # fmt: skip
    return found[0]


def _changed(rules: StandardizeConfig) -> str:
    given: dict[str, Any] = rules.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(f"{k}={v}" for k, v in given.items()) or "the default rules"


def _check_rows(header: PreparedHeader, path: Path) -> None:
    at = 0
    for part in header.parts:
        if part.first_row != at:
            raise InputError("the parts of the prepared library do not follow each other", where=str(path))
        at += part.rows
    if at != header.rows:
        raise InputError(
            "the parts of the prepared library do not add up", where=str(path), expected=f"{header.rows:,} rows"
        )


__all__ = [
    "DUPLICATES", "FORM", "HEADER", "PARTS", "PreparedHeader", "PreparedPart", "PreparedSource", "is_prepared",
    "open_prepared", "read_header", "rules_of",
]  # fmt: skip
