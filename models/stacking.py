"""Weights of a blend from out-of-fold predictions, and an honest estimate of what the blend will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.optimize import minimize

from cinchona.models.classical.blend import blended
from cinchona.models.classical.members import Task, logistic
from cinchona.models.classical.sureness import as_they_are, fit_scales, log_odds, rescaled

SHRINKAGE: Final[Mapping[Task, float]] = MappingProxyType({"regression": 0.1, "classification": 0.02})
"""Pull of the weights, as a share of the variance of the labels (regression) or in nats (classification): in a regression to shares that go by how
good each member is alone, of a class to equal ones; there it is enough to share weight between members that say the same, too little to keep a poor one."""
_SHARPNESS: Final = 32
"""Power of the mean squared error in those shares: a member whose error is 2 % larger (4 % squared) gets a quarter of the share."""
LEAST: Final = 0.03
"""Weights below this are dropped, so that a model does not carry members that hardly count."""


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """How k members become one prediction."""

    weights: np.ndarray
    """Share of each, float64, shape (k,), sum 1."""
    scales: np.ndarray
    """Slope and shift of the log-odds of each, float64, shape (k, 2); 1 and 0 in a regression."""
    task: Task
    """Regression or classification."""

    @classmethod
    def of(cls, held_out: np.ndarray, labels: np.ndarray, *, task: Task) -> Recipe:
        """Set right how sure each member is, then weigh them, both from predictions out of fold.

        Args:
            held_out: Predictions for compounds that the member was not fitted on, float64, shape (n, k).
            labels: float64, shape (n,).
            task: Regression or classification.
        """
        scales = fit_scales(held_out, labels) if task == "classification" else as_they_are(held_out.shape[1])
        return cls(blend_weights(rescaled(held_out, scales), labels, task=task), scales, task)

    def of_all(self, parts: np.ndarray) -> np.ndarray:
        """The blend of k predictions each, float64, shape (n,), from shape (n, k)."""
        return blended(rescaled(parts, self.scales), self.weights, task=self.task)


def blend_weights(held_out: np.ndarray, labels: np.ndarray, *, task: Task) -> np.ndarray:
    r"""Shares of k members that predict best together what none of them has seen.

    Regression minimizes :math:`\frac{1}{n \operatorname{var} y}\lVert P w - y \rVert^2 + \lambda \lVert w - p \rVert^2`, where
    :math:`p_i \propto e_i^{-32}` and :math:`e_i` is the mean squared error of member i alone. Classification minimizes the
    cross-entropy of the weighted log-odds with a pull to :math:`p_i = \frac1k`. Both over :math:`w \ge 0, \sum w = 1`: a blend can not leave
    the range of its members, whatever the data.

    Args:
        held_out: Predictions for compounds that the member was not fitted on, float64, shape (n, k).
        labels: float64, shape (n,).
        task: Regression or classification.

    Returns:
        float64, shape (k,), at least 0, sum 1; those below :data:`LEAST` are 0.

    References:
        Wolpert, Neural Networks 1992, 5, 241; Breiman, Machine Learning 1996, 24, 49; van der Laan et al., Super Learner,
        2007, https://doi.org/10.2202/1544-6115.1309
    """
    k = held_out.shape[1]
    if k == 1:
        return np.ones(1)
    regression = task == "regression"
    loss = _square_loss(held_out, labels) if regression else _cross_entropy(held_out, labels)
    goal = _by_error(held_out, labels) if regression else np.full(k, 1 / k)
    weights = _on_simplex(loss, goal, pull=SHRINKAGE[task])
    weights = np.where(weights < LEAST, 0.0, weights)
    shares: np.ndarray = weights / weights.sum()
    return shares


class _square_loss:  # noqa: N801 - a function with a memory
    """Mean squared error over the variance of the labels, as a quadratic form of the weights."""

    def __init__(self, held_out: np.ndarray, labels: np.ndarray) -> None:
        scale = float(labels.var()) or 1.0
        errors = held_out - labels[:, None]
        self.form = errors.T @ errors / (len(labels) * scale)

    def __call__(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        half = self.form @ weights
        return float(weights @ half), 2 * half


class _cross_entropy:  # noqa: N801
    """Mean cross-entropy of the weighted log-odds."""

    def __init__(self, held_out: np.ndarray, labels: np.ndarray) -> None:
        self.odds, self.labels = log_odds(held_out), labels

    def __call__(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        raw = self.odds @ weights
        value = float(np.mean(np.logaddexp(0, raw) - self.labels * raw))
        return value, self.odds.T @ (logistic(raw) - self.labels) / len(raw)


def _by_error(held_out: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Shares of k members by how good each is alone, float64, shape (k,), sum 1."""
    errors = np.mean((held_out - labels[:, None]) ** 2, axis=0)
    shares = np.divide(errors.min(), errors, out=np.ones_like(errors), where=errors > 0) ** _SHARPNESS
    goal: np.ndarray = shares / shares.sum()
    return goal


