"""Compiled loops over products: rows are added up, sent through the hidden layer and counted."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

_FAST = {"contract", "reassoc", "nsz", "nnan"}


@numba.njit(cache=True)
def add_rows(out: np.ndarray, table: np.ndarray, rows: np.ndarray) -> None:
    """In place: out += table[rows]; out (n, width), table (m, width), rows (n,)."""
    for i in range(len(rows)):
        source = table[rows[i]]
        target = out[i]
        for k in range(len(target)):
            target[k] += source[k]


@numba.njit(cache=True, fastmath=_FAST, inline="always")
def _four(weight, one, first, second, third, fourth):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Weighted sums of relu(one + row) for four rows; all of shape (width,) and contiguous, else nothing is vectorized."""
    zero = np.float32(0.0)
    a = b = c = d = zero
    for k in range(len(weight)):
        x, w = one[k], weight[k]
        a += w * max(x + first[k], zero)
        b += w * max(x + second[k], zero)
        c += w * max(x + third[k], zero)
        d += w * max(x + fourth[k], zero)
    return a, b, c, d


@numba.njit(cache=True, fastmath=_FAST, inline="always")
def _one(weight, one, two):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    total = np.float32(0.0)
    for k in range(len(weight)):
        total += weight[k] * max(one[k] + two[k], np.float32(0.0))
    return total


@numba.njit(cache=True, fastmath=_FAST, inline="always")
def _one_of_mean(weight, one, two, share, first):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    total = np.float32(0.0)
    for k in range(len(weight)):
        total += weight[k] * max((one[k] + two[k]) * share + first[k], np.float32(0.0))
    return total


@numba.njit(cache=True, fastmath=_FAST)
def quick_scores(
    left: np.ndarray, right: np.ndarray, start: np.ndarray, head: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    out: np.ndarray,
) -> None:  # fmt: skip
    """Scores of all products of n left and m right reagents behind one hidden layer; float32, ``out`` (n, m).

    Left reagents ``start[b]`` to ``start[b + 1]`` are of class b. Shapes: left (n, width), right (classes * m, width) with
    the bias of the first layer. ``head``: weight of each hidden unit, first unit of each member and the end, bias of each
    member, and a last array (factor of each member, then the summand of the score, then 1 for the logistic function).
    """
    weight, segment, bias, last = head
    members = len(bias)
    m = out.shape[1]
    fours = m - m % 4
    out[:] = last[members]
    for member in range(members):
        a, e = segment[member], segment[member + 1]
        w = weight[a:e]
        for b in range(len(start) - 1):
            r = b * m
            for i in range(start[b], start[b + 1]):
                one = left[i, a:e]
                for j in range(0, fours, 4):
                    sums = _four(
                        w, one, right[r + j, a:e], right[r + j + 1, a:e], right[r + j + 2, a:e], right[r + j + 3, a:e]
                    )
                    for q in range(4):
                        out[i, j + q] += _shaped(sums[q] + bias[member], last, member, members)
                for j in range(fours, m):
                    out[i, j] += _shaped(_one(w, one, right[r + j, a:e]) + bias[member], last, member, members)


@numba.njit(cache=True, fastmath=_FAST, inline="always")
def _shaped(total, last, member, members):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    """What a member adds to the score."""
    if last[members + 1] > 0:
        total = np.float32(1.0) / (np.float32(1.0) + np.exp(-total))
    return last[member] * total


TILE: Final = 8
"""Rows of one side that are bounded together."""


@numba.njit(cache=True)
def _extremes(rows: np.ndarray, sign: np.ndarray, first: int, last: int, out: np.ndarray) -> None:
    """Unit by unit, what makes the score greatest among rows: the largest value where ``sign`` is positive, else the least."""
    for k in range(len(out)):
        found = rows[first, k]
        for r in range(first + 1, last):
            found = max(found, rows[r, k]) if sign[k] > 0 else min(found, rows[r, k])
        out[k] = found


@numba.njit(cache=True, fastmath=_FAST)
def _greatest(weight, segment, bias, last, one, two):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    """Score of one pair of rows; of extreme rows an upper bound of all that they stand for."""
    members = len(bias)
    total = last[members]
    for member in range(members):
        a, e = segment[member], segment[member + 1]
        total += _shaped(_one(weight[a:e], one[a:e], two[a:e]) + bias[member], last, member, members)
    return total


@numba.njit(cache=True)
def bounded_scores(
    left: np.ndarray, right: np.ndarray, start: np.ndarray, head: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    limit: tuple[np.ndarray, float], out: np.ndarray,
) -> int:  # fmt: skip
    """As :func:`quick_scores`, but tiles that provably stay below a bar become NaN; returns how many products that are.

    The state behind the first layer is monotonous in each unit, so a tile's score is at most that of the extreme values of
    its rows. ``limit``: sign of each unit's weight in the score, shape (width,), and the bar.
    """
    weight, segment, bias, last = head
    sign, bar = limit
    m = out.shape[1]
    skipped = 0
    upper, lower = np.empty(left.shape[1], np.float32), np.empty(left.shape[1], np.float32)
    for b in range(len(start) - 1):
        for j in range(0, m, TILE):
            stop = min(j + TILE, m)
            _extremes(right, sign, b * m + j, b * m + stop, upper)
            for i in range(start[b], start[b + 1], TILE):
                end = min(i + TILE, start[b + 1])
                _extremes(left, sign, i, end, lower)
                if _greatest(weight, segment, bias, last, lower, upper) < bar:
                    out[i:end, j:stop] = np.nan
                    skipped += (end - i) * (stop - j)
                    continue
                for r in range(i, end):
                    if _greatest(weight, segment, bias, last, left[r], upper) < bar:
                        out[r, j:stop] = np.nan
                        skipped += stop - j
                        continue
                    for c in range(j, stop):
                        out[r, c] = _greatest(weight, segment, bias, last, left[r], right[b * m + c])
    return skipped


