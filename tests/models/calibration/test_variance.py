"""Standard deviations: what was planted is found again, and nothing is made up."""

from __future__ import annotations

import numpy as np
import pytest

from cinchona.models.calibration.variance import VarianceModel


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(1)
    spread, distance = rng.uniform(0.1, 1.0, 6000), rng.uniform(0.0, 1.0, 6000)
    true = np.sqrt(0.04 + 2.0 * spread**2 + 0.5 * distance**2)
    return rng.normal(size=6000) * true, spread, distance, true


def test_planted_weights_are_recovered(planted):
    errors, spread, distance, true = planted
    model = VarianceModel.fit(errors, spread, distance, "variance")
    assert (model.own, model.far) == (pytest.approx(2.0, rel=0.12), pytest.approx(0.5, rel=0.3))
    np.testing.assert_allclose(model.sigma(spread, distance, len(true)), true, rtol=0.1)


def test_a_spread_that_says_nothing_gets_no_weight(planted):
    _, spread, _, _ = planted
    errors = np.random.default_rng(2).normal(size=len(spread)) * 0.7
    model = VarianceModel.fit(errors, spread, None, "variance")
    assert model.sigma(spread, None, len(spread)).std() < 0.03
    assert model.sigma(spread, None, len(spread)).mean() == pytest.approx(0.7, rel=0.05)


def test_scale_is_the_root_mean_square_of_standardized_errors(planted):
    _, spread, _, _ = planted
    errors = 3 * spread * np.where(np.arange(len(spread)) % 2, 1, -1)
    model = VarianceModel.fit(errors, spread, None, "scale")
    np.testing.assert_allclose(model.sigma(spread, None, len(spread)), 3 * spread, rtol=1e-3)


def test_isotonic_follows_any_rising_function(planted):
    _, spread, _, _ = planted
    true = np.where(spread > 0.6, 2.0, 0.5)
    errors = np.random.default_rng(3).normal(size=len(spread)) * true
    model = VarianceModel.fit(errors, spread, None, "isotonic")
    twin = VarianceModel.restore(model.spec(), model.arrays())
    sigma = twin.sigma(np.array([0.3, 0.9]), None, 2)
    np.testing.assert_allclose(sigma, [0.5, 2.0], rtol=0.15)
    assert (np.diff(twin.sigma(np.linspace(0, 2, 500), None, 500)) >= 0).all()


@pytest.mark.parametrize("kind", ["variance", "scale", "isotonic"])
@pytest.mark.parametrize("spread", [None, np.zeros(200)])
def test_without_a_spread_one_width_is_left(kind, spread):
    errors = np.random.default_rng(4).normal(size=200)
    model = VarianceModel.fit(errors, spread, None, kind)
    np.testing.assert_allclose(model.sigma(spread, None, 200), np.sqrt((errors**2).mean()))


@pytest.mark.parametrize("errors", [np.zeros(50), np.zeros(0), np.full(50, 1e-200)])
def test_no_error_gives_no_zero(errors):
    sigma = VarianceModel.fit(errors, None, None, "variance").sigma(None, None, 3)
    assert (sigma > 0).all()
    assert np.isfinite(sigma).all()


@pytest.mark.parametrize("wrong", [{"constant": 0.0}, {"own": -1.0}, {"far": float("nan")}])
def test_a_variance_that_could_vanish_is_refused(wrong):
    with pytest.raises(ValueError, match="variance"):
        VarianceModel.restore({"constant": 1.0, "own": 0.0, "far": 0.0, **wrong}, {})
