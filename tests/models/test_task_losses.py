"""Weights, groups, bounds and ranking of losses against closed forms and loops."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import log_loss

from cinchona.errors import ConfigError
from cinchona.models.config import TrainingConfig
from cinchona.models.losses import Labels, MaskedLoss
from cinchona.models.task_loss import task_loss

NAN = math.nan
numbers = st.floats(-5, 5, width=32)


@st.composite
def cases(draw, targets=3):
    n = draw(st.integers(1, 6))
    raw = draw(st.lists(st.lists(numbers, min_size=targets, max_size=targets), min_size=n, max_size=n))
    cell = st.one_of(st.just(NAN), numbers)
    values = draw(st.lists(st.lists(cell, min_size=targets, max_size=targets), min_size=n, max_size=n))
    bound = st.sampled_from([-1, 0, 1])
    censor = draw(st.lists(st.lists(bound, min_size=targets, max_size=targets), min_size=n, max_size=n))
    return np.array(raw, np.float32), np.array(values, np.float32), np.array(censor, np.int8)


def loss_of(name, raw, values, censor, **options):
    is_class = torch.zeros(raw.shape[1], dtype=torch.bool)
    loss = MaskedLoss(is_class, name, **options)
    return float(loss(torch.from_numpy(raw), Labels(torch.from_numpy(values), torch.from_numpy(censor))))


def element(name, raw, value, bound):
    gap = float(raw) - float(value)
    if name == "tobit":
        return gap**2 / 2 if bound == 0 else -norm.logcdf(bound * gap)
    if bound * gap > 0:
        return 0.0
    return {"mse": gap**2, "mae": abs(gap), "huber": gap**2 / 2 if abs(gap) < 1 else abs(gap) - 0.5}[name]


@given(cases(), st.sampled_from(["mse", "mae", "huber", "tobit"]))
def test_every_loss_is_the_mean_of_its_closed_form(case, name):
    raw, values, censor = case
    costs = [
        element(name, *cell) for cell in zip(raw.flat, values.flat, censor.flat, strict=True) if not np.isnan(cell[1])
    ]
    want = np.mean(costs) if costs else 0.0
    assert loss_of(name, *case) == pytest.approx(want, rel=1e-4, abs=1e-5)


@given(
    cases(), st.lists(st.floats(0.1, 4), min_size=3, max_size=3), st.lists(st.integers(0, 1), min_size=3, max_size=3)
)
def test_weights_and_groups_against_loops(case, weights, group):
    raw, values, censor = case
    group = np.unique(group, return_inverse=True)[1]
    total = share = 0.0
    for g in set(group.tolist()):
        cost = count = 0.0
        for k in np.flatnonzero(group == g):
            for i in range(len(raw)):
                if not np.isnan(values[i, k]):
                    cost += weights[k] * element("mse", raw[i, k], values[i, k], censor[i, k])
                    count += weights[k]
        if count:
            of_group = np.mean([weights[k] for k in np.flatnonzero(group == g)])
            total, share = total + of_group * cost / count, share + of_group
    options = {"weight": torch.tensor(weights, dtype=torch.float32), "group": torch.from_numpy(group)}
    assert loss_of("mse", *case, **options) == pytest.approx(total / share if share else 0.0, rel=1e-3, abs=1e-4)


@given(cases())
def test_equal_weights_in_one_group_change_nothing(case):
    plain = loss_of("mse", *case)
    assert loss_of("mse", *case, weight=torch.full((3,), 2.5)) == pytest.approx(plain, rel=1e-4, abs=1e-5)


@given(cases())
def test_ranking_is_the_mean_over_pairs_that_are_known_to_be_ordered(case):
    raw, values, censor = case
    low = np.where(censor >= 0, values, -np.inf)
    high = np.where(censor <= 0, values, np.inf)
    costs = [
        math.log1p(math.exp(-(float(raw[i, k]) - float(raw[j, k]))))
        for k, i, j in product(range(3), range(len(raw)), range(len(raw)))
        if not np.isnan(values[i, k]) and not np.isnan(values[j, k]) and low[i, k] > high[j, k]
    ]
    assert loss_of("mse", *case, ranking=1.0) == pytest.approx(np.mean(costs) if costs else 0.0, rel=1e-4, abs=1e-5)


def test_ranking_does_not_look_at_the_level_and_a_constant_costs_log_two():
    values = np.array([[0.0], [1.0], [5.0]], np.float32)
    censor = np.zeros((3, 1), np.int8)
    shifted = [loss_of("mse", values + k, values, censor, ranking=1.0) for k in (0, 100)]
    assert shifted[0] == pytest.approx(shifted[1], rel=1e-5)
    assert loss_of("mse", np.ones((3, 1), np.float32), values, censor, ranking=1.0) == pytest.approx(math.log(2))
    mixed = loss_of("mse", values + 1, values, censor, ranking=0.25)
    assert mixed == pytest.approx(0.75 * 1 + 0.25 * shifted[0], rel=1e-5)


@given(st.lists(st.tuples(numbers, st.booleans()), min_size=2, max_size=20))
def test_classes_cost_what_scikit_learn_says(pairs):
    raw, labels = np.array([[p] for p, _ in pairs], np.float32), np.array([[float(y)] for _, y in pairs], np.float32)
    loss = MaskedLoss(torch.tensor([True]))(
        torch.from_numpy(raw), Labels(torch.from_numpy(labels), torch.zeros(labels.shape, dtype=torch.int8))
    )
    want = log_loss(labels[:, 0], 1 / (1 + np.exp(-raw[:, 0].astype(float))), labels=[0, 1])
    assert float(loss) == pytest.approx(want, rel=1e-4, abs=1e-5)


@given(cases(), st.sampled_from(["mse", "mae", "huber", "tobit"]), st.sampled_from([0.0, 0.5]))
def test_missing_labels_give_no_gradient_and_none_is_ever_nan(case, name, ranking):
    raw, values, censor = (torch.from_numpy(array) for array in case)
    raw.requires_grad_()
    weight, group = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0, 1, 0])
    loss = MaskedLoss(torch.tensor([False, True, False]), name, weight=weight, group=group, ranking=ranking)
    loss(raw, Labels(values, censor)).backward()
    assert bool(torch.isfinite(raw.grad).all())
    assert not raw.grad[torch.isnan(values)].any()


class TestSettings:
    NAMES = ("a", "b", "c")
    REGRESSION = np.zeros(3, bool)

    def made(self, n_auxiliary=0, **training):
        return task_loss(self.NAMES, self.REGRESSION, TrainingConfig(**training), n_auxiliary=n_auxiliary)

    def test_plain_settings_give_the_plain_mean(self):
        loss = self.made()
        assert loss.weight is None
        assert loss.group is None

    def test_targets_outside_of_groups_are_one_group(self):
        loss = self.made(task_groups={"x": ("b",)})
        assert loss.group.tolist() == [1, 0, 1]

    def test_auxiliary_targets_weigh_together_what_they_are_told(self):
        loss = self.made(n_auxiliary=2, auxiliary_weight=0.5, task_weights={"a": 4.0}, task_groups={"x": ("b",)})
        raw = torch.ones(1, 5)
        labels = Labels(torch.zeros(1, 5), torch.zeros(1, 5, dtype=torch.int8))
        assert float(loss(raw, labels)) == pytest.approx(1.0)
        labels = Labels(torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]), torch.zeros(1, 5, dtype=torch.int8))
        assert float(loss(raw, labels)) == pytest.approx(1 / 1.5), "the targets' share is 1 of 1.5"

    @pytest.mark.parametrize("settings,words", [
        ({"task_weights": {"d": 1.0}}, "d is no target"),
        ({"task_groups": {"x": ("a", "d")}}, "d is no target"),
        ({"task_groups": {"x": ("a",), "y": ("a",)}}, "a stands in two groups"),
        ({"task_weights": {"a": -1.0}}, "negative"),
        ({"task_weights": {"a": 0.0, "b": 0.0, "c": 0.0}}, "above 0"),
    ])  # fmt: skip
    def test_impossible_settings_are_refused(self, settings, words):
        with pytest.raises(ConfigError, match=words):
            self.made(**settings)
