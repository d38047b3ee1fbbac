"""Which items (drugs or events) each case has: a compressed table of distinct codes, built in linear time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

_LONG_CASE: Final = 64
"""Above so many items a case is sorted by numpy instead of by insertion."""


@dataclass(frozen=True, slots=True)
class Incidence:
    """Distinct items of each case, compressed by rows."""

    offsets: np.ndarray
    """Start of each case in ``codes``, int64, shape (n_cases + 1,)."""
    codes: np.ndarray
    """Item codes, int32, shape (nnz,); ascending and distinct within a case."""
    bits: np.ndarray
    """Role bits of each entry, uint8, shape (nnz,): bit k set means the case lists the item in role k."""
    n_items: int
    """Number of item codes; codes are in [0, n_items)."""

    @property
    def n_cases(self) -> int:
        """Number of cases."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Distinct items of each case, int64, shape (n_cases,)."""
        return np.diff(self.offsets)

    def case_counts(self) -> np.ndarray:
        """Cases that have each item, int64, shape (n_items,)."""
        return np.bincount(self.codes, minlength=self.n_items).astype(np.int64)

    def select(self, cases: np.ndarray) -> Incidence:
        """Keep the cases of the mask ``cases`` (bool, shape (n_cases,)), renumbered in their order."""
        offsets, codes, bits = _take_cases(self.offsets, self.codes, self.bits, cases)
        return Incidence(offsets, codes, bits, self.n_items)

    def with_bits(self, wanted: int) -> Incidence:
        """Keep entries that have one of the role bits ``wanted``; cases stay, possibly empty."""
        offsets, codes, bits = _keep_entries(self.offsets, self.codes, self.bits, (self.bits & wanted) != 0)
        return Incidence(offsets, codes, bits, self.n_items)

    def only(self, items: np.ndarray) -> Incidence:
        """Keep entries of the items in the mask (bool, shape (n_items,)); cases stay, possibly empty."""
        offsets, codes, bits = _keep_entries(self.offsets, self.codes, self.bits, items[self.codes])
        return Incidence(offsets, codes, bits, self.n_items)

    def transpose(self) -> tuple[np.ndarray, np.ndarray]:
        """Cases of each item: offsets int64 (n_items + 1,) and case numbers int32 (nnz,), ascending per item."""
        offsets, cases = _transpose(self.offsets, self.codes, self.n_items)
        return offsets, cases

    def cases_of(self, item: int) -> np.ndarray:
        """Mask of the cases that have ``item``, bool, shape (n_cases,)."""
        hit = np.flatnonzero(self.codes == item)
        mask = np.zeros(self.n_cases, bool)
        mask[np.searchsorted(self.offsets, hit, side="right") - 1] = True
        return mask


def build_incidence(cases: np.ndarray, items: np.ndarray, bits: np.ndarray, *, n_cases: int, n_items: int) -> Incidence:
    """Sort rows (case, item, role bits) into an :class:`Incidence`; repeated items of a case join their bits.

    Args:
        cases: Case number of each row, int32, shape (rows,), in [0, n_cases).
        items: Item code of each row, int32, shape (rows,), in [0, n_items).
        bits: Role bits of each row, uint8, shape (rows,).
        n_cases: Number of cases.
        n_items: Number of item codes.
    """
    counts = np.bincount(cases, minlength=n_cases)
    offsets = np.zeros(n_cases + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    sorted_codes, sorted_bits = _scatter(cases, items, bits, offsets)
    new_offsets, new_codes, new_bits = _sort_and_merge(offsets, sorted_codes, sorted_bits)
    return Incidence(new_offsets, new_codes, new_bits, n_items)


@njit(cache=True)
def _scatter(
    cases: np.ndarray, items: np.ndarray, bits: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    cursor = offsets[:-1].copy()
    codes = np.empty(len(items), np.int32)
    roles = np.empty(len(items), np.uint8)
    for row in range(len(items)):
        place = cursor[cases[row]]
        codes[place] = items[row]
        roles[place] = bits[row]
        cursor[cases[row]] = place + 1
    return codes, roles


@njit(cache=True)
def _sort_and_merge(
    offsets: np.ndarray, codes: np.ndarray, bits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_cases = len(offsets) - 1
    new_offsets = np.zeros(n_cases + 1, np.int64)
    end = 0
    for case in range(n_cases):
        start, stop = offsets[case], offsets[case + 1]
        _sort_slice(codes, bits, start, stop)
        first = end
        for place in range(start, stop):
            if end > first and codes[end - 1] == codes[place]:
                bits[end - 1] |= bits[place]
            else:
                codes[end], bits[end] = codes[place], bits[place]
                end += 1
        new_offsets[case + 1] = end
    return new_offsets, codes[:end].copy(), bits[:end].copy()


@njit(cache=True)
def _sort_slice(codes: np.ndarray, bits: np.ndarray, start: int, stop: int) -> None:
    if stop - start > _LONG_CASE:
        order = np.argsort(codes[start:stop])
        codes[start:stop] = codes[start:stop][order]
        bits[start:stop] = bits[start:stop][order]
        return
    for place in range(start + 1, stop):
        code, bit = codes[place], bits[place]
        hole = place
        while hole > start and codes[hole - 1] > code:
            codes[hole], bits[hole] = codes[hole - 1], bits[hole - 1]
            hole -= 1
        codes[hole], bits[hole] = code, bit


@njit(cache=True)
def _take_cases(
    offsets: np.ndarray, codes: np.ndarray, bits: np.ndarray, cases: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_kept, size = 0, 0
    for case in range(len(cases)):
        if cases[case]:
            n_kept += 1
            size += offsets[case + 1] - offsets[case]
    new_offsets = np.zeros(n_kept + 1, np.int64)
    new_codes, new_bits = np.empty(size, np.int32), np.empty(size, np.uint8)
    end, row = 0, 0
    for case in range(len(cases)):
        if not cases[case]:
            continue
        for place in range(offsets[case], offsets[case + 1]):
            new_codes[end], new_bits[end] = codes[place], bits[place]
            end += 1
        row += 1
        new_offsets[row] = end
    return new_offsets, new_codes, new_bits


@njit(cache=True)
def _keep_entries(
    offsets: np.ndarray, codes: np.ndarray, bits: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_cases = len(offsets) - 1
    new_offsets = np.zeros(n_cases + 1, np.int64)
    size = kept.sum()
    new_codes, new_bits = np.empty(size, np.int32), np.empty(size, np.uint8)
    end = 0
    for case in range(n_cases):
        for place in range(offsets[case], offsets[case + 1]):
            if kept[place]:
                new_codes[end], new_bits[end] = codes[place], bits[place]
                end += 1
        new_offsets[case + 1] = end
    return new_offsets, new_codes, new_bits


@njit(cache=True)
def _transpose(offsets: np.ndarray, codes: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    starts = np.zeros(n_items + 1, np.int64)
    for code in codes:
        starts[code + 1] += 1
    for item in range(n_items):
        starts[item + 1] += starts[item]
    cursor = starts[:-1].copy()
    cases = np.empty(len(codes), np.int32)
    for case in range(len(offsets) - 1):
        for place in range(offsets[case], offsets[case + 1]):
            cases[cursor[codes[place]]] = case
            cursor[codes[place]] += 1
    return starts, cases
