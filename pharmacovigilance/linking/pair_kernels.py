"""Compiled loops over pairs: which pairs to compare, what terms they share, how often terms go together, groups."""

from __future__ import annotations

# Compiled loops: arguments are typed by numba when they are called, and one pass keeps its state in local variables.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: ANN001, ANN201, C901, D417, PLR0912
import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def shared_terms(left, right, offsets, values):
    """Terms that both cases of each pair have: offsets int64 (n + 1,) and codes int32."""
    n = left.size
    found = np.zeros(n + 1, np.int64)
    codes = np.empty(0, np.int32)
    for sweep in range(2):
        if sweep == 1:
            codes = np.empty(found[n], np.int32)
        at = 0
        for k in range(n):
            a, a_end = offsets[left[k]], offsets[left[k] + 1]
            b, b_end = offsets[right[k]], offsets[right[k] + 1]
            while a < a_end and b < b_end:
                if values[a] == values[b]:
                    if sweep == 1:
                        codes[at] = values[a]
                    at += 1
                    a += 1
                    b += 1
                elif values[a] < values[b]:
                    a += 1
                else:
                    b += 1
            if sweep == 0:
                found[k + 1] = at
    return found, codes


@njit(cache=True, nogil=True)
def count_sharing(starts, shared, posting_offsets, postings, offsets, values):
    """Count the cases that have all the terms which a pair shares, the pair's own two included.

    Args:
        starts, shared: Shared terms of each pair, as :func:`shared_terms` gives them (ascending by code).
        posting_offsets, postings: Cases of each term.
        offsets, values: Terms of each case, ascending.

    Returns:
        int64 (n,); 0 for pairs that share nothing.
    """
    n = starts.size - 1
    found = np.zeros(n, np.int64)
    for k in range(n):
        begin, stop = starts[k], starts[k + 1]
        if begin == stop:
            continue
        rarest = shared[begin]
        for t in range(begin, stop):
            term = shared[t]
            if (
                posting_offsets[term + 1] - posting_offsets[term]
                < posting_offsets[rarest + 1] - posting_offsets[rarest]
            ):
                rarest = term
        for p in range(posting_offsets[rarest], posting_offsets[rarest + 1]):
            at, end, t = offsets[postings[p]], offsets[postings[p] + 1], begin
            while t < stop and at < end:
                if values[at] == shared[t]:
                    t += 1
                    at += 1
                elif values[at] < shared[t]:
                    at += 1
                else:
                    break
            if t == stop:
                found[k] += 1
    return found


@njit(cache=True, nogil=True)
def pairs_of_runs(order, keys, cap):
    """Pairs of cases with equal keys.

    Args:
        order: Cases in the order of their keys, int32.
        keys: Keys in that order, uint64; 0 means none.
        cap: Longest run that is paired.

    Returns:
        left and right int32, and the number of cases in runs that were too long.
    """
    n = keys.size
    total = skipped = 0
    begin = 0
    for k in range(1, n + 1):
        if k == n or keys[k] != keys[begin]:
            length = k - begin
            if keys[begin] != 0 and length > 1:
                if length <= cap:
                    total += length * (length - 1) // 2
                else:
                    skipped += length
            begin = k
    left, right = np.empty(total, np.int32), np.empty(total, np.int32)
    at = begin = 0
    for k in range(1, n + 1):
        if k == n or keys[k] != keys[begin]:
            if keys[begin] != 0 and 1 < k - begin <= cap:
                for a in range(begin, k):
                    for b in range(a + 1, k):
                        left[at], right[at] = min(order[a], order[b]), max(order[a], order[b])
                        at += 1
            begin = k
    return left, right, skipped


@njit(cache=True, nogil=True)
def count_together(offsets, values, wanted_first, table, codes, counts):
    """Count in how many cases each wanted pair of terms stands.

    Args:
        offsets, values: Lists of all cases.
        wanted_first: uint8 by code, 1 where a term is in any wanted pair.
        table: Hash table of wanted pairs ``a << 32 | b`` (a < b), int64, -1 where free.
        codes: Place of each pair, int32.
        counts: Filled, int64.
    """
    mask = table.size - 1
    mine = np.empty(4096, np.int64)
    for k in range(offsets.size - 1):
        m = 0
        for at in range(offsets[k], offsets[k + 1]):
            if wanted_first[values[at]] and m < 4096:
                mine[m] = values[at]
                m += 1
        for x in range(m):
            for y in range(x + 1, m):
                key = mine[x] << 32 | mine[y]
                slot = np.int64((np.uint64(key) * np.uint64(11400714819323198485) >> np.uint64(20)) & np.uint64(mask))
                while table[slot] >= 0:
                    if table[slot] == key:
                        counts[codes[slot]] += 1
                        break
                    slot = (slot + 1) & mask


@njit(cache=True, nogil=True)
def fill_table(table, codes, keys):
    """Enter distinct ``keys`` (int64) into an empty hash table."""
    mask = table.size - 1
    for k in range(keys.size):
        slot = np.int64((np.uint64(keys[k]) * np.uint64(11400714819323198485) >> np.uint64(20)) & np.uint64(mask))
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = keys[k]
        codes[slot] = k


@njit(cache=True, nogil=True)
def union(n, left, right):
    """Smallest case that each of n cases is connected to, int32."""
    root = np.arange(n, dtype=np.int32)
    for k in range(left.size):
        a, b = left[k], right[k]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b:
            root[max(a, b)] = min(a, b)
    for k in range(n):
        root[k] = root[root[k]]
    return root
