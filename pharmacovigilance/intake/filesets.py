"""Sorting what the user handed in into file sets, each of which is committed whole."""

from __future__ import annotations

import glob
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cinchona.errors import InputError
from cinchona.pharmacovigilance.intake.archives import Member, members_of
from cinchona.pharmacovigilance.intake.columns import NumberKeys, TextKeys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress


class Reader(Protocol):
    """Reads file sets of one layout."""

    version: str
    """Name and version; part of the id of every set that it reads."""

    def new_keys(self) -> NumberKeys | TextKeys:
        """Return an empty map of report ids."""

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read all tables of ``file_set`` into ``writer``."""


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that belong together: one FAERS quarter, one VAERS year, one JSON file."""

    source: str
    """Partition ``source``."""
    quarter: str
    """Partition ``quarter``."""
    reader: Reader
    """What reads it."""
    files: dict[str, list[Member]]
    """Members by kind."""
    unread: tuple[str, ...] = field(default=())
    """Names of files beside them that hold no reports."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files of the user that are read, each once, in order."""
        return tuple(dict.fromkeys(m.path for members in self.files.values() for m in members))

    @property
    def label(self) -> str:
        """Name for messages."""
        return f"{self.source} {self.quarter}: {', '.join(p.name for p in self.paths[:3])}"


def expand(inputs: Sequence[str | Path]) -> list[Path]:
    """Resolve paths and glob patterns.

    Raises:
        InputError: if a pattern or path matches nothing.
    """
    found: list[Path] = []
    for given in inputs:
        text = str(given)
        matches = [Path(text)] if Path(text).exists() else [Path(p) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - patterns may be absolute
        if not matches:
            raise InputError("there is no such file or folder", where=text)
        found += matches
    return list(dict.fromkeys(found))


def find_sets(inputs: Sequence[str | Path], readers: Sequence[SetFinder]) -> list[FileSet]:
    """Sort the members of all inputs into file sets, in the order of quarters.

    Raises:
        InputError: if an input holds nothing that any reader knows.
    """
    sets: list[FileSet] = []
    for path in expand(inputs):
        members = members_of(path)
        found = [s for finder in readers for s in finder(members)]
        if not found:
            raise InputError(
                "nothing in it is a known report file", where=path.name,
                expected="FAERS or AERS quarter, deletion list, VAERS files, CAERS file, openFDA JSON, "
                "the 5,000-report or DiAna sample",
                remedy="for other layouts write a mapping file and pass it with --mapping",
            )  # fmt: skip
        sets += found
    return sorted(sets, key=lambda s: (s.source, s.quarter, s.label))


class SetFinder(Protocol):
    """Finds the file sets of one layout among members."""

    def __call__(self, members: Sequence[Member], /) -> list[FileSet]: ...  # noqa: D102 - described by the class
