"""Signals of a table that holds counts already, in place of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import polars as pl

import cinchona.pharmacovigilance as room
from cinchona.errors import ColumnError, ConfigError, UsageError
from cinchona.pharmacovigilance.signals.counting.count import CountConfig
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.counting.tables import read_counts
from cinchona.pharmacovigilance.signals.view import PairView, SignalSettings, SignalView, kept


@dataclass(frozen=True)
class TableView(PairView):
    """Scores of counts that were made elsewhere. Nothing can be asked that needs the reports: strata, dates, roles."""

    given: PairCounts
    """The counts as they were given."""
    settings: SignalSettings
    """How they are scored."""

    def __post_init__(self) -> None:
        if self.settings.strata or self.settings.compare_within or self.settings.count != CountConfig():
            raise ConfigError(
                "a table of counts cannot be counted anew", where="settings strata, compare_within and count",
                expected="none of them", remedy="ingest the reports and name the store",
            )  # fmt: skip

    @classmethod
    def of_file(cls, path: Path, settings: SignalSettings | None = None) -> TableView:
        """Read a table of counts; see :func:`~cinchona.pharmacovigilance.signals.counting.tables.counts_of_table`."""
        chosen = settings or SignalSettings()
        return cls(read_counts(path, chosen.table), chosen)

    @property
    def counts(self) -> PairCounts:
        """Counts of all pairs, with their margins."""
        return self.given

    def with_settings(self, **changes: object) -> TableView:
        """The same counts under other settings."""
        return kept(self, TableView(self.given, self.settings.model_copy(update=changes)))

    def strata(self, by: Sequence[str]) -> dict[str, PairCounts]:
        """A table of counts has none."""
        _no_fact(", ".join(by))

    def over_time(self, drug: str, event: str) -> pl.DataFrame:
        """A table of counts has no dates."""
        _no_fact("date")

    def with_event_groups(self, groups: Mapping[str, Sequence[str]]) -> TableView:
        """A report with two terms of a group would count twice, so this is refused."""
        raise UsageError(
            "events of a table of counts cannot be grouped", expected="reports, or terms as in the table",
            remedy="ingest the reports and name the store",
        )  # fmt: skip


def _no_fact(name: str) -> NoReturn:
    raise ColumnError(
        f"a table of counts knows no {name} of its cases", expected="a report store",
        remedy="ingest the reports and name the store",
    )  # fmt: skip


def open_view(path: Path, settings: SignalSettings | None = None) -> PairView:
    """Open a report store (a folder) or a table of counts (a file) for scoring.

    Raises:
        InputError: if it is neither, or damaged.
    """
    if path.is_file():
        return TableView.of_file(path, settings)
    return SignalView.of_store(room.open(path), settings)
