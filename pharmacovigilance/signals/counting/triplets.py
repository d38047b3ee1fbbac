"""Counts for drug-drug interactions: reports by drug 1, drug 2 and event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from cinchona.pharmacovigilance.signals.counting.count import CountConfig, universe_of
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports


@dataclass(frozen=True, slots=True)
class TripletCounts:
    """Reports by exposure to two drugs, with and without an event; int64 arrays of shape (n,) in one universe."""

    drug_labels: pa.Array
    """Name of each drug code."""
    event_labels: pa.Array
    """Name of each event code."""
    drug1: np.ndarray
    """Code of the first drug; its name sorts before that of the second."""
    drug2: np.ndarray
    """Code of the second drug."""
    event: np.ndarray
    """Event code."""
    n111: np.ndarray
    """Both drugs and the event."""
    n11: np.ndarray
    """Both drugs."""
    n101: np.ndarray
    """Only drug 1, and the event."""
    n10: np.ndarray
    """Only drug 1."""
    n011: np.ndarray
    """Only drug 2, and the event."""
    n01: np.ndarray
    """Only drug 2."""
    n001: np.ndarray
    """Neither drug, and the event."""
    n00: np.ndarray
    """Neither drug."""

    def __len__(self) -> int:
        return len(self.n111)


def count_triplets(
    reports: CaseReports,
    *,
    events: Sequence[str] | None = None,
    pairs: Iterable[tuple[str, str]] | None = None,
    min_reports: int = 3,
    config: CountConfig | None = None,
) -> TripletCounts:
    """Count drug pairs with events.

    Args:
        reports: The reports.
        events: Events to look at; None looks at all.
        pairs: Drug pairs to look at, also those never reported together with the event; None takes every pair with at
            least ``min_reports`` reports with the event.
        min_reports: Least ``n111`` when ``pairs`` is None.
        config: Roles and universe; counting is by reports.

    Raises:
        UnknownNameError: if a drug or event does not occur.
    """
    inside = universe_of(reports, config or CountConfig())
    codes = range(inside.events.n_items) if events is None else [reports.event_code(event) for event in events]
    n_drugs = inside.drugs.n_items
    event_starts, event_cases = inside.events.transpose()
    drug_starts, drug_cases = inside.drugs.transpose()
    wanted = None
    if pairs is not None:
        wanted = np.unique([_key(reports.drug_code(a), reports.drug_code(b), n_drugs) for a, b in pairs])
    rows = []
    for event in codes:
        cases = event_cases[event_starts[event] : event_starts[event + 1]]
        keys = wanted
        if keys is None:
            keys, found = np.unique(
                _enumerate_pairs(cases, inside.drugs.offsets, inside.drugs.codes, n_drugs), return_counts=True
            )
            keys = keys[found >= min_reports]
        with_event = np.zeros(len(inside), bool)
        with_event[cases] = True
        rows.append(np.column_stack([
            np.full(len(keys), event), keys // n_drugs, keys % n_drugs,
            _joint(keys // n_drugs, keys % n_drugs, drug_starts, drug_cases, with_event),
        ]))  # fmt: skip
    table = np.concatenate(rows) if rows else np.zeros((0, 9), np.int64)
    return _assemble(reports, table, len(inside), np.diff(event_starts))


def _assemble(reports: CaseReports, table: np.ndarray, total: int, event_margin: np.ndarray) -> TripletCounts:
    event, drug1, drug2, n111, n11, n1e, n1, n2e, n2 = table.T
    n101, n10, n011, n01 = n1e - n111, n1 - n11, n2e - n111, n2 - n11
    return TripletCounts(
        reports.drug_labels, reports.event_labels, drug1, drug2, event, n111, n11, n101, n10, n011, n01,
        event_margin[event] - n111 - n101 - n011, total - n11 - n10 - n01,
    )  # fmt: skip


def _key(a: int, b: int, n_drugs: int) -> int:
    return min(a, b) * n_drugs + max(a, b)


@njit(cache=True)
def _enumerate_pairs(cases: np.ndarray, offsets: np.ndarray, codes: np.ndarray, n_drugs: int) -> np.ndarray:
    size = 0
    for case in cases:
        k = offsets[case + 1] - offsets[case]
        size += k * (k - 1) // 2
    keys = np.empty(size, np.int64)
    end = 0
    for case in cases:
        for i in range(offsets[case], offsets[case + 1]):
            for j in range(i + 1, offsets[case + 1]):
                keys[end] = np.int64(codes[i]) * n_drugs + codes[j]
                end += 1
    return keys


@njit(cache=True)
def _joint(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray, cases: np.ndarray, with_event: np.ndarray
) -> np.ndarray:
    """For each pair: both and event, both, drug 1 and event, drug 1, drug 2 and event, drug 2."""
    counts = np.zeros((len(first), 6), np.int64)
    for row in range(len(first)):
        i, j = starts[first[row]], starts[second[row]]
        end_i, end_j = starts[first[row] + 1], starts[second[row] + 1]
        counts[row, 3], counts[row, 5] = end_i - i, end_j - j
        for place in range(i, end_i):
            counts[row, 2] += with_event[cases[place]]
        for place in range(j, end_j):
            counts[row, 4] += with_event[cases[place]]
        while i < end_i and j < end_j:
            if cases[i] == cases[j]:
                counts[row, 1] += 1
                counts[row, 0] += with_event[cases[i]]
                i += 1
                j += 1
            elif cases[i] < cases[j]:
                i += 1
            else:
                j += 1
    return counts
