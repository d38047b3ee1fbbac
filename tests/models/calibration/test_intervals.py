"""Intervals and sets: they cover what they promise, survive saving, and leave alone what they know nothing of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from cinchona.errors import ConfigError
from cinchona.models.calibration.config import CalibrationConfig
from cinchona.models.calibration.held_out import HeldOut, as_said_by_all, shrinkage
from cinchona.models.calibration.intervals import ConformalIntervals
from cinchona.models.calibration.probabilities import ProbabilityMap
from cinchona.models.predictions import Predictions
from cinchona.records import Endpoint

ENDPOINTS = (Endpoint("pIC50"), Endpoint("active", kind="classification"))


def drawn(n, seed):
    """Labels, predictions, spreads and distances of a noisy measured endpoint and a class, both with two columns."""
    rng = np.random.default_rng(seed)
    spread, distance = rng.uniform(0.2, 1.0, (n, 2)), rng.uniform(0, 1, n)
    value = np.column_stack([rng.normal(6, 1, n), rng.beta(0.8, 1.2, n)])
    noise = rng.normal(size=n) * np.sqrt(spread[:, 0] ** 2 + distance**2)
    truth = np.column_stack([value[:, 0] + noise, rng.random(n) < value[:, 1]]).astype(float)
    return truth, value, spread, distance


def fitted(n=500, seed=0, *, with_distance=True, **config):
    truth, value, spread, distance = drawn(n, seed)
    held = HeldOut(np.arange(n), np.zeros(n, int), value, spread, None, distance if with_distance else None, "drawn")
    return ConformalIntervals.fit(held, truth, endpoints=ENDPOINTS, config=CalibrationConfig(**config))


def found(value, spread=None):
    return Predictions(np.ones(len(value), bool), value, spread)


@pytest.mark.parametrize("intervals", ["normalised", "split", "mondrian"])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_new_compounds_are_covered(intervals, level):
    part = fitted(4000, intervals=intervals, level=level)
    truth, value, spread, distance = drawn(20_000, 1)
    judged = part.judge(found(value, spread), distance)
    inside = (judged.lower <= truth) & (truth <= judged.upper)
    assert inside[:, 0].mean() == pytest.approx(level, abs=0.02)
    for label in (0, 1) if intervals != "split" else ():
        assert inside[truth[:, 1] == label, 1].mean() > level - 0.025, "each class by itself"
    assert inside[:, 1].mean() > level - 0.02


def test_intervals_follow_difficulty_where_a_constant_width_fails():
    truth, value, spread, distance = drawn(20_000, 1)
    hard = spread[:, 0] ** 2 + distance**2 > 1.2
    told = {}
    for intervals in ("normalised", "split"):
        judged = fitted(4000, intervals=intervals).judge(found(value, spread), distance)
        told[intervals] = (judged.lower[:, 0] <= truth[:, 0]) & (truth[:, 0] <= judged.upper[:, 0])
    assert told["normalised"][hard].mean() == pytest.approx(0.9, abs=0.03)
    assert told["split"][hard].mean() < 0.82


def test_standard_deviations_mean_what_they_say():
    truth, value, spread, distance = drawn(20_000, 1)
    judged = fitted(4000).judge(found(value, spread), distance)
    standardized = (truth - judged.value)[:, 0] / judged.uncertainty[:, 0]
    assert np.sqrt((standardized**2).mean()) == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(judged.uncertainty[:, 1], spread[:, 1])


def test_sets_stand_in_the_ends_of_the_interval():
    part = fitted(4000)
    _, value, spread, distance = drawn(3000, 2)
    judged = part.judge(found(value, spread), distance)
    p, lower, upper = judged.value[:, 1], judged.lower[:, 1], judged.upper[:, 1]
    assert ((lower <= p) & (p <= upper)).all()
    assert set(np.unique(lower[lower != p])) == {0.0}
    assert set(np.unique(upper[upper != p])) == {1.0}
    assert ((lower == 0) | (upper == 1)).all(), "no set is empty"
    assert 0 < ((lower == 0) & (upper == 1)).mean() < 1
    order = np.argsort(p)
    assert (np.diff(lower[order] > 0).astype(int).sum(), np.diff(upper[order] == 1).astype(int).sum()) == (1, 1)


def test_levels_are_nested_and_only_those_kept_are_given():
    part = fitted()
    _, value, spread, distance = drawn(100, 3)
    widths = [
        np.ptp([j.lower, j.upper], axis=0)
        for level in (0.5, 0.8, 0.9)
        for j in [part.at_level(level).judge(found(value, spread), distance)]
    ]
    assert (widths[0] <= widths[1]).all()
    assert (widths[1] <= widths[2]).all()
    with pytest.raises(ConfigError, match=r"0\.87"):
        part.at_level(0.87)
    assert fitted(level=0.87).level == 0.87


def test_too_few_labels_give_no_interval_and_no_promise():
    truth, value, spread, distance = drawn(40, 0)
    truth[5:, 1] = np.nan
    held = HeldOut(np.arange(40), np.zeros(40, int), value, spread, None, distance)
    part = ConformalIntervals.fit(held, truth, endpoints=ENDPOINTS, config=CalibrationConfig(level=0.99))
    judged = part.judge(found(value, spread), distance)
    assert (judged.lower == [-np.inf, 0.0]).all(), "40 compounds promise nothing at 99 %, 5 nothing at all"
    assert (judged.upper == [np.inf, 1.0]).all()
    np.testing.assert_array_equal(judged.value, value)
    assert np.isfinite(part.at_level(0.9).judge(found(value, spread), distance).lower[:, 0]).all()
    truth[5:] = np.nan
    assert ConformalIntervals.fit(held, truth, endpoints=ENDPOINTS, config=CalibrationConfig()) is None
    assert fitted(intervals="none") is None


@pytest.mark.parametrize("config", [{}, {"intervals": "mondrian", "spread": "isotonic", "probabilities": "venn-abers"},
                                    {"spread": "scale", "probabilities": "isotonic"}])  # fmt: skip
def test_restored_intervals_give_the_same_bits(config):
    part = fitted(**config)
    twin = ConformalIntervals.restore(part.spec(), part.arrays(), ENDPOINTS)
    _, value, spread, distance = drawn(50, 4)
    one, other = (each.judge(found(value, spread), distance) for each in (part, twin))
    for name in ("value", "uncertainty", "lower", "upper"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(part.calibrated(value), one.value)
    alone = twin.judge(found(value[7:8], spread[7:8]), distance[7:8])
    np.testing.assert_array_equal(alone.lower, one.lower[7:8])


@pytest.mark.parametrize("harm", ["endpoints", "level", "quantiles"])
def test_intervals_of_another_model_are_refused(harm):
    part = fitted()
    spec, arrays = part.spec(), part.arrays()
    endpoints = ENDPOINTS[:1] if harm == "endpoints" else ENDPOINTS
    spec = spec | {"level": 0.87} if harm == "level" else spec
    if harm == "quantiles":
        arrays["0.quantiles"] = arrays["0.quantiles"][:, :-1]
    with pytest.raises(ValueError, match=r"endpoints|level"):
        ConformalIntervals.restore(spec, arrays, endpoints)


def test_errors_of_few_networks_shrink_to_those_of_all():
    rng = np.random.default_rng(5)
    shared, own = rng.normal(size=40_000), rng.normal(size=(4, 40_000)) * 0.8
    few, every = shared + own[:2].mean(axis=0), shared + own.mean(axis=0)
    factor = shrinkage(few, own[:2].var(axis=0, ddof=1), left_out=np.full(40_000, 2), members=4)
    assert np.sqrt((few**2).mean()) * factor == pytest.approx(np.sqrt((every**2).mean()), rel=0.02)
    assert factor == pytest.approx(np.sqrt((1 + 0.64 / 4) / (1 + 0.64 / 2)), rel=0.02)
    assert shrinkage(few, np.full(40_000, np.nan), left_out=np.ones(40_000), members=4) == 1.0


@pytest.mark.parametrize(("between", "left_out"), [(0.5, 2), (4.0, 2), (4.0, 1)])
def test_log_odds_of_few_networks_become_those_of_all(between: float, left_out: int) -> None:
    """Where the mean of four networks is right about probabilities, what two of them said teaches to believe it, not to doubt it."""
    rng = np.random.default_rng(8)
    compounds, n = rng.normal(0.5, 2.0, 60_000), 60_000
    networks = compounds + rng.normal(0, np.sqrt(between), (4, n))
    labels = (rng.random(n) < expit(networks.mean(axis=0))).astype(float)
    few = networks[:left_out].mean(axis=0)
    variance = networks[:2].var(axis=0, ddof=1)
    said = as_said_by_all(few, variance, left_out=np.full(n, left_out), members=4)
    before, after = (ProbabilityMap.fit(expit(odds), labels, "platt").slope for odds in (few, said))
    assert after == pytest.approx(1.0, abs=0.04)
    assert before < after - 0.03
    np.testing.assert_array_equal(as_said_by_all(few, np.full(n, np.nan), left_out=np.ones(n), members=4), few)
    np.testing.assert_array_equal(as_said_by_all(few, variance, left_out=np.full(n, 1), members=1), few)
