"""Reading FAERS and legacy AERS quarters: cases first, then the tables that hang on them, then deletion lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cinchona.errors import InputError, NoUsableRowsError
from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake import faers_layout as layouts
from cinchona.pharmacovigilance.intake.columns import NumberKeys
from cinchona.pharmacovigilance.intake.table_reader import TableReader
from cinchona.pharmacovigilance.intake.textfile import DelimitedFile

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.layout import FileLayout
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress

VERSION: Final = "faers-1"


def read_quarter(files: dict[str, list[Member]], quarter: str, writer: SetWriter, *, bar: Progress) -> None:
    """Read one quarter; ``files`` are its members by kind (``DEMO`` ... ``RPSR``, ``DELETE``).

    Raises:
        ColumnError: if a file lacks its id or another column without which its rows say nothing.
        InputError: if a file is damaged or not text.
        NoUsableRowsError: if no case could be stored.
    """
    keys = writer.keys
    assert isinstance(keys, NumberKeys), "FAERS ids are numbers"
    last_year = int(quarter[:4]) + 1 if quarter[:4].isdigit() else 2100
    for prefix, kind in layouts.LAYOUTS.items():
        for member in files.get(prefix, []):
            _read_file(member, kind, writer, last_year=last_year, bar=bar)
            failpoints.reach("ingest.between-files")
        if prefix == "DEMO" and files.get("DEMO") and keys.used == 0:
            raise NoUsableRowsError(
                "no case of the quarter could be stored", where=files["DEMO"][0].name,
                expected="rows with a primaryid or ISR", remedy="see that the file is complete and of this kind",
            )  # fmt: skip
    for member in files.get("DELETE", []):
        read_deletions(member, writer)


def _read_file(member: Member, kind: FileLayout, writer: SetWriter, *, last_year: int, bar: Progress) -> None:
    account = writer.account(member.name, kind.table)
    with member.open() as stream:
        file = DelimitedFile(stream, member.name, delimiter=layouts.DELIMITER)
        table = TableReader(file.header.names, kind, writer, account, last_year=last_year)
        for block in file.blocks():
            table.take(block)
            bar.advance(len(block))
            failpoints.reach("ingest.mid-file")
        table.flush()
        account.records = account.rows_in = file.records
        account.notes += file.header.notes


def read_deletions(member: Member, writer: SetWriter) -> None:
    """Read a deletion list: one case id a line, perhaps below a blank line or a heading."""
    account = writer.account(member.name, "deletions")
    with member.open() as stream:
        lines = stream.read(256 << 20).decode("latin-1").splitlines()
    if any("\x00" in line for line in lines[:100]):
        raise InputError("the deletion list is not text", where=member.name, expected="one case id a line")
    texts = [line.split("$")[0].strip() for line in lines]
    filled = [t for t in texts if t]
    if filled and not filled[0].isdigit():
        account.notes.append(f"heading: {filled.pop(0)[:80]}")
    rows = np.arange(1, len(filled) + 1)
    good = np.array([t.isdigit() for t in filled], bool)
    account.records = account.rows_in = len(filled)
    bad = [t for t in filled if not t.isdigit()]
    writer.set_aside_rows(account, "bad_id", rows[~good], bad)
    if good.any():
        ids = [t for t in filled if t.isdigit()]
        writer.append(account, {"case_id": pa.array(ids, pa.string())}, rows[good])
