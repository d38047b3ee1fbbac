"""Probabilities: planted distortions are undone, the order is kept, nothing becomes certain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cinchona.models.calibration.probabilities import SUREST, ProbabilityMap, log_odds
from cinchona.models.calibration_error import expected_calibration_error

KINDS = ("platt", "isotonic", "venn-abers")


@pytest.fixture(scope="module")
def distorted():
    """True probabilities, what an overconfident model says, and labels."""
    rng = np.random.default_rng(0)
    true = rng.beta(2, 3, 3000)
    said = 1 / (1 + np.exp(-(3.0 * log_odds(true) + 1.0)))
    return true, said, (rng.random(3000) < true) * 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_error_falls(distorted, kind):
    true, said, labels = distorted
    mapped = ProbabilityMap.fit(said[::2], labels[::2], kind)(said[1::2])
    before, after = (expected_calibration_error(labels[1::2], np.column_stack([p, p])) for p in (said[1::2], mapped))
    assert before > 0.15
    assert after < 0.06
    assert np.abs(mapped - true[1::2]).mean() < 0.06


def test_platt_undoes_a_logistic_distortion(distorted):
    _, said, labels = distorted
    found = ProbabilityMap.fit(said, labels, "platt")
    assert (found.slope, found.shift) == (pytest.approx(1 / 3, abs=0.06), pytest.approx(-1 / 3, abs=0.15))


def test_platt_of_one_score_has_the_targets_of_its_paper_as_far_as_they_are_borne_out():
    # Compounds of the same score: the likeliest constant is the mean of the targets, here of 20 times 21/22 and 10 times 1/12.
    labels = np.array([1.0] * 20 + [0.0] * 10)
    likeliest = (20 * 21 / 22 + 10 / 12) / 30
    gain = 2 * (20 * np.log(likeliest) + 10 * np.log(1 - likeliest) - 30 * np.log(0.5))
    expected = (1 - 2 / gain) * np.log(likeliest / (1 - likeliest))
    found = ProbabilityMap.fit(np.full(30, 0.5), labels, "platt")
    assert log_odds(found(np.array([0.5])))[0] == pytest.approx(expected, abs=1e-3)
    even = ProbabilityMap.fit(np.array([0.5, 0.5]), np.array([0.0, 1.0]), "platt")
    assert even(np.array([0.5]))[0] == pytest.approx(0.5)


def test_a_model_that_is_right_is_changed_no_more_often_than_chance_would():
    """Twice the gain of two parameters that mean nothing is chi-squared: below 2, where nothing changes, in 1 - 1/e of all cases."""
    rng = np.random.default_rng(4)
    kept = 0
    for _ in range(200):
        true = rng.beta(2, 2, 1_000)
        kept += not ProbabilityMap.fit(true, (rng.random(1_000) < true) * 1.0, "platt").changes
    assert kept / 200 == pytest.approx(1 - np.exp(-1), abs=0.09)


def test_venn_abers_of_three_compounds_by_hand():
    # Scores 0.2, 0.5, 0.8 with labels 0, 1, 1. At 0.5: added with 0, the block {1, 0} at 0.5 has mean 1/2; with 1, mean 1.
    found = ProbabilityMap.fit(np.array([0.2, 0.5, 0.8]), np.array([0.0, 1.0, 1.0]), "venn-abers")
    assert found(np.array([0.5]))[0] == pytest.approx(1 / (1 - 1 / 2 + 1))
    # At 0.2: added with 0 the mean is 0; with 1 it is 1/2.
    assert found(np.array([0.2]))[0] == pytest.approx(0.5 / (1 - 0 + 0.5))


@pytest.mark.parametrize("kind", [*KINDS, "none"])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_teaches_nothing(kind, label):
    found = ProbabilityMap.fit(np.linspace(0.1, 0.9, 20), np.full(20, label), kind)
    assert not found.changes
    np.testing.assert_allclose(found(np.array([0.3])), 0.3)


def test_a_model_that_ranks_the_wrong_way_round_keeps_its_order_and_loses_its_claim():
    said = np.linspace(0.05, 0.95, 200)
    found = ProbabilityMap.fit(said, (said < 0.5) * 1.0, "platt")
    mapped = found(said)
    assert (np.diff(mapped) > 0).all()
    np.testing.assert_allclose(mapped, 0.5, atol=0.01)


@given(
    hnp.arrays(float, st.integers(4, 40), elements=st.floats(0, 1)),
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.sampled_from(KINDS),
)
def test_maps_rise_and_stay_within_bounds(probability, flags, kind):
    labels = np.array(flags[: len(probability)], float)
    found = ProbabilityMap.fit(probability, labels, kind)
    grid = found(np.linspace(0, 1, 101))
    assert (np.diff(grid) >= -1e-12).all()
    assert ((grid >= SUREST) & (grid <= 1 - SUREST)).all()
    twin = ProbabilityMap.restore(found.spec(), found.arrays())
    np.testing.assert_array_equal(twin(probability), found(probability))


@pytest.mark.parametrize("spec,arrays", [
    ({"slope": -1.0, "shift": 0.0}, {}), ({"slope": 1.0, "shift": 0.0}, {"knots": np.array([[0.0, 1.0], [1.0, 0.0]])}),
])  # fmt: skip
def test_a_map_that_falls_is_refused(spec, arrays):
    with pytest.raises(ValueError, match="rises"):
        ProbabilityMap.restore(spec, arrays)
