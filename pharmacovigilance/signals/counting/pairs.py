"""Counts of drug-event pairs with their margins: the record that every measure reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pyarrow as pa

from cinchona.errors import InputError, ShapeError
from cinchona.pharmacovigilance.signals.counting.columns import encode_labels, positions, to_arrow
from cinchona.pharmacovigilance.signals.naming import code_of


@dataclass(frozen=True, slots=True)
class Cells:
    r"""The four cells of many 2x2 tables, float64, each of shape (n,).

    ========  =========  ============
    \\         event      no event
    ========  =========  ============
    drug      a          b
    no drug   c          d
    ========  =========  ============
    """

    a: np.ndarray
    """Reports of the universe with the drug and the event."""
    b: np.ndarray
    """Reports with the drug, without the event."""
    c: np.ndarray
    """Reports with the event, without the drug."""
    d: np.ndarray
    """Reports with neither."""

    @classmethod
    def of(cls, a: float | np.ndarray, b: float | np.ndarray, c: float | np.ndarray, d: float | np.ndarray) -> Cells:
        """Build the record from numbers or arrays.

        Raises:
            InputError: if a cell is negative or not finite.
        """
        arrays = [np.array(x, np.float64, ndmin=1) for x in np.broadcast_arrays(a, b, c, d)]
        for name, array in zip("abcd", arrays, strict=True):
            if not (np.isfinite(array).all() and (array >= 0).all()):
                raise InputError(f"cell {name} holds a negative or missing count", expected="counts of at least 0")
        return cls(*arrays)

    @property
    def total(self) -> np.ndarray:
        """Size of the universe, float64, shape (n,)."""
        return np.asarray(self.a + self.b + self.c + self.d)

    @property
    def expected(self) -> np.ndarray:
        """Expected ``a`` if drug and event were independent: (a + b)(a + c) / total, float64, shape (n,)."""
        return np.asarray((self.a + self.b) * (self.a + self.c) / self.total)

    def smallest_expected(self) -> np.ndarray:
        """Smallest of the four expected cells, float64, shape (n,); below 5 a table counts as sparse."""
        rows = np.minimum(self.a + self.b, self.c + self.d)
        columns = np.minimum(self.a + self.c, self.b + self.d)
        return np.asarray(rows * columns / self.total)


@dataclass(frozen=True, slots=True)
class Definition:
    """How a set of counts was made, in words that go into every table and report."""

    counting: str = "reports"
    """``reports``: distinct reports. ``mentions``: pairs of a report's distinct drugs and events."""
    roles: str = "any"
    """Drug roles that count as exposure."""
    universe: str = "reports with at least one drug and one event"
    """Which reports (or mentions) make up the total."""
    comparator: str = "all other reports of the universe"
    """What ``c`` and ``d`` are counted in."""
    strata: str = ""
    """Case facts that the expected count is stratified by; empty for a crude expected count."""


