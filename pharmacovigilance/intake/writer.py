"""Writing one file set into staging and committing it whole: keys, orphans, accounts and Parquet files."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.digests import digest_file
from cinchona.files import disk_errors, fsync_file, fsync_folder
from cinchona.pharmacovigilance import failpoints, schema
from cinchona.pharmacovigilance.intake.columns import NumberKeys, TextKeys, constant
from cinchona.pharmacovigilance.privacy import PrivacyConfig, make_filter
from cinchona.pharmacovigilance.receipts import STAGING, FileCount, StoredTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

GROUP_ROWS: Final = 250_000
"""Rows of a Parquet row group."""
_FREE: Final[tuple[schema.FreeText, ...]] = ("text", "citation", "label")
_CONTENT: Final = 2000
"""Characters of a set-aside row or value that are kept."""


@dataclass
class Account:
    """Counts of one file and table while it is read; becomes a :class:`FileCount`."""

    name: str
    table: str
    records: int = 0
    rows_in: int = 0
    stored: int = 0
    set_aside: int = 0
    values: int = 0
    repaired: int = 0
    notes: list[str] = field(default_factory=list)

    def close(self) -> FileCount:
        """Freeze, after checking that no row was lost.

        Raises:
            AssertionError: if rows in are not rows stored and set aside: a defect of the reader.
        """
        assert self.rows_in == self.stored + self.set_aside, f"{self.name} {self.table}: {self}"
        return FileCount(
            name=self.name, table=self.table, records=self.records, rows_in=self.rows_in, stored=self.stored,
            set_aside=self.set_aside, values_set_aside=self.values, repaired_lines=self.repaired,
            notes=tuple(self.notes),
        )  # fmt: skip


class SetWriter:
    """Collects the tables of one file set in a staging folder.

    Args:
        root: Folder of the store.
        number: Number of the set.
        set_id: Id of the set.
        privacy: What happens to people's data in free text.
        keys: How report ids are compared.
    """

    def __init__(
        self, root: Path, *, number: int, set_id: str, privacy: PrivacyConfig, keys: NumberKeys | TextKeys
    ) -> None:
        self._filters = {kind: make_filter(privacy, kind) for kind in _FREE}
        self.keys = keys
        self.folder = root / STAGING / f"{set_id}-{os.getpid()}"
        self.accounts: list[Account] = []
        self._root, self._base = root, number << schema.KEY_SHIFT
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows: dict[str, int] = {}
        self._pending: dict[str, list[pa.Table]] = {}
        shutil.rmtree(self.folder, ignore_errors=True)
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True)

    def cleaner(self, table: str, column: str) -> Callable[[pa.Array], pa.Array] | None:
        """Privacy filter of a column, None for columns that hold no free text."""
        kind = schema.TABLES[table].column(column).free_text
        return self._filters[kind] if kind else None

    def account(self, name: str, table: str) -> Account:
        """Open the account of a file and table."""
        account = Account(name, table)
        self.accounts.append(account)
        return account

    def report_keys(self, places: np.ndarray) -> pa.Array:
        """Keys of the reports at ``places`` (int64)."""
        return pa.array(self._base + places)

    def append(self, account: Account, columns: dict[str, pa.Array], rows: np.ndarray) -> None:
        """Store rows: ``columns`` by name of the schema, missing ones null; ``rows`` are their numbers in the file."""
        table = schema.TABLES[account.table]
        columns = {
            **columns,
            "source_file": constant(account.name, len(rows)),
            "source_row": pa.array(rows.astype(np.int32)),
        }
        unknown = set(columns) - set(table.schema.names)
        assert not unknown, f"columns {unknown} are not in {table.name}"
        arrays = [_fit(columns.get(c.name), c.type, len(rows)) for c in table.columns]
        account.stored += len(rows)
        self._push(table.name, pa.table(arrays, schema=table.schema))

    def set_aside_rows(self, account: Account, reason: str, rows: np.ndarray, contents: Sequence[str]) -> None:
        """Put whole rows aside."""
        account.set_aside += len(rows)
        self._aside(account, ("row", ""), reason, rows, pa.array(list(contents), pa.string()))

    def set_aside_values(
        self, account: Account, column: str, reason: str, rows: np.ndarray, contents: pa.Array
    ) -> None:
        """Put values of stored rows aside."""
        account.values += len(rows)
        self._aside(account, ("value", column), reason, rows, contents)

    def _aside(
        self, account: Account, what: tuple[str, str], reason: str, rows: np.ndarray, contents: pa.Array
    ) -> None:
        if not len(rows):
            return
        n = len(rows)
        short = pa.compute.utf8_slice_codeunits(contents.cast(pa.string()), 0, _CONTENT)
        columns = {
            "table": constant(account.table, n),
            "level": constant(what[0], n),
            "column": constant(what[1], n),
            "reason": constant(reason, n),
            "content": self._filters["text"](short),
            "source_file": constant(account.name, n),
            "source_row": pa.array(rows.astype(np.int32)),
        }
        self._push("set_aside", pa.table([columns[f.name] for f in schema.SET_ASIDE.schema], schema.SET_ASIDE.schema))

    def _push(self, name: str, part: pa.Table) -> None:
        pending = self._pending.setdefault(name, [])
        pending.append(part)
        if sum(p.num_rows for p in pending) >= GROUP_ROWS:
            self._flush(name)

    def _flush(self, name: str) -> None:
        parts = self._pending.pop(name, [])
        if not parts:
            return
        whole = pa.concat_tables(parts).unify_dictionaries() if len(parts) > 1 else parts[0]
        with disk_errors(self.folder):
            if name not in self._writers:
                self._writers[name] = _open_writer(self.folder / f"{name}.parquet", schema.TABLES[name])
            self._writers[name].write_table(whole.combine_chunks(), row_group_size=GROUP_ROWS * 2)
        self._rows[name] = self._rows.get(name, 0) + whole.num_rows

    def close(self) -> dict[str, tuple[int, str]]:
        """Finish all files; return rows and digest by table."""
        for name in list(self._pending):
            self._flush(name)
        failpoints.reach("ingest.before-close")
        with disk_errors(self.folder):
            for writer in self._writers.values():
                writer.close()
        failpoints.reach("ingest.after-close")
        done = {}
        for name in self._writers:
            path = self.folder / f"{name}.parquet"
            fsync_file(path)
            done[name] = (self._rows[name], digest_file(path))
        fsync_folder(self.folder)
        return done

    def move_to(self, target: Path) -> None:
        """Move the finished folder to its place, over what a killed ingest may have left there."""
        with disk_errors(target):
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folder.rename(target)
            fsync_folder(target.parent)

    def discard(self) -> None:
        """Forget everything."""
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stored_tables(self, done: dict[str, tuple[int, str]], folder: Path) -> dict[str, StoredTable]:
        """Describe the finished files under their place in the store."""
        return {
            name: StoredTable(path=str((folder / f"{name}.parquet").relative_to(self._root)), rows=rows, digest=digest)
            for name, (rows, digest) in sorted(done.items())
        }


def _fit(array: Any, kind: pa.DataType, n: int) -> pa.Array:  # noqa: ANN401 - Arrow or numpy array, or None
    if array is None:
        return pa.nulls(n, kind)
    arrow = array if isinstance(array, pa.Array) else pa.array(array)
    if arrow.type == kind:
        return arrow
    if pa.types.is_dictionary(kind):
        return arrow.dictionary_encode().cast(kind) if not pa.types.is_dictionary(arrow.type) else arrow.cast(kind)
    return arrow.cast(kind)


def _open_writer(path: Path, table: schema.Table) -> pq.ParquetWriter:
    names = [c.name for c in table.columns]
    deltas = [name for name in ("report_key", "source_row", "drug_seq") if name in names]
    return pq.ParquetWriter(
        path,
        table.schema,
        compression="lz4",
        write_statistics=[name for name in ("report_key",) if name in names],
        use_dictionary=[c.name for c in table.columns if pa.types.is_dictionary(c.type)],
        column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
    )
