"""The loops of the counting, compiled: linear in the pair mentions, one dense row of counters in memory."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def count_drug_rows(
    drug_starts: np.ndarray,
    drug_cases: np.ndarray,
    event_offsets: np.ndarray,
    event_codes: np.ndarray,
    n_events: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, for each drug, the cases that have each event.

    Args:
        drug_starts: Start of each drug in ``drug_cases``, int64, shape (n_drugs + 1,).
        drug_cases: Cases of each drug, int32.
        event_offsets: Start of each case in ``event_codes``, int64, shape (n_cases + 1,).
        event_codes: Distinct events of each case, int32.
        n_events: Number of event codes.

    Returns:
        Drug code, event code (int32) and count (int32) of every pair with a count of at least 1, ordered.
    """
    counts = np.zeros(n_events, np.int32)
    touched = np.empty(n_events, np.int32)
    capacity = max(1024, len(event_codes) // 2)
    drugs, events = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    values = np.empty(capacity, np.int32)
    end = 0
    for drug in range(len(drug_starts) - 1):
        n_touched = 0
        for place in range(drug_starts[drug], drug_starts[drug + 1]):
            case = drug_cases[place]
            for entry in range(event_offsets[case], event_offsets[case + 1]):
                event = event_codes[entry]
                if counts[event] == 0:
                    touched[n_touched] = event
                    n_touched += 1
                counts[event] += 1
        if end + n_touched > capacity:
            capacity = max(2 * capacity, end + n_touched)
            drugs, events, values = (
                _grown(drugs, end, capacity),
                _grown(events, end, capacity),
                _grown(values, end, capacity),
            )
        _order(touched, n_touched, counts)
        for place in range(n_touched):
            event = touched[place]
            drugs[end], events[end], values[end] = drug, event, counts[event]
            counts[event] = 0
            end += 1
    return drugs[:end].copy(), events[:end].copy(), values[:end].copy()


@njit(cache=True)
def _grown(array: np.ndarray, end: int, capacity: int) -> np.ndarray:
    larger = np.empty(capacity, array.dtype)
    larger[:end] = array[:end]
    return larger


@njit(cache=True)
def _order(touched: np.ndarray, n_touched: int, counts: np.ndarray) -> None:
    if n_touched > len(counts) // 16:  # a dense row: reading it in order is cheaper than sorting
        place = 0
        for event in range(len(counts)):
            if counts[event] > 0:
                touched[place] = event
                place += 1
    else:
        touched[:n_touched] = np.sort(touched[:n_touched])


@njit(cache=True)
def mention_margins(
    drug_offsets: np.ndarray,
    drug_codes: np.ndarray,
    event_offsets: np.ndarray,
    event_codes: np.ndarray,
    margins: tuple[np.ndarray, np.ndarray],
) -> int:
    """Add up pair mentions: each case counts (drugs x events) pairs. Fills ``margins`` and returns the total."""
    drug_margin, event_margin = margins
    total = 0
    for case in range(len(drug_offsets) - 1):
        n_drugs = drug_offsets[case + 1] - drug_offsets[case]
        n_events = event_offsets[case + 1] - event_offsets[case]
        for entry in range(drug_offsets[case], drug_offsets[case + 1]):
            drug_margin[drug_codes[entry]] += n_events
        for entry in range(event_offsets[case], event_offsets[case + 1]):
            event_margin[event_codes[entry]] += n_drugs
        total += n_drugs * n_events
    return total


@njit(cache=True)
def margins_by_stratum(offsets: np.ndarray, codes: np.ndarray, strata: np.ndarray, table: np.ndarray) -> None:
    """Count the cases of each item in each stratum into ``table``, float64, shape (n_items, n_strata)."""
    for case in range(len(offsets) - 1):
        stratum = strata[case]
        for entry in range(offsets[case], offsets[case + 1]):
            table[codes[entry], stratum] += 1.0


@njit(cache=True)
def sum_over_strata(
    drug_margin: np.ndarray, event_share: np.ndarray, drug: np.ndarray, event: np.ndarray
) -> np.ndarray:
    """Sum of drug_margin[d, s] * event_share[e, s] over strata for each pair, float64, shape (n,)."""
    expected = np.empty(len(drug), np.float64)
    filled = np.empty(drug_margin.shape[1], np.int64)
    n_filled, last = 0, -1
    for pair in range(len(drug)):
        if drug[pair] != last:
            last, n_filled = drug[pair], 0
            for stratum in range(drug_margin.shape[1]):
                if drug_margin[last, stratum] > 0.0:
                    filled[n_filled] = stratum
                    n_filled += 1
        total = 0.0
        for k in range(n_filled):
            total += drug_margin[last, filled[k]] * event_share[event[pair], filled[k]]
        expected[pair] = total
    return expected