@dataclass(frozen=True, slots=True)
class Stratified:
    """Margins by stratum, for expected counts that are summed over strata."""

    drug_margin: np.ndarray
    """Reports of each drug in each stratum, float64, shape (n_drugs, n_strata)."""
    event_margin: np.ndarray
    """Reports of each event in each stratum, float64, shape (n_events, n_strata)."""
    totals: np.ndarray
    """Reports of each stratum, float64, shape (n_strata,)."""
    labels: tuple[str, ...]
    """Name of each stratum."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Counts ``n`` of pairs (drug, event) in one universe, ordered by drug and event."""

    drug_labels: pa.Array
    """Name of each drug code, string."""
    event_labels: pa.Array
    """Name of each event code, string."""
    drug: np.ndarray
    """Drug code of each pair, int32, shape (n,)."""
    event: np.ndarray
    """Event code of each pair, int32, shape (n,)."""
    n: np.ndarray
    """Reports (or mentions) with both, int64, shape (n,)."""
    drug_margin: np.ndarray
    """Reports (or mentions) with each drug, int64, shape (n_drugs,)."""
    event_margin: np.ndarray
    """Reports (or mentions) with each event, int64, shape (n_events,)."""
    total: int
    """Size of the universe."""
    definition: Definition = field(default_factory=Definition)
    """How the counts were made."""
    stratified: Stratified | None = None
    """Margins by stratum, when the expected count is stratified."""
    complete: bool = True
    """True when every pair with ``n`` >= 1 is here, so that all other cells of the table are zero."""

    def __len__(self) -> int:
        return len(self.n)

    @property
    def n_drug(self) -> np.ndarray:
        """Drug margin of each pair, int64, shape (n,)."""
        return np.asarray(self.drug_margin[self.drug])

    @property
    def n_event(self) -> np.ndarray:
        """Event margin of each pair, int64, shape (n,)."""
        return np.asarray(self.event_margin[self.event])

    @property
    def cells(self) -> Cells:
        """The 2x2 table of each pair."""
        a = self.n.astype(np.float64)
        b, c = self.n_drug - a, self.n_event - a
        return Cells(a, b, c, self.total - a - b - c)

    @property
    def expected(self) -> np.ndarray:
        """Expected count of each pair, float64, shape (n,).

        Crude: n_drug n_event / total. Stratified: the same summed over strata (Mantel-Haenszel style).
        """
        if self.stratified is not None:
            return stratified_expected(self.stratified, self.drug, self.event)
        return np.asarray(self.n_drug.astype(np.float64) * self.n_event / max(self.total, 1))

    def drug_code(self, name: str) -> int:
        """Code of the drug called ``name``.

        Raises:
            UnknownNameError: with the nearest names.
        """
        return code_of(self.drug_labels, name, what="drug")

    def event_code(self, name: str) -> int:
        """Code of the event called ``name``.

        Raises:
            UnknownNameError: with the nearest names.
        """
        return code_of(self.event_labels, name, what="event")

    def take(self, rows: np.ndarray) -> PairCounts:
        """Pairs at ``rows`` (positions or mask); margins and total stay those of the whole universe."""
        return replace(self, drug=self.drug[rows], event=self.event[rows], n=self.n[rows], complete=False)

    def at(self, drugs: Sequence[str], events: Sequence[str]) -> tuple[PairCounts, np.ndarray]:
        """Counts of named pairs, zero where a pair was never reported.

        Args:
            drugs: Names, length m.
            events: Names, length m.

        Returns:
            The pairs whose drug and event both occur, and their positions in the arguments, int64.
        """
        if len(drugs) != len(events):
            raise ShapeError.of("events", (len(events),), f"({len(drugs)},), one per drug")
        drug = positions(pa.chunked_array([pa.array(list(drugs), pa.string())]), self.drug_labels)
        event = positions(pa.chunked_array([pa.array(list(events), pa.string())]), self.event_labels)
        known = np.flatnonzero((drug >= 0) & (event >= 0))
        return self.at_codes(drug[known], event[known]), known

    def at_codes(self, drug: np.ndarray, event: np.ndarray) -> PairCounts:
        """Counts of pairs of codes, zero where a pair was never reported."""
        n_events = max(len(self.event_labels), 1)
        keys = self.drug.astype(np.int64) * n_events + self.event
        wanted = drug.astype(np.int64) * n_events + event
        place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        n = np.where(keys[place] == wanted, self.n[place], 0) if len(keys) else np.zeros(len(wanted), np.int64)
        return replace(self, drug=drug.astype(np.int32), event=event.astype(np.int32), n=n, complete=False)

    def frame(self) -> pl.DataFrame:
        """Tidy table: ``drug``, ``event``, ``n``, ``n_drug``, ``n_event``, ``n_total``, ``expected``."""
        return pl.DataFrame(
            {
                "drug": _labels(self.drug_labels, self.drug),
                "event": _labels(self.event_labels, self.event),
                "n": self.n,
                "n_drug": self.n_drug,
                "n_event": self.n_event,
                "n_total": np.full(len(self), self.total, np.int64),
                "expected": self.expected,
            }
        )


