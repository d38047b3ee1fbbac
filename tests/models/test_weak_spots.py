"""A planted weakness is named, chance is not, and the figures are those of plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weak_spots import planted, series

from cinchona.models.weak_spots import by_property, by_series, spots_of


def test_a_series_that_the_model_does_not_know_is_named():
    found = by_series(*planted())
    assert found[0].scaffold == "c1ccc2[nH]ccc2c1"
    assert found[0].worse
    assert found[0].compounds == 12
    assert found[0].error == pytest.approx(found[0].bias) == pytest.approx(1.1)
    assert not any(spot.worse for spot in found[1:])
    assert {spot.name for spot in found} == {"c1ccc2[nH]ccc2c1", "c1ccccc1", "no rings", "other series"}


def test_scaffolds_that_are_alike_are_one_series():
    smiles = [*series("c1ccc(-c2ccc(%s)cc2)cc1", 6), *series("c1ccc(-c2ccc(-c3ccc(%s)cc3)cc2)cc1", 3)]
    found = by_series(smiles, np.zeros(9), np.ones(9))
    assert [spot.compounds for spot in found] == [9]


def test_quarters_of_a_property_and_of_the_value():
    smiles = ["C" * k for k in range(1, 41)]
    measured = np.arange(40.0)
    predicted = np.where(measured >= 30, measured - 5.0, measured + np.tile([0.1, -0.1], 20))
    found = by_property(smiles, measured, predicted)
    value = found["measured value"]
    assert [spot.compounds for spot in value] == [10] * 4
    assert [spot.name for spot in value][::3] == ["0 to 9", "30 to 39"]
    assert [spot.worse for spot in value] == [False] * 3 + [True]
    assert value[-1].bias == pytest.approx(-5.0)
    assert [spot.worse for spot in found["molecular weight"]] == [False] * 3 + [True]
    assert "rings" not in found  # all equal
    assert all(sum(s.compounds for s in spots) == 40 for spots in found.values())


def test_classes_are_looked_at_one_by_one():
    measured = np.tile([0.0, 1.0], 10)
    found = by_property(["C" * k for k in range(1, 21)], measured, np.full(20, 0.2), is_class=True)
    assert [(s.name, round(s.error, 6)) for s in found["measured class"]] == [("0", 0.2), ("1", 0.8)]
    assert "measured value" not in found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 6))
def test_groups_add_up_to_all(seed, n, k):
    rng = np.random.default_rng(seed)
    names = [f"g{v}" for v in rng.integers(k, size=n)]
    measured, predicted = rng.normal(size=n), rng.normal(size=n)
    spots = spots_of(names, measured, predicted)
    weights = np.array([spot.compounds for spot in spots])
    assert weights.sum() == n
    assert np.dot(weights, [s.error for s in spots]) / n == pytest.approx(np.abs(predicted - measured).mean())
    assert np.dot(weights, [s.bias for s in spots]) / n == pytest.approx((predicted - measured).mean())
    assert np.dot(weights, [s.ratio for s in spots]) / n == pytest.approx(1.0)
    assert all(0 <= s.p_value <= 1 for s in spots)


def test_chance_is_rarely_a_weakness():
    rng = np.random.default_rng(2)
    false = sum(
        any(s.worse for s in spots_of([f"g{k % 6}" for k in range(120)], np.zeros(120), rng.normal(size=120)))
        for _ in range(200)
    )
    assert false <= 22  # 5 % of 200 are 10


def test_nothing_and_perfection():
    assert by_series([], np.zeros(0), np.zeros(0)) == []
    (spot,) = spots_of(["a"] * 9, np.ones(9), np.ones(9))
    assert not spot.worse
    assert spot.to_json()["ratio"] is None