def _on_simplex(loss: _square_loss | _cross_entropy, goal: np.ndarray, *, pull: float) -> np.ndarray:
    """Weights of least loss, drawn to ``goal``, float64, shape (k,), at least 0, sum 1."""
    k = len(goal)

    def pulled(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = loss(weights)
        away = weights - goal
        return value + pull * float(away @ away), slope + 2 * pull * away

    found = minimize(
        pulled, np.full(k, 1 / k), jac=True, method="SLSQP", bounds=[(0.0, 1.0)] * k, options={"maxiter": 200, "ftol": 1e-9},
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
    )  # fmt: skip
    weights = np.clip(found.x if found.success else goal, 0.0, None)
    total: np.ndarray = weights / weights.sum()
    return total


def nested_blend(held_out: np.ndarray, labels: np.ndarray, folds: np.ndarray, *, task: Task) -> np.ndarray:
    """Predictions of a blend whose weights, too, have not seen the compound.

    For each fold the weights, and the scales of a class, come from the other folds' out-of-fold predictions.

    Args:
        held_out: Out-of-fold predictions of k members, float64, shape (n, k).
        labels: float64, shape (n,).
        folds: Fold of each row, int64, shape (n,).
        task: Regression or classification.

    Returns:
        float64, shape (n,).
    """
    out = np.empty(len(labels))
    for fold in np.unique(folds):
        here = folds == fold
        out[here] = Recipe.of(held_out[~here], labels[~here], task=task).of_all(held_out[here])
    return out


def earning(
    held_out: np.ndarray, labels: np.ndarray, folds: np.ndarray, *, task: Task, costly: Sequence[bool]
) -> np.ndarray:
    """Which members may stay: a costly one has to make the blend better, by weights that have not seen the compound.

    The last costly member is asked first. Better is a smaller mean squared error, or cross-entropy of a class.

    Args:
        held_out: Out-of-fold predictions of k members, float64, shape (n, k).
        labels: float64, shape (n,).
        folds: Fold of each row, int64, shape (n,).
        task: Regression or classification.
        costly: Whether each member has to earn its place, length k.

    Returns:
        bool, shape (k,), with at least one member.
    """
    kept = np.ones(held_out.shape[1], bool)
    for member in np.flatnonzero(costly)[::-1]:
        without = kept & (np.arange(len(kept)) != member)
        if not without.any():
            continue
        losses = [
            _mean_loss(nested_blend(held_out[:, some], labels, folds, task=task), labels, task)
            for some in (kept, without)
        ]
        if losses[0] >= losses[1]:
            kept = without
    return kept


def _mean_loss(guess: np.ndarray, labels: np.ndarray, task: Task) -> float:
    if task == "regression":
        return float(np.mean((guess - labels) ** 2))
    odds = log_odds(guess)
    return float(np.mean(np.logaddexp(0, odds) - labels * odds))


__all__ = ["blend_weights", "earning", "LEAST", "nested_blend", "Recipe", "SHRINKAGE"]
