"""The best distinct compounds: equal to sorting everything, whatever the order in which parts come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cinchona.screening.topk import TopK, by_best_score, just_below

scores = st.one_of(st.sampled_from([0.0, 1.0, 1.0, 2.0, float("nan"), float("inf")]), st.floats(-3, 3, width=32))
rows = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.none() | scores), max_size=40)


def table(first, part):
    return pa.table(
        {
            "row_id": pa.array(range(first, first + len(part)), pa.int64()),
            "parent_smiles": pa.array([parent for parent, _ in part], pa.string()),
            "score": pa.array([score for _, score in part], pa.float32()),
        }
    )


@given(rows, st.integers(1, 6), st.integers(1, 12), st.randoms(use_true_random=False))
def test_equals_sorting_everything(library, k, partition_rows, random):
    best = {}
    for row, (parent, score) in enumerate(library):
        if score is not None and np.isfinite(score):
            best[parent] = min(best.get(parent, (np.inf, 0)), (-np.float32(score), row))
    expected = sorted((*order, parent) for parent, order in best.items())[:k]
    parts = [table(i, library[i : i + partition_rows]) for i in range(0, len(library), partition_rows)]
    random.shuffle(parts)
    top = TopK(k)
    for part in parts:
        top.add(part)
    assert [(-c.score, c.row_id, c.parent_smiles) for c in top.ranked()] == expected
    assert top.bar == (-expected[-1][0] if len(expected) == k else -np.inf)


def test_memory_stays_small():
    top = TopK(3)
    for i in range(20):
        top.add(table(100 * i, [(f"{i}-{j}", 1.0) for j in range(100)]))
        assert len(top.ranked()) == 3
    assert [c.row_id for c in top.ranked()] == [0, 1, 2]


def test_partitions_come_by_their_best():
    assert list(by_best_score(np.array([1.0, np.nan, 3.0, 1.0, np.inf]))) == [2, 0, 3]


def test_rounding_of_one_compound_stays_within_reach():
    assert just_below(8.0) < 8.0 * (1 - 1e-5)
    assert just_below(-8.0) < -8.0 * (1 + 1e-5)
