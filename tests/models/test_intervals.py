"""Bootstrap intervals: repeatable, of the right width, and covering what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from cinchona.models.intervals import Interval, bootstrap, mean_interval, paired_bootstrap
from cinchona.models.metrics import mae, rmse, spearman
from cinchona.models.ranking import roc_auc


def mean_error(labels: np.ndarray, guesses: np.ndarray) -> float:
    return float((guesses - labels).mean())


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_width_is_that_of_the_normal_theory(method):
    errors = np.random.default_rng(1).normal(0.3, 2.0, 400)
    found = bootstrap(mean_error, np.zeros(400), errors, seed=0, samples=4000, method=method)
    half = 1.96 * errors.std() / 20
    assert found.estimate == pytest.approx(errors.mean())
    assert found.lower == pytest.approx(errors.mean() - half, abs=0.02)
    assert found.upper == pytest.approx(errors.mean() + half, abs=0.02)
    assert found.level == 0.95


def test_seed_decides():
    rng = np.random.default_rng(2)
    labels, guesses = rng.normal(size=50), rng.normal(size=50)
    one, again, other = (bootstrap(rmse, labels, guesses, seed=seed, samples=200) for seed in (5, 5, 6))
    assert one == again
    assert one != other


@pytest.mark.parametrize(("method", "least"), [("percentile", 0.84), ("bca", 0.85)])
def test_intervals_cover_the_truth(method, least):
    """Standard deviation of 40 normal numbers, a skewed figure: nominal 95 %, and the bootstrap falls a little short."""
    rng, hits = np.random.default_rng(3), 0
    for seed in range(100):
        errors = rng.normal(size=40)
        found = bootstrap(rmse, np.zeros(40), errors, seed=seed, samples=200, method=method)
        hits += found.lower <= 1.0 <= found.upper
    assert least <= hits / 100 <= 1.0


def test_classes_are_drawn_apart_so_that_no_sample_lacks_one():
    labels = np.r_[np.ones(2), np.zeros(60)]
    scores = np.random.default_rng(0).random(62)
    found = bootstrap(roc_auc, labels, scores, seed=0, samples=300)
    assert 0 <= found.lower <= found.estimate <= found.upper <= 1


def test_samples_on_which_a_metric_is_not_defined_are_left_out():
    labels, guesses = np.array([1.5, 2.0, 3.0]), np.array([1.0, 2.0, 3.5])
    found = bootstrap(spearman, labels, guesses, seed=0, samples=200)
    assert np.isfinite([found.lower, found.upper]).all()
    with pytest.raises(ValueError, match="not defined"):
        bootstrap(spearman, np.ones(3), guesses, seed=0)


def test_bca_of_a_constant_figure_is_that_figure():
    found = bootstrap(mae, np.zeros(10), np.ones(10), seed=0, samples=50, method="bca")
    assert (found.estimate, found.lower, found.upper) == (1, 1, 1)


def test_pairs_are_drawn_together():
    rng = np.random.default_rng(4)
    labels = rng.normal(size=200)
    first = labels + rng.normal(size=200)
    found = paired_bootstrap(rmse, labels, first, first + 1e-3, seed=0, samples=300)
    apart = bootstrap(rmse, labels, first, seed=0, samples=300)
    assert found.upper - found.lower < 0.02 * (apart.upper - apart.lower)
    better = paired_bootstrap(rmse, labels, first, first * 3, seed=0, samples=300)
    assert better.upper < 0


def test_mean_of_repetitions_by_students_t():
    # Student 1908: extra hours of sleep; the 95 % interval of the mean difference, from R's t.test(sleep paired).
    extra = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    found = mean_interval(extra)
    assert (found.estimate, found.lower, found.upper) == pytest.approx((1.58, 0.7001142, 2.4598858))
    assert np.isnan(mean_interval(np.array([1.0])).lower)


def test_intervals_read_well():
    assert str(Interval(0.68, 0.61, 0.75)) == "0.680 [0.610, 0.750]"
