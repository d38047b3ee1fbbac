"""Left-out compounds are predicted by the epoch that others chose: what that takes away is the luck of the choice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cinchona.models.cross_stopping import CrossStopping


def loss_on(raw, truth):
    """Mean squared error over some rows; NaN where none has a label."""

    def loss_of(rows):
        error = (raw - truth)[rows]
        known = ~torch.isnan(error)
        return float((error[known] ** 2).mean()) if bool(known.any()) else math.nan

    return loss_of


def followed(epochs, truth, seed=0):
    crossed = CrossStopping.of(len(truth), seed=seed)
    for raw in epochs:
        crossed.see(raw, loss_on(raw, truth))
    return crossed


def test_each_fold_is_predicted_at_the_best_epoch_of_the_others():
    truth, fold = torch.zeros(30, 1), CrossStopping.of(30, seed=0).fold
    assert torch.bincount(fold).tolist() == [3] * 10
    # Epoch k is bad for fold k and right for all others, so just the others would choose it; the last epoch is fair for all.
    epochs = [torch.where((fold == k)[:, None], 3.0, 0.0) for k in range(10)] + [torch.full((30, 1), 0.9)]
    np.testing.assert_array_equal(followed(epochs, truth).told(), np.full((30, 1), 3.0))


def test_the_luck_of_the_choice_is_gone():
    """Epochs of pure noise: the best of fifty looks better than it is on the compounds that chose it, not on the others."""
    draw = torch.Generator().manual_seed(0)
    chosen, honest = [], []
    for trial in range(60):
        truth = torch.zeros(20, 1)
        epochs = torch.randn(50, 20, 1, generator=draw)
        honest.append(float((followed(epochs, truth, seed=trial).told() ** 2).mean()))
        chosen.append(float((epochs**2).mean(dim=(1, 2)).min()))
    assert np.mean(chosen) < 0.6
    assert np.mean(honest) == pytest.approx(1.0, abs=0.12)


def test_where_the_others_have_no_label_all_choose():
    truth = torch.full((30, 1), math.nan)
    truth[CrossStopping.of(30, seed=0).fold == 0] = 0.0
    epochs = [torch.full((30, 1), value) for value in (2.0, 1.0, 3.0)]
    assert set(followed(epochs, truth).told().ravel()) == {1.0}
    assert set(followed(epochs, torch.full((30, 1), math.nan)).told().ravel()) == {3.0}, "without any, the last one"


def test_it_goes_on_where_it_was_interrupted():
    draw = torch.Generator().manual_seed(1)
    truth, epochs = torch.zeros(9, 2), torch.randn(6, 9, 2, generator=draw)
    whole, first = followed(epochs, truth), followed(epochs[:3], truth)
    kept = {name.removeprefix("crossed."): tensor.clone() for name, tensor in first.tensors().items()}
    again = CrossStopping.of(9, seed=0)
    again.restore(**kept)
    for raw in epochs[3:]:
        again.see(raw, loss_on(raw, truth))
    np.testing.assert_array_equal(again.told(), whole.told())
    assert again.losses == whole.losses
