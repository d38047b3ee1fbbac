"""Reference sets: known associations and known absences, read from the user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cinchona.errors import ColumnError, InputError
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.reading import read_table
from cinchona.settings import Config


class ReferenceColumns(Config):
    """Names of the columns of a reference file; the defaults are those of the OMOP reference set of OHDSI."""

    drug: str = "exposureName"
    """Drug."""
    event: str = "outcomeName"
    """Event or outcome."""
    label: str = "groundTruth"
    """1 for a known association, 0 for a known absence."""


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """Labelled pairs."""

    drugs: tuple[str, ...]
    """Drug of each pair, as in the file, blanks around it cut."""
    events: tuple[str, ...]
    """Event of each pair."""
    labels: np.ndarray
    """1 or 0, int8, shape (n,)."""

    def __len__(self) -> int:
        return len(self.drugs)

    @property
    def positives(self) -> int:
        """Pairs labelled 1."""
        return int(self.labels.sum())

    def place(self, counts: PairCounts) -> PlacedReference:
        """Find the pairs in a table of counts; names are compared without regard to case.

        Pairs whose drug and event both occur are placed, also when they were never reported together (``n`` = 0).
        """
        spelled = (_spelling(counts.drug_labels.to_pylist()), _spelling(counts.event_labels.to_pylist()))
        drugs = [spelled[0].get(name.casefold(), name) for name in self.drugs]
        events = [spelled[1].get(name.casefold(), name) for name in self.events]
        found, places = counts.at(drugs, events)
        unknown_drugs = sorted({d for d in self.drugs if d.casefold() not in spelled[0]})
        unknown_events = sorted({e for e in self.events if e.casefold() not in spelled[1]})
        return PlacedReference(found, self.labels[places], tuple(unknown_drugs), tuple(unknown_events))


@dataclass(frozen=True, slots=True)
class PlacedReference:
    """A reference set found in a table of counts."""

    counts: PairCounts
    """The pairs that were found, zero counts included."""
    labels: np.ndarray
    """Their labels, int8, shape (m,)."""
    unknown_drugs: tuple[str, ...]
    """Drugs of the set that do not occur; their pairs are left out, loudly."""
    unknown_events: tuple[str, ...]
    """Events of the set that do not occur."""


def read_reference(
    path: Path, *, columns: ReferenceColumns | None = None, events: Mapping[str, str] | None = None
) -> ReferenceSet:
    """Read a reference set from CSV, TSV or Parquet.

    Args:
        path: The file.
        columns: Names of its columns.
        events: Names of outcomes in the file to names in the counts, for those that differ.

    Raises:
        ColumnError: if a column is missing.
        InputError: if the file cannot be read, a label is not 0 or 1, or a pair is listed with both.
    """
    names = columns or ReferenceColumns()
    frame = read_table(path, what="the reference set")
    missing = [name for name in (names.drug, names.event, names.label) if name not in frame.columns]
    if missing:
        raise ColumnError(
            f"the reference set has no column {', '.join(missing)}", where=str(path),
            expected=f"columns among {', '.join(frame.columns)}", remedy="name the columns with ReferenceColumns(...)",
        )  # fmt: skip
    rows = frame.select(
        drug=pl.col(names.drug).cast(pl.String).str.strip_chars(),
        event=pl.col(names.event).cast(pl.String).str.strip_chars(),
        label=pl.col(names.label).cast(pl.Float64, strict=False),
    ).unique(maintain_order=True)
    bad = rows.filter(pl.any_horizontal(pl.all().is_null()) | ~pl.col("label").is_in([0.0, 1.0]))
    twice = rows.filter(pl.struct("drug", "event").is_duplicated())
    if bad.height or twice.height:
        raise InputError(
            f"the reference set has {bad.height} rows without a name or a label 0 or 1, and {twice.height} rows whose "
            "pair is labelled both ways",
            where=str(path), expected="one label 0 or 1 a pair",
        )  # fmt: skip
    renamed = [(events or {}).get(event, event) for event in rows["event"]]
    return ReferenceSet(tuple(rows["drug"]), tuple(renamed), rows["label"].to_numpy().astype(np.int8))


def reference_of(pairs: Sequence[tuple[str, str, int]]) -> ReferenceSet:
    """Build a reference set from (drug, event, label) triples."""
    drugs, events, labels = zip(*pairs, strict=True)
    return ReferenceSet(tuple(drugs), tuple(events), np.array(labels, np.int8))


def _spelling(labels: Sequence[str]) -> dict[str, str]:
    return {label.casefold(): label for label in reversed(labels)}