def counts_of_pairs(frame: object, *, drug: str = "drug", event: str = "event", n: str = "n") -> PairCounts:
    """Counts from a table that already holds one row a pair (drug, event, n).

    Margins are sums of ``n``: from such a table only counts of mentions can be had, not of reports. Rows with ``n`` = 0 add a name to the margins and no pair.

    Args:
        frame: Arrow, Polars or pandas table.
        drug: Column of the drug.
        event: Column of the event.
        n: Column of the count.

    Raises:
        InputError: if a pair occurs twice or a count is negative or not whole.
    """
    table = to_arrow(frame, [drug, event, n], what="pair table")
    drug_codes, drug_labels = encode_labels(table[drug])
    event_codes, event_labels = encode_labels(table[event])
    values = table[n].to_numpy()
    n_events = max(len(event_labels), 1)
    keys = drug_codes.astype(np.int64) * n_events + event_codes
    blank = np.flatnonzero((drug_codes < 0) | (event_codes < 0))
    if len(blank):
        raise InputError(
            f"{len(blank)} rows of the pair table have no name", where=f"the first is row {blank[0] + 1}",
            expected="a drug and an event in each row",
        )  # fmt: skip
    distinct, first = np.unique(keys, return_index=True)
    if len(distinct) != len(keys):
        again = np.setdiff1d(np.arange(len(keys)), first)[0]
        pair = f"{drug_labels[int(drug_codes[again])]} and {event_labels[int(event_codes[again])]}"
        raise InputError(
            f"the pair table lists {len(keys) - len(distinct)} pairs twice", where=f"row {again + 1}: {pair}",
            expected="one row a pair", remedy="add up the rows of a pair, or count reports from a table with a case id",
        )  # fmt: skip
    _check_counts(values, n)
    order = np.argsort(keys, kind="stable")
    order = order[values[order] > 0]
    counts = values[order].astype(np.int64)
    margins = [
        np.bincount(codes[order], weights=counts, minlength=size).astype(np.int64)
        for codes, size in ((drug_codes, len(drug_labels)), (event_codes, len(event_labels)))
    ]
    return PairCounts(
        drug_labels, event_labels, drug_codes[order], event_codes[order], counts, margins[0], margins[1],
        int(counts.sum()), definition=Definition(counting="mentions", universe="sum of all counts of the table"),
    )  # fmt: skip


def _check_counts(values: np.ndarray, name: str) -> None:
    numbers = np.issubdtype(values.dtype, np.number)
    bad = (
        np.flatnonzero(~((values >= 0) & (values == np.floor(values))))
        if numbers
        else np.zeros(min(len(values), 1), int)
    )
    if len(bad):
        raise InputError(
            f"column {name!r} holds {len(bad)} values that are no counts",
            where=f"row {bad[0] + 1}: {values[bad[0]]}", expected="whole numbers of at least 0",
        )  # fmt: skip


def stratified_expected(margins: Stratified, drug: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Sum over strata of n_drug n_event / n, for pairs of codes.

    Args:
        margins: Margins by stratum.
        drug: Drug codes, int, shape (n,).
        event: Event codes, int, shape (n,).

    Returns:
        Expected counts, float64, shape (n,).
    """
    from cinchona.pharmacovigilance.signals.counting.kernels import sum_over_strata

    share = margins.event_margin / margins.totals
    return np.asarray(sum_over_strata(margins.drug_margin, share, drug, event))


def _labels(labels: pa.Array, codes: np.ndarray) -> pl.Series:
    # Categories keep a table of millions of pairs small: names are stored once.
    names = pl.Series(labels.to_pylist(), dtype=pl.String)
    return names.gather(codes)
