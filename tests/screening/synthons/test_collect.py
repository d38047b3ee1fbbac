"""What is kept of scores: best, histogram, sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona.screening.synthons.collect import Bins, Collected, merged_best

SCORES = st.lists(
    st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.25, 0.5, 1.0, 3.0, float("nan")]), min_size=4, max_size=4),
    min_size=1,
    max_size=12,
)


def collected(blocks: list[np.ndarray], k: int, *, threshold: float | None = None, offset: int = 0) -> Collected:
    found = Collected(k, (len(blocks), 4), Bins(-4, -4_096), threshold)
    for row, block in enumerate(blocks):
        ids = (np.array([4 * (row + offset)]), np.arange(4))
        found.add(block[None, :].astype(np.float32), ids, (0, 1), (np.array([row]), np.arange(4)), {})
    return found


@given(SCORES, st.integers(1, 20))
def test_best_histogram_and_sums_are_those_of_all_scores(rows: list[list[float]], k: int) -> None:
    scores = np.array(rows, np.float32)
    found = collected(list(scores), k, threshold=0.25)
    flat = scores.ravel()
    finite = np.isfinite(flat)
    order = [i for i in np.lexsort((np.arange(len(flat)), -np.where(finite, flat, -np.inf))) if finite[i]][:k]
    assert found.ranked()[1].tolist() == order
    assert found.ranked()[0].tolist() == flat[order].tolist()
    assert found.scored == len(flat)
    assert found.not_finite == int((~finite).sum())
    assert found.reached == int((flat[finite] >= 0.25).sum())
    assert found.sums[1] == pytest.approx(np.nansum(scores, axis=0))
    histogram = found.bins.histogram(found.counts)
    assert histogram.total == int(finite.sum())
    wanted, _ = np.histogram(flat[finite], bins=histogram.edges) if finite.any() else (np.zeros(0, int), None)
    assert histogram.counts == tuple(wanted.tolist())


@given(SCORES, SCORES, st.integers(1, 9))
def test_merging_is_the_same_as_counting_everything_at_once(
    one: list[list[float]], two: list[list[float]], k: int
) -> None:
    n = max(len(one), len(two))
    pad = [[float("nan")] * 4]
    one, two = one + pad * (n - len(one)), two + pad * (n - len(two))
    left = collected(list(np.array(one, np.float32)), k)
    right = collected(list(np.array(two, np.float32)), k, offset=n)
    wanted = merged_best([left.ranked(), right.ranked()], k)
    left.merge(right)
    assert [a.tolist() for a in left.ranked()] == [a.tolist() for a in wanted]
    # What came out of a merge goes on as a heap.
    ids = (np.array([8 * n]), np.arange(4))
    left.add(np.array([[5.0, -9.0, 5.0, 0.0]], np.float32), ids, (0, 1), (np.array([0]), np.arange(4)), {})
    again = merged_best([wanted, (np.array([5, -9, 5, 0], np.float32), 8 * n + np.arange(4))], k)
    assert left.ranked()[1].tolist() == again[1].tolist()


def test_scores_far_outside_the_bins_are_counted_in_the_outer_ones() -> None:
    bins = Bins.around(np.array([0.0, 1.0]))
    found = Collected(3, (1, 4), bins)
    ids = (np.array([0]), np.arange(4))
    found.add(np.array([[1e9, -1e9, 0.5, np.inf]], np.float32), ids, (0, 1), (np.array([0]), np.arange(4)), {})
    assert found.counts.sum() == 3
    assert found.counts[0] == found.counts[-1] == 1
    assert found.not_finite == 1