@numba.njit(cache=True, fastmath=_FAST)
def quick_scores_of_mean(
    left: np.ndarray, right: np.ndarray, start: np.ndarray, head: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    mean: tuple[np.ndarray, np.ndarray, np.ndarray], out: np.ndarray,
) -> None:  # fmt: skip
    """As :func:`quick_scores` for a mean readout; ``mean``: atoms of left and right reagents, bias of the first layer."""
    weight, segment, bias, last = head
    atoms_left, atoms_right, first = mean
    members = len(bias)
    m = out.shape[1]
    out[:] = last[members]
    for member in range(members):
        a, e = segment[member], segment[member + 1]
        w, summand = weight[a:e], first[a:e]
        for b in range(len(start) - 1):
            for i in range(start[b], start[b + 1]):
                one = left[i, a:e]
                for j in range(m):
                    share = np.float32(1.0 / (atoms_left[i] + atoms_right[j]))
                    total = _one_of_mean(w, one, right[b * m + j, a:e], share, summand) + bias[member]
                    out[i, j] += _shaped(total, last, member, members)


@numba.njit(cache=True)
def first_layer(left: np.ndarray, right: np.ndarray, class_of: np.ndarray, begin: int, m: int, out: np.ndarray) -> None:
    """Sums of rows of products ``begin`` to ``begin + len(out)`` of n left and m right reagents, left ones outermost."""
    for r in range(len(out)):
        i, j = (begin + r) // m, (begin + r) % m
        one, two, target = left[i], right[class_of[i] * m + j], out[r]
        for k in range(out.shape[1]):
            target[k] = one[k] + two[k]


@numba.njit(cache=True)
def count_scores(
    scores: np.ndarray, ids: tuple[np.ndarray, np.ndarray], heap: tuple[np.ndarray, np.ndarray, np.ndarray],
    bins: tuple[np.ndarray, np.ndarray], sums: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:  # fmt: skip
    """Take note of scores (float32, shape (n, m)) of products ``ids[0][i] + ids[1][j]``.

    ``heap``: scores and ids of the best so far, worst at the root; their number and that of
    scores that are not finite (int64, shape (2,)). ``bins``: counts and
    (lowest edge, 1 / width). ``sums``: sum, best and number of each left reagent, then of each right reagent.
    """
    best, best_ids, size = heap
    counts, scale = bins
    left_sum, left_best, left_seen, right_sum, right_best, right_seen = sums
    last = len(counts) - 1
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            score = scores[i, j]
            if not np.isfinite(score):
                size[1] += 1
                continue
            bin_ = int((score - scale[0]) * scale[1])
            counts[min(max(bin_, 0), last)] += 1
            left_sum[i] += score
            right_sum[j] += score
            left_seen[i] += 1
            right_seen[j] += 1
            left_best[i] = max(left_best[i], score)
            right_best[j] = max(right_best[j], score)
            if size[0] < len(best) or score >= best[0]:
                _offer(best, best_ids, size, score, ids[0][i] + ids[1][j])


@numba.njit(cache=True)
def _worse(score: float, number: int, other: float, other_number: int) -> bool:
    """Whether a product ranks behind another: a lower score, or the same and a higher number."""
    return score < other or (score == other and number > other_number)


@numba.njit(cache=True)
def _offer(best: np.ndarray, ids: np.ndarray, size: np.ndarray, score: float, number: int) -> None:
    """Put a product on the heap if it belongs there."""
    if size[0] < len(best):
        size[0] += 1
        _rise(best, ids, size[0] - 1, score, number)
    elif _worse(best[0], ids[0], score, number):
        _sink(best, ids, score, number)


@numba.njit(cache=True)
def _rise(best: np.ndarray, ids: np.ndarray, place: int, score: float, number: int) -> None:
    k = place
    while k > 0:
        parent = (k - 1) >> 1
        if not _worse(score, number, best[parent], ids[parent]):
            break
        best[k], ids[k] = best[parent], ids[parent]
        k = parent
    best[k], ids[k] = score, number


@numba.njit(cache=True)
def _sink(best: np.ndarray, ids: np.ndarray, score: float, number: int) -> None:
    k, n = 0, len(best)
    while 2 * k + 1 < n:
        child = 2 * k + 1
        if child + 1 < n and _worse(best[child + 1], ids[child + 1], best[child], ids[child]):
            child += 1
        if not _worse(best[child], ids[child], score, number):
            break
        best[k], ids[k] = best[child], ids[child]
        k = child
    best[k], ids[k] = score, number


__all__ = ["TILE", "add_rows", "bounded_scores", "count_scores", "first_layer", "quick_scores", "quick_scores_of_mean"]
