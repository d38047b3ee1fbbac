"""Paired comparisons against scipy, statsmodels and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests

from cinchona.errors import ShapeError
from cinchona.models.comparison import compare_repeated, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(p_values)
def test_holm_is_that_of_statsmodels(values):
    np.testing.assert_allclose(holm(values), multipletests(values, method="holm")[1], atol=1e-12)


@given(p_values, st.randoms())
def test_holm_does_not_depend_on_the_order(values, draw):
    order = list(range(len(values)))
    draw.shuffle(order)
    np.testing.assert_allclose(holm([values[k] for k in order]), holm(values)[order], atol=1e-12)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.01, math.nan, 0.4]), [0.02, math.nan, 0.4])
    assert holm([]).shape == (0,)


@given(st.integers(0, 1000), st.integers(3, 20))
def test_independent_repetitions_give_the_paired_t_test(seed, n):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=n)
    (found,) = compare_repeated({"a": a, "b": b})
    want = ttest_rel(a, b)
    assert found.p == pytest.approx(want.pvalue)
    low, high = want.confidence_interval()
    assert (found.difference.lower, found.difference.upper) == (pytest.approx(low), pytest.approx(high))
    assert found.p_adjusted == found.p


def test_overlapping_training_parts_widen_the_interval_by_the_formula():
    rng = np.random.default_rng(0)
    figures = {"a": rng.normal(size=10), "b": rng.normal(size=10)}
    (plain,), (wide,) = compare_repeated(figures), compare_repeated(figures, test_to_train=0.25)
    half = [c.difference.upper - c.difference.estimate for c in (plain, wide)]
    assert half[1] / half[0] == pytest.approx(math.sqrt((0.1 + 0.25) / 0.1))
    assert wide.p > plain.p


def test_all_pairs_are_compared_and_corrected_together():
    rng = np.random.default_rng(1)
    base = rng.normal(size=12)
    figures = {"a": base, "b": base + 1 + 0.1 * rng.normal(size=12), "c": base + 0.1 * rng.normal(size=12)}
    found = {(c.first, c.second): c for c in compare_repeated(figures)}
    assert set(found) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert found["a", "b"].difference.estimate == pytest.approx(-1, abs=0.1)
    assert found["a", "b"].p_adjusted < 0.001
    assert found["a", "c"].p_adjusted > 0.05
    np.testing.assert_allclose([c.p_adjusted for c in found.values()], holm([c.p for c in found.values()]))


def test_gaps_equal_figures_and_single_repetitions():
    (gap,) = compare_repeated({"a": [1.0, math.nan, 3.0], "b": [0.0, 5.0, 1.0]})
    assert gap.n == 2
    (same,) = compare_repeated({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    assert same.p == 1
    (shifted,) = compare_repeated({"a": [1.0, 2.0], "b": [2.0, 3.0]})
    assert shifted.p == 0
    (one,) = compare_repeated({"a": [1.0], "b": [2.0]})
    assert math.isnan(one.p)
    assert one.difference.estimate == -1
    with pytest.raises(ShapeError):
        compare_repeated({"a": [1.0], "b": [1.0, 2.0]})
