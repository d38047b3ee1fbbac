"""Records that wait for the store, on disk: one folder a run, written line by line while the store is away.

::

    cinchona-runs/outbox/<id>/journal.jsonl    a line that says which run it is, then a line a record
                              files/           copies of what may be gone by the time it can be sent
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from cinchona.errors import InputError
from cinchona.experiments.sender import Record
from cinchona.experiments.tables import write_table

logger = logging.getLogger(__name__)

OUTBOX: Final = "outbox"
"""Folder within the record's folder that holds waiting records."""
FILE: Final = "journal.jsonl"
"""Name of the journal."""
MAX_COPY: Final = 20 * 2**20
"""Bytes of a file that is copied while the store is away; a larger one, or a folder, is sent from where it lies."""
_SCHEMA: Final = "cinchona-journal-1"


class Journal:
    """Writes the records of one run that have to wait. Nothing is on disk before the first of them.

    A full disk is no error here: the record is kept in memory as before, with one warning.

    Args:
        folder: Folder of this run's journal; made when it is needed.
        head: What tells the run: ``store`` (without logins), ``artifact_root``, ``experiment``, ``title``.
        lasting: Whether it stays for ``cinchona sync``; else it is removed with the run.
    """

    def __init__(self, folder: Path, head: dict[str, Any], *, lasting: bool = True) -> None:
        self.folder = folder
        self._lasting = lasting
        self._head = head
        self._file: IO[str] | None = None
        self._run_id = ""
        self._files = 0
        self._failed = False
        self.kept = 0
        """Records on disk."""

    def keep(self, record: Record, run_id: str) -> None:
        """Write one record; what it points to and may vanish is copied, and the record points to the copy."""
        if self._failed:
            return
        try:
            self._begin()
            self._note_run(run_id)
            self._write({"what": record.what, "op": record.op, "data": self._data(record)})
            self.kept += 1
        except OSError as error:
            logger.warning("the outbox %s cannot be written (%s); records wait in memory", self.folder, error.strerror)
            self._failed = True
            self._close()

    def close(self, run_id: str, *, sent: bool) -> bool:
        """End the journal: remove it if everything was ``sent``, else leave it; tell whether it is whole and left."""
        left = self._lasting and not sent and self._file is not None
        if left:
            with suppress(OSError):
                self._note_run(run_id)
        self._close()
        if sent or not self._lasting:
            shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def _begin(self) -> None:
        if self._file is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = (self.folder / FILE).open("a", encoding="utf-8")
        _lock(self._file)
        self._write({"schema": _SCHEMA, **self._head})

    def _note_run(self, run_id: str) -> None:
        if run_id and run_id != self._run_id:
            self._run_id = run_id
            self._write({"run_id": run_id})

    def _write(self, line: dict[str, Any]) -> None:
        assert self._file is not None, "begun by keep"
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def _data(self, record: Record) -> dict[str, Any]:
        data = record.data
        if "table" in data:
            place = self._place()
            write_table(place, data["name"], data["table"])
            return {"name": data["name"], "path": str(place)}
        path = Path(data["path"]) if "path" in data else None
        if path is not None and path.is_file() and path.stat().st_size <= MAX_COPY:
            data["path"] = str(shutil.copy2(path, self._place() / path.name))
        elif path is not None:
            data["path"] = str(path.absolute())
        return data

    def _place(self) -> Path:
        self._files += 1
        place = self.folder / "files" / str(self._files)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A journal that was left behind."""

    folder: Path
    head: dict[str, Any]
    run_id: str
    """The run, if the store had made it already."""
    records: tuple[Record, ...] = field(default=())


def waiting_in(spool: Path) -> list[Path]:
    """Folders of journals in ``spool``, oldest first."""
    found = [path.parent for path in spool.glob(f"*/{FILE}")] if spool.is_dir() else []
    return sorted(found, key=lambda folder: (folder / FILE).stat().st_mtime)


def read_journal(folder: Path) -> Waiting:
    """Read a journal; a line that was cut off by a crash ends it.

    Raises:
        InputError: if it is none.
    """
    lines: list[dict[str, Any]] = []
    with (folder / FILE).open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
    if not lines or lines[0].get("schema") != _SCHEMA:
        raise InputError("this is no journal of waiting records", where=str(folder / FILE), expected=_SCHEMA)
    run_ids = [line["run_id"] for line in lines if set(line) == {"run_id"}]
    records = tuple(Record(line["what"], line["op"], line["data"]) for line in lines if "op" in line)
    return Waiting(folder, lines[0], run_ids[-1] if run_ids else "", records)


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether the journal is nobody else's: neither of a running process nor of another ``sync``."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        yield _lock(file)


def _lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


__all__ = ["FILE", "Journal", "MAX_COPY", "OUTBOX", "Waiting", "claimed", "read_journal", "waiting_in"]
