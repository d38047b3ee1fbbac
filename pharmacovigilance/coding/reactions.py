"""Grouping reactions: a MedDRA hierarchy that the user holds a licence for, the user's own lists, or data-driven clusters.

MedDRA is licensed (ICH); nothing of it is shipped or copied into a store beyond the names of the groups that the
user's own terms fall into.

======================  ============================================================================================
spelling                meaning
======================  ============================================================================================
``meddra:FOLDER``       high-level terms of ``mdhier.asc`` in the user's MedDRA folder; ``meddra:FOLDER:soc`` and
                        ``:hlgt`` for other levels; ``llt.asc`` beside it maps lowest-level terms too
``list:FILE``           CSV with the columns term and group; a term may stand in several groups
``clusters``            terms that are reported together more often than by chance, see :mod:`.clusters`
======================  ============================================================================================
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.digests import digest_file
from cinchona.errors import ColumnError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cinchona.pharmacovigilance.store import ReportStore

_LEVELS: Final = {"hlt": (1, 5), "hlgt": (2, 6), "soc": (3, 7)}
"""Columns of code and name in ``mdhier.asc``."""
_PT_CODE, _PT_NAME, _PRIMARY = 0, 4, 11


class Grouping(Protocol):
    """Puts reaction terms into groups."""

    def write(self, store: ReportStore, path: Path) -> dict[str, Any]:
        """Write (term, reaction_group) for the terms of ``store`` to ``path``; return what to put into the header."""


@dataclass(frozen=True, slots=True)
class TermTable:
    """A fixed table of groups."""

    name: str
    """What made it, for the header: ``meddra:hlt``, ``list``."""
    version: str
    """Digest of its file."""
    groups: tuple[tuple[str, str], ...]
    """Term (upper case, single blanks) and group; a term may come several times."""

    def write(self, store: ReportStore, path: Path) -> dict[str, Any]:
        """Write the groups of those terms that the store has."""
        terms = set(terms_of(store))
        mine = [(t, g) for t, g in self.groups if t in terms]
        write_groups(mine, path)
        covered = len({t for t, _ in mine})
        return {"grouping": self.name, "version": self.version, "terms": len(terms), "terms_grouped": covered,
                "groups": len({g for _, g in mine})}  # fmt: skip


def load_grouping(spelling: str) -> Grouping:
    """Load the grouping that ``spelling`` names.

    Raises:
        InputError: if the kind is unknown or a file is missing.
        ColumnError: if columns are missing.
    """
    kind, _, rest = spelling.partition(":")
    if kind == "clusters":
        from cinchona.pharmacovigilance.coding.clusters import CoReporting

        return CoReporting()
    if kind == "list" and rest:
        return _list(Path(rest))
    if kind == "meddra" and rest:
        folder, mark, level = rest.rpartition(":")
        if not mark or level not in _LEVELS:
            folder, level = rest, "hlt"
        return _meddra(Path(folder), level)
    raise InputError(f"unknown grouping {spelling!r}", expected="meddra:FOLDER[:hlt|hlgt|soc], list:FILE or clusters")


def tidy_term(term: str) -> str:
    """Upper case, single blanks: the form in which terms are compared."""
    return " ".join(term.upper().split())


def terms_of(store: ReportStore) -> list[str]:
    """Distinct reaction terms of a store, tidied."""
    rows = store.sql("SELECT DISTINCT term FROM reactions WHERE term IS NOT NULL").arrow().column(0).to_pylist()
    return sorted({tidy_term(t) for t in rows})


def write_groups(groups: list[tuple[str, str]], path: Path) -> None:
    """Write (term, reaction_group) rows."""
    ordered = sorted(set(groups))
    table = pa.table(
        {
            "term": pa.array([t for t, _ in ordered], pa.string()),
            "reaction_group": pa.array([g for _, g in ordered], pa.string()),
        }
    )
    pq.write_table(table, path)


def _list(path: Path) -> TermTable:
    if not path.exists():
        raise InputError("there is no such list", where=str(path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        names = {n.strip().lower(): n for n in reader.fieldnames or []}
        if not {"term", "group"} <= set(names):
            raise ColumnError("the list lacks its columns", where=path.name, expected="term, group")
        rows = tuple(
            (tidy_term(row[names["term"]]), row[names["group"]].strip())
            for row in reader
            if row[names["term"]] and row[names["group"]]
        )
    return TermTable("list", digest_file(path)[:16], rows)


def _rows(path: Path, least: int) -> Iterator[list[str]]:
    if not path.exists():
        raise InputError(
            "the MedDRA file is missing", where=str(path), expected="the folder with mdhier.asc of your MedDRA release",
            remedy="MedDRA is licensed and not shipped; use list:FILE or clusters without it",
        )  # fmt: skip
    with path.open(encoding="latin-1") as file:
        for line in file:
            fields = line.rstrip("\r\n").split("$")
            if len(fields) < least:
                raise InputError(
                    "a line has too few columns", where=path.name, expected=f"at least {least}, '$' between"
                )
            yield fields


def _meddra(folder: Path, level: str) -> TermTable:
    """Primary path of each preferred term; lowest-level terms through their preferred term."""
    _, column = _LEVELS[level]
    group_of: dict[str, str] = {}
    groups: dict[str, str] = {}
    for row in _rows(folder / "mdhier.asc", 12):
        if row[_PRIMARY].upper() == "Y":
            groups[tidy_term(row[_PT_NAME])] = row[column]
            group_of[row[_PT_CODE]] = row[column]
    if (folder / "llt.asc").exists():
        for row in _rows(folder / "llt.asc", 3):
            if row[2] in group_of:
                groups.setdefault(tidy_term(row[1]), group_of[row[2]])
    return TermTable(f"meddra:{level}", digest_file(folder / "mdhier.asc")[:16], tuple(groups.items()))
