"""Losses and scaling against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinchona.datasets.labels import TargetColumn
from cinchona.errors import NoUsableRowsError
from cinchona.models.losses import Labels, MaskedLoss
from cinchona.models.scaling import TargetScaling

NAN = math.nan


def labels(values, censor=None) -> Labels:
    tensor = torch.tensor(values, dtype=torch.float32)
    bounds = torch.zeros(tensor.shape, dtype=torch.int8) if censor is None else torch.tensor(censor, dtype=torch.int8)
    return Labels(tensor, bounds)


def test_missing_labels_count_for_nothing():
    raw = torch.tensor([[1.0, 9.0], [3.0, -2.0], [5.0, 7.0]], requires_grad=True)
    loss = MaskedLoss(torch.tensor([False, False]))(raw, labels([[2.0, NAN], [NAN, 0.0], [5.5, NAN]]))
    assert float(loss.detach()) == pytest.approx((1.0 + 4.0 + 0.25) / 3)
    loss.backward()
    np.testing.assert_allclose(raw.grad, [[-2 / 3, 0], [0, -4 / 3], [-1 / 3, 0]], rtol=1e-6)


def test_without_any_label_the_loss_is_zero_and_so_is_the_gradient():
    raw = torch.ones(2, 1, requires_grad=True)
    loss = MaskedLoss(torch.tensor([False]))(raw, labels([[NAN], [NAN]]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert raw.grad.abs().sum() == 0


@pytest.mark.parametrize(
    ("name", "cost"),
    [("mse", lambda d: d * d), ("mae", abs), ("huber", lambda d: d * d / 2 if abs(d) < 1 else abs(d) - 0.5)],
)
def test_bounds_cost_only_beyond_them(name, cost):
    raw = torch.tensor([[4.0], [6.0], [4.0], [6.0], [5.4]])
    censor = [[-1], [-1], [1], [1], [0]]
    loss = MaskedLoss(torch.tensor([False]), name)(raw, labels([[5.0]] * 5, censor))
    assert float(loss) == pytest.approx((0 + cost(1) + cost(-1) + 0 + cost(0.4)) / 5, rel=1e-5)


def test_classification_is_cross_entropy():
    raw = torch.tensor([[0.3], [-1.2], [800.0], [-800.0]])
    loss = MaskedLoss(torch.tensor([True]))(raw, labels([[1.0], [0.0], [1.0], [0.0]]))
    want = (math.log(1 + math.exp(-0.3)) + math.log(1 + math.exp(-1.2))) / 4
    assert float(loss) == pytest.approx(want, rel=1e-5)


def test_kinds_mix_by_column():
    raw = torch.tensor([[0.0, 2.0]])
    loss = MaskedLoss(torch.tensor([True, False]))(raw, labels([[1.0, 5.0]]))
    assert float(loss) == pytest.approx((math.log(2) + 9) / 2)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30).filter(lambda v: np.std(v) > 1e-3))
def test_scaling_goes_there_and_back(column):
    values = np.array(column)[:, None]
    scaling = TargetScaling.fit(values, [TargetColumn("y", "", "regression")])
    scaled = scaling.to_scaled(values)
    assert float(scaled.mean()) == pytest.approx(0, abs=1e-3)
    assert float(scaled.std()) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(scaling.to_natural(scaled), values, atol=1e-5 * max(1, np.abs(values).max()))


def test_classes_are_not_scaled_and_flat_targets_survive():
    targets = [TargetColumn("active", "", "classification"), TargetColumn("flat", "", "regression")]
    values = np.array([[1.0, 4.0], [0.0, 4.0], [NAN, 4.0]])
    scaling = TargetScaling.fit(values, targets)
    np.testing.assert_array_equal(scaling.to_scaled(values), np.array([[1, 0], [0, 0], [NAN, 0]], np.float32))
    natural = scaling.to_natural(np.array([[0.0, 0.5], [1e4, 0.0], [-1e4, 0.0]]))
    np.testing.assert_allclose(natural, [[0.5, 4.5], [1, 4], [0, 4]])


def test_a_target_without_labels_is_named():
    with pytest.raises(NoUsableRowsError, match="'y' has no label"):
        TargetScaling.fit(np.array([[NAN]]), [TargetColumn("y", "", "regression")])
