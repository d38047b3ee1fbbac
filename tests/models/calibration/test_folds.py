"""Folds that resemble the test part, and the parts that networks leave out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_assays import SMILES, heavy_atoms, split_of, table_of

from cinchona.datasets.splits import Split
from cinchona.models.calibration.folds import FEWEST, alike_folds, groups_of, largest_tested, like_test_part
from cinchona.models.member_parts import member_parts


@given(st.lists(st.integers(0, 12), min_size=60, max_size=120), st.integers(2, 6), st.floats(1, 30))
def test_groups_stay_together_and_large_ones_are_never_left_out(groups, k, largest):
    groups = np.array(groups)
    folds = alike_folds(groups, k, largest=largest, seed=3)
    assert all(len(np.unique(folds[groups == g])) == 1 for g in np.unique(groups))
    sizes = np.bincount(groups)[groups]
    if (sizes <= largest).sum() >= FEWEST:
        np.testing.assert_array_equal(folds >= 0, sizes <= largest)
        filled = np.bincount(folds[folds >= 0], minlength=k)
        assert np.ptp(filled) <= largest
    else:
        assert (folds >= 0).all(), "a harder estimate is better than none"


def test_seeds_decide_the_folds():
    groups = np.arange(100)
    one, same, other = (alike_folds(groups, 5, largest=5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_the_limit_is_that_of_the_split():
    assert largest_tested(Split(np.arange(80), np.arange(80, 90), np.arange(90, 110), "scaffold", 0)) == 5
    assert largest_tested(Split(np.arange(80), np.zeros(0, int), np.zeros(0, int), "random", 0)) == np.inf
    assert like_test_part(np.zeros(50, int), largest=5).all()


@pytest.mark.parametrize("kind,groups", [("random", 40), ("scaffold", None), ("cluster", None)])
def test_groups_are_those_of_the_split(kind, groups):
    found = groups_of(SMILES, kind)
    assert len(found) == 40
    assert len(np.unique(found)) == groups or groups is None
    if kind == "scaffold":
        assert found[SMILES.index("Cc1ccccc1")] == found[SMILES.index("CCc1ccccc1")] != found[SMILES.index("CCO")]


@pytest.mark.parametrize(
    "size,kind,parts", [(1, "random", 1), (3, "random", 1), (4, "random", 2), (9, "random", 4), (4, "time", 1)]
)
def test_networks_take_turns_in_leaving_out(size, kind, parts):
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    split = Split(split.train, split.valid, split.test, kind, 0)
    found = member_parts(table, split, size, seed=0)
    assert len(found.parts) == parts
    np.testing.assert_array_equal(found.parts[0], split.valid)
    joined = np.concatenate(found.parts)
    assert len(np.unique(joined)) == len(joined)
    assert not np.isin(joined, split.test).any()
    assert abs(len(found.parts[-1]) - len(split.valid)) <= 2
    for member in range(size):
        together = np.sort(np.concatenate([found.fitted(member), found.left_out(member)]))
        np.testing.assert_array_equal(together, found.pool)
    assert sorted(m for part in range(parts) for m in found.members(part, size)) == list(range(size))
    assert all(len(found.members(part, size)) >= 2 for part in range(parts)) or size < 4
