"""A planted growth of errors is found where it was planted, and chance is not taken for growth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.models.domain.threshold import FEWEST, Threshold, error_threshold, quantile_threshold


def test_a_step_is_found_where_it_is() -> None:
    distance = np.arange(1, 101) / 100
    error = np.where(distance <= 0.7, 1.0, 3.0) + np.tile([0.0, 0.1], 50)
    found = error_threshold(distance, error, seed=1)
    assert found is not None
    assert found.distance == 0.7
    assert (found.error_inside, found.error_outside) == (pytest.approx(1.05), pytest.approx(3.05))
    assert found.share_outside == pytest.approx(0.3)
    assert found.p_value == pytest.approx(1 / 500)
    assert "Beyond a distance of 0.70" in found.meaning


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(45, 150), st.floats(0.55, 0.9))
def test_only_the_order_of_errors_and_rows_counts(seed: int, n: int, at: float) -> None:
    rng = np.random.default_rng(seed)
    distance = rng.random(n).round(2)
    error = rng.random(n) + 2.0 * (distance > np.quantile(distance, at))
    first = error_threshold(distance, error, seed=5)
    huge = error_threshold(distance, error**9, seed=5)
    assert (first is None) == (huge is None)
    if first is None or huge is None:
        return
    assert first.distance == huge.distance
    assert first.distance in distance
    order = rng.permutation(n)
    again = error_threshold(distance[order], error[order], seed=5)
    assert again is not None
    assert again.distance == first.distance
    assert 0.05 - 1 / n <= first.share_outside <= 0.5 + 1 / n


def test_chance_is_rarely_taken_for_growth() -> None:
    rng = np.random.default_rng(11)
    found = sum(error_threshold(rng.random(60), rng.random(60), seed=k) is not None for k in range(120))
    assert found <= 13  # 5 % of 120 are 6; more than 13 comes about once in 400 times


def test_errors_that_shrink_or_stay_equal_or_are_few_give_no_threshold() -> None:
    distance = np.arange(100) / 100
    assert error_threshold(distance, 1 - distance, seed=0) is None
    assert error_threshold(distance, np.ones(100), seed=0) is None
    assert error_threshold(np.ones(100), distance, seed=0) is None
    few = FEWEST - 1
    assert error_threshold(distance[:few], distance[:few], seed=0) is None
    assert error_threshold(distance, np.where(distance < 0.7, np.nan, distance), seed=0) is None


def test_missing_errors_do_not_count() -> None:
    distance = np.arange(1, 201) / 200
    error = np.where(distance <= 0.7, 1.0, 3.0)
    error[::2] = np.nan
    found = error_threshold(distance, error, seed=1)
    assert found is not None
    assert found.n == 100
    assert found.distance == 0.7


def test_quantile_keeps_what_it_says() -> None:
    own = np.arange(1, 101) / 100
    found = quantile_threshold(own)
    assert (own <= found.distance).mean() >= 0.95
    assert found.distance == pytest.approx(0.96)
    assert found.basis == "quantile"
    assert "not known" in found.meaning
    assert quantile_threshold(np.array([0.3])).distance == 0.3


def test_thresholds_survive_json() -> None:
    found = quantile_threshold(np.array([0.1, 0.2, 0.9]))
    assert Threshold.from_json(found.to_json()) == found
