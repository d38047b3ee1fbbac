"""Predictions of models on fingerprints for compounds that they were not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cinchona.models.classical.blend import BlendScorer, Weighted, compact
from cinchona.models.classical.fitting import kernels_of, learner_of, molecules_of
from cinchona.models.classical.inputs import Basis, Inputs
from cinchona.models.classical.members import Labels, Learner
from cinchona.records import Endpoint


def cross_predict(
    learner: Learner,
    inputs: Inputs,
    labels: Labels,
    folds: np.ndarray,
    *,
    seed: int,
    goes_on: Callable[[], bool] = lambda: True,
) -> np.ndarray:
    """Predict each fold by a model that was fitted to all other compounds.

    Args:
        learner: Fits the models.
        inputs: Features of n compounds.
        labels: Their labels; those without one are neither fitted to nor predicted.
        folds: Fold of each compound, int64, shape (n,); -1 for those that are only fitted to.
        seed: Seed of everything random.
        goes_on: Asked before each fit; the rest stays without prediction once it says no.

    Returns:
        float64, shape (n,); NaN where there is no prediction.
    """
    known = labels.known(np.arange(len(folds)))
    out = np.full(len(folds), np.nan)
    for fold in range(int(folds.max(initial=-1)) + 1):
        fitted, here = known[folds[known] != fold], known[folds[known] == fold]
        if len(fitted) and len(here):
            if not goes_on():
                break
            member = learner.fit(inputs, labels, fitted, seed=seed)
            out[here] = member.predict(inputs.take(here))
    return out


def fit_crossed(  # noqa: PLR0913 - as fit_single, and folds
    name: str,
    smiles: Sequence[str],
    values: np.ndarray,
    *,
    endpoints: Sequence[Endpoint],
    folds: np.ndarray,
    seed: int,
    workers: int | None = None,
) -> tuple[BlendScorer, np.ndarray]:
    """Fit one model of one kind to every target as :func:`~cinchona.models.classical.fitting.fit_single` does, and predict out of fold.

    Features are computed once. The model is the same as without folds.

    Args:
        name: One of :data:`~cinchona.models.classical.fitting.SINGLE_MODELS`.
        smiles: n curated training compounds.
        values: Labels, float64, shape (n, t); NaN where missing.
        endpoints: The t targets.
        folds: Fold of each compound, as :func:`cross_predict` takes them.
        seed: Seed of everything random.
        workers: Threads; they do not change the result.

    Returns:
        The model, and the predictions out of fold, float64, shape (n, t).

    Raises:
        ConfigError: if there is no such model.
        ShapeError: if a compound does not parse.
    """
    learner = learner_of(name, workers)
    molecules = molecules_of(smiles)
    basis = Basis.of(molecules, kernels_of([learner]))
    inputs, rows = Inputs(molecules, basis), np.arange(len(smiles))
    blends, held = [], []
    for column, endpoint in enumerate(endpoints):
        labels = Labels.of(values[:, column], endpoint)
        held.append(cross_predict(learner, inputs, labels, folds, seed=seed))
        member = learner.fit(inputs, labels, labels.known(rows), seed=seed)
        blends.append([Weighted(learner.name, member, 1.0)])
    return compact(blends, basis, endpoints), np.column_stack(held)


__all__ = ["cross_predict", "fit_crossed"]
