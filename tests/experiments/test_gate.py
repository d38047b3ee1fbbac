"""The gate's arithmetic: known answers, closed forms, and no way around."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.experiments.gate import FEWEST, GateRules, Judged, judge
from cinchona.models.calibration_error import expected_calibration_error, miscalibration_area
from cinchona.records import Direction, Endpoint

RULES = GateRules(samples=300)
Y = Endpoint("y", unit="log M")


def model(name, value, spread=None, endpoints=(Y,)):
    value = np.asarray(value, float).reshape(-1, len(endpoints))
    return Judged(name, endpoints, value, None if spread is None else np.full(value.shape, spread, float))


@pytest.fixture
def labels():
    return np.random.default_rng(1).normal(6, 1, 200)


def noisy(labels, size, seed=2):
    return labels + np.random.default_rng(seed).normal(0, size, len(labels))


def decide(labels, first, second, rules=RULES):
    return judge(labels[:, None], ["y"], first, second, rules=rules)


def check(decision, name):
    return next(c for c in decision.checks if c.check == name)


def test_a_better_model_passes_and_its_numbers_are_told(labels):
    decision = decide(labels, model("new", noisy(labels, 0.3)), model("old", noisy(labels, 0.8, 3)))
    assert decision.passed
    found = check(decision, "rmse")
    assert found.challenger == pytest.approx(0.3, abs=0.05)
    assert found.champion == pytest.approx(0.8, abs=0.1)
    assert found.difference == pytest.approx(found.champion - found.challenger)
    assert 0 < found.lower < found.difference < found.upper
    assert decision.tags()["gate.rmse.y"].startswith("passed, challenger 0.")
    assert decision.table().num_rows == len(decision.checks)


def test_a_worse_model_and_an_equal_one_are_refused(labels):
    good, poor = model("good", noisy(labels, 0.3)), model("poor", noisy(labels, 0.8, 3))
    assert not decide(labels, poor, good).passed
    same = decide(labels, good, good)
    assert not same.passed, "no worse is not better"
    assert check(same, "rmse").difference == 0
    assert "its lower end must be above 0" in same.failures()


def test_a_margin_lets_an_equal_model_pass_but_not_a_worse_one(labels):
    good = model("good", noisy(labels, 0.3))
    rules = GateRules(samples=300, margin=0.05)
    assert decide(labels, good, good, rules).passed
    assert not decide(labels, model("poor", noisy(labels, 0.8, 3)), good, rules).passed


def test_a_better_model_that_is_overconfident_is_refused(labels):
    champion = model("old", noisy(labels, 0.8, 3), 0.8)
    decision = decide(labels, model("new", noisy(labels, 0.3), 0.02), champion)
    assert [c.check for c in decision.checks if not c.passed] == ["calibration"]
    assert decide(labels, model("new", noisy(labels, 0.3), 0.3), champion).passed
    assert not decide(labels, model("new", noisy(labels, 0.3)), champion).passed, "uncertainties may not vanish"
    assert decide(labels, model("new", noisy(labels, 0.3), 0.02), model("old", noisy(labels, 0.8, 3))).passed


def test_rejecting_hard_compounds_does_not_help(labels):
    value = noisy(labels, 0.3)
    value[:20] = np.nan
    decision = decide(labels, model("new", value), model("old", noisy(labels, 0.8, 3)))
    assert [c.check for c in decision.checks if not c.passed] == ["coverage"]


@pytest.mark.parametrize("other", [
    Endpoint("y", unit="nM"), Endpoint("y", unit="log M", direction=Direction.LOWER), Endpoint("z", unit="log M"),
])  # fmt: skip
def test_another_endpoint_is_no_challenger(labels, other):
    decision = decide(labels, model("new", labels, endpoints=(other,)), model("old", noisy(labels, 0.8)))
    assert [c.check for c in decision.checks if not c.passed] == ["endpoints"]


def test_a_handful_of_compounds_proves_nothing(labels):
    few = labels[: FEWEST - 1]
    assert "are needed" in decide(few, model("new", few), model("old", few + 1)).failures()
    assert not decide(few[:0], model("new", few[:0]), model("old", few[:0])).passed


def test_the_second_target_may_not_be_shown_to_be_worse(labels):
    z = Endpoint("z", kind="classification")
    active = (labels > 6).astype(float)
    both = np.column_stack([labels, active])
    good = np.column_stack([noisy(labels, 0.3), np.clip(active * 0.8 + 0.1, 0, 1)])
    old = np.column_stack([noisy(labels, 0.8, 3), good[:, 1]])
    bad = np.column_stack([good[:, 0], np.random.default_rng(5).random(len(labels))])
    ends = (Y, z)
    assert judge(both, ["y", "z"], model("new", good, None, ends), model("old", old, None, ends), rules=RULES).passed
    refused = judge(both, ["y", "z"], model("new", bad, None, ends), model("old", old, None, ends), rules=RULES)
    assert {(c.check, c.target) for c in refused.checks if not c.passed} == {("pr_auc", "z"), ("calibration", "z")}


def test_false_promotions_are_as_rare_as_the_interval_says():
    rng = np.random.default_rng(7)
    passed = 0
    for _ in range(200):
        y = rng.normal(6, 1, 60)
        first, second = (model("m", y + rng.normal(0, 0.5, 60)) for _ in range(2))
        passed += decide(y, first, second, GateRules(samples=200)).passed
    assert passed <= 12, "2.5 % are expected; 12 of 200 is three standard deviations more"


def test_calibration_errors_have_their_closed_forms():
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1, 20_000)
    honest, boastful, meek = (np.column_stack([np.zeros_like(y), np.full_like(y, s)]) for s in (1.0, 1e-9, 1e9))
    assert miscalibration_area(y, honest) < 0.01
    assert miscalibration_area(y, boastful) == pytest.approx(0.5)
    assert miscalibration_area(y, meek) == pytest.approx(0.5)
    p = rng.random(20_000)
    drawn = (rng.random(20_000) < p).astype(float)
    assert expected_calibration_error(drawn, np.column_stack([p, p])) < 0.02
    assert expected_calibration_error(drawn, np.column_stack([np.full_like(p, drawn.mean()), p])) == pytest.approx(
        0, abs=1e-9
    )
    assert expected_calibration_error(np.zeros(50), np.ones((50, 2))) == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations(list(range(30))))
def test_the_order_of_compounds_does_not_change_figures(seed, order):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=30)
    first, second = y + rng.normal(size=30), y + rng.normal(size=30)
    straight = decide(y, model("a", first), model("b", second))
    turned = decide(y[order], model("a", first[order]), model("b", second[order]))
    for one, other in zip(straight.checks, turned.checks, strict=True):
        assert one.difference == pytest.approx(other.difference)
