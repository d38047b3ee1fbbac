"""The loss of a training: kinds, weights and groups of its targets, and of auxiliary ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from cinchona.errors import ConfigError
from cinchona.models.config import TrainingConfig
from cinchona.models.losses import MaskedLoss


def task_loss(
    names: Sequence[str], is_class: np.ndarray, training: TrainingConfig, *, n_auxiliary: int = 0
) -> MaskedLoss:
    """The loss that ``training`` describes.

    Args:
        names: Names of the t targets.
        is_class: Whether each is a classification, bool, shape (t,).
        training: Settings.
        n_auxiliary: Regression targets behind them; together they weigh ``training.auxiliary_weight``, all others 1.

    Raises:
        ConfigError: if weights or groups name a target that there is not, a weight is negative, or a target stands in two
            groups.
    """
    _check_known(training.task_weights, names, "training.task_weights")
    for members in training.task_groups.values():
        _check_known(members, names, "training.task_groups")
    weight = np.array([training.task_weights.get(name, 1.0) for name in names])
    if (weight < 0).any() or not weight.any():
        raise ConfigError(
            "weights of targets must not be negative, and one must be above 0", where="training.task_weights",
            expected="0 or more",
        )  # fmt: skip
    group = _groups(names, training)
    plain = not training.task_weights and not training.task_groups and not n_auxiliary
    if n_auxiliary:
        # All groups of targets together weigh 1.
        shares = [weight[group == g].mean() for g in np.unique(group)]
        weight = np.concatenate([weight / np.sum(shares), np.full(n_auxiliary, training.auxiliary_weight)])
        group = np.concatenate([group, np.full(n_auxiliary, group.max() + 1)])
    kinds = np.concatenate([is_class, np.zeros(n_auxiliary, bool)])
    return MaskedLoss(
        torch.from_numpy(kinds),
        training.loss,
        weight=None if plain else torch.from_numpy(weight.astype(np.float32)),
        group=None if plain else torch.from_numpy(group),
        ranking=training.ranking,
    )


def _groups(names: Sequence[str], training: TrainingConfig) -> np.ndarray:
    """Number of each target's group from 0, without gaps; int64, shape (t,)."""
    number: dict[str, int] = {}
    for position, (title, members) in enumerate(training.task_groups.items()):
        for name in members:
            if name in number:
                raise ConfigError(
                    f"{name} stands in two groups",
                    where="training.task_groups",
                    expected=f"one group, {title} or another",
                )
            number[name] = position
    raw = [number.get(name, len(training.task_groups)) for name in names]
    found: np.ndarray = np.unique(raw, return_inverse=True)[1].astype(np.int64)
    return found


def _check_known(asked: Iterable[str], names: Sequence[str], where: str) -> None:
    if unknown := sorted(set(asked) - set(names)):
        raise ConfigError(
            f"{', '.join(unknown)} is no target", where=where, expected=f"names among {', '.join(sorted(names))}"
        )


__all__ = ["task_loss"]
