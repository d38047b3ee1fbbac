"""Finding FAERS quarters and deletion lists among files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cinchona.pharmacovigilance.intake import faers
from cinchona.pharmacovigilance.intake.columns import NumberKeys
from cinchona.pharmacovigilance.intake.faers_layout import classify
from cinchona.pharmacovigilance.intake.filesets import FileSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress


class FaersReader:
    """Reads one quarter."""

    version = faers.VERSION

    def new_keys(self) -> NumberKeys:
        """Return an empty map of report ids."""
        return NumberKeys()

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read all tables of ``file_set`` into ``writer``."""
        faers.read_quarter(file_set.files, file_set.quarter, writer, bar=bar)


def find_quarters(members: Sequence[Member]) -> list[FileSet]:
    """Group the table files and deletion lists of each quarter."""
    quarters: dict[str, dict[str, list[Member]]] = {}
    other = []
    for member in members:
        kind = classify(member.base)
        if kind is None:
            other.append(member.name)
        else:
            quarters.setdefault(kind[1], {}).setdefault(kind[0], []).append(member)
    return [
        FileSet("faers", quarter, FaersReader(), files, tuple(other)) for quarter, files in sorted(quarters.items())
    ]
