"""From out-of-fold predictions to weights, and a table that says why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from cinchona.models.classical.members import Labels, Task
from cinchona.models.classical.sureness import as_they_are
from cinchona.models.intervals import Interval, paired_bootstrap
from cinchona.models.metrics import METRICS, Metric
from cinchona.models.stacking import Recipe, earning, nested_blend

BLEND: Final = "blend"
"""Name of the weighted blend in the table."""
_SAMPLES: Final = 500
_FEWEST: Final = 10
"""Labels below which members are weighted alike: with fewer, differences are chance."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of one model for one target."""

    target: str
    """Name of the target."""
    model: str
    """Name of the model; :data:`BLEND` for all together."""
    metric: str
    """Key in :data:`~cinchona.models.metrics.METRICS`."""
    estimate: float
    """Figure over compounds that were held out; NaN where there is none. Weights of the blend are held out too."""
    weight: float
    """Share in the model that was trained, 0 to 1."""
    seconds: float
    """Time of its cross-validation."""
    why: str
    """Why it has this weight."""

    def to_json(self) -> dict[str, Any]:
        """The record as plain data; what is not a number becomes null."""
        estimate = self.estimate if math.isfinite(self.estimate) else None
        return {
            "target": self.target, "model": self.model, "metric": self.metric, "estimate": estimate,
            "weight": round(self.weight, 4), "seconds": round(self.seconds, 2), "why": self.why,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Weights for one target and the reasons."""

    weights: np.ndarray
    """Share of each of the k models, float64, shape (k,), sum 1."""
    choices: tuple[Choice, ...]
    """One row for each model, then one for the blend."""
    scales: np.ndarray
    """Slope and shift of the log-odds of each, float64, shape (k, 2); 1 and 0 in a regression."""
    weighed: np.ndarray
    """Which models the weights were worked out for, bool, shape (k,); all but the costly ones that do not help."""

    def timed(self, seconds: Sequence[float]) -> Decision:
        """With the seconds of each model, in order."""
        times = [*seconds, sum(seconds)]
        return replace(
            self, choices=tuple(replace(row, seconds=t) for row, t in zip(self.choices, times, strict=False))
        )

    def without(self, weighed: np.ndarray) -> Decision:
        """Say of the models that are not ``weighed`` that the blend is no better with them."""
        rows = [
            row if row.model == BLEND or kept or row.weight > 0 else replace(row, why="the blend is no better with it")
            for row, kept in zip(self.choices, [*weighed, True], strict=True)
        ]
        return replace(self, choices=tuple(rows), weighed=weighed)

    def joined(self, more: Sequence[Choice]) -> Decision:
        """With further rows."""
        return replace(self, choices=(*self.choices, *more))


def decide(  # noqa: PLR0913 - predictions, and what is to be said of them
    held_out: np.ndarray,
    labels: Labels,
    folds: np.ndarray,
    *,
    names: Sequence[str],
    target: str,
    seed: int,
    costly: Sequence[bool] = (),
    judge: str = "auto",
) -> Decision:
    """Choose a single model or a blend.

    The blend is taken unless a single model is better beyond chance: the best of many is partly the luckiest. Both are judged by predictions that neither members
    nor weights had a part in. Regression goes by RMSE, classification by ROC AUC; there a single model must have the larger average precision as well,
    which looks at the top of the list where ROC AUC looks at all of it.

    Args:
        held_out: Out-of-fold predictions of k models, float64, shape (n, k); NaN where none.
        labels: Labels of all compounds.
        folds: Fold of each compound, int64, shape (n,).
        names: Names of the models.
        target: Name of the target.
        seed: Seed of the bootstrap.
        costly: Whether each model has to earn its place by making the blend better; none by default.
        judge: Key in :data:`~cinchona.models.metrics.METRICS` of the metric to go by alone; ``auto``, or one of the other kind of target: as said above.
    """
    metric, both = judging_metric(judge, labels.task)
    rows = np.flatnonzero(np.isfinite(held_out).all(axis=1) & ~np.isnan(labels.values))
    truth, guesses = labels.values[rows], held_out[rows]
    k = len(names)
    if k == 1 or len(rows) < _FEWEST or len(np.unique(truth)) < 2:
        why = "the only model" if k == 1 else f"weighted alike: {len(rows)} held-out labels cannot tell models apart"
        return _plain(truth, guesses, np.full(k, 1 / k), metric, names=names, target=target, why=why)
    parts = _halves(folds[rows], seed)
    weighed = earning(guesses, truth, parts, task=labels.task, costly=costly or [False] * k)
    recipe, weights = Recipe.of(guesses[:, weighed], truth, task=labels.task), np.zeros(k)
    scales = Recipe.of(guesses, truth, task=labels.task).scales
    weights[weighed] = recipe.weights
    together = nested_blend(guesses[:, weighed], truth, parts, task=labels.task)
    # Each alone as it would be used: its sureness, too, set right by other folds, or it would be judged by another measure.
    alone = np.column_stack([nested_blend(guesses[:, [i]], truth, parts, task=labels.task) for i in range(k)])
    found = _compared(truth, alone, together, weights, metric=metric, names=names, target=target, seed=seed, both=both)
    return replace(found, scales=scales).without(weighed)


def judging_metric(judge: str, task: Task) -> tuple[Metric, bool]:
    """The metric that was named if targets like this have it, else RMSE or ROC AUC; and whether average precision has to agree."""
    named = METRICS.get(judge)
    if named is not None and named.kind == task:
        return named, False
    return METRICS["rmse" if task == "regression" else "roc_auc"], task == "classification"


def _halves(folds: np.ndarray, seed: int) -> np.ndarray:
    """The folds, or two halves of a single held-out part."""
    if len(np.unique(folds)) > 1:
        return folds
    found: np.ndarray = np.random.default_rng(seed).permutation(len(folds)) % 2
    return found


def _plain(  # noqa: PLR0913
    truth: np.ndarray, guesses: np.ndarray, weights: np.ndarray, metric: Metric, *, names: Sequence[str], target: str, why: str
) -> Decision:  # fmt: skip
    rows = [
        Choice(target, name, metric.name, _figure(metric, truth, guesses[:, i]), float(weights[i]), 0.0, why)
        for i, name in enumerate(names)
    ]
    return Decision(weights, tuple(rows), as_they_are(len(names)), np.ones(len(names), bool))


def _compared(  # noqa: PLR0913
    truth: np.ndarray, guesses: np.ndarray, together: np.ndarray, weights: np.ndarray, *, metric: Metric,
    names: Sequence[str], target: str, seed: int, both: bool,
) -> Decision:  # fmt: skip
    sign = 1.0 if metric.higher_is_better else -1.0
    figures = [_figure(metric, truth, column) for column in guesses.T]
    best = int(np.argmax([sign * figure if math.isfinite(figure) else -math.inf for figure in figures]))
    blend = _figure(metric, truth, together)
    gap = paired_bootstrap(metric.function, truth, together, guesses[:, best], seed=seed, samples=_SAMPLES)
    # The best of many is partly the luckiest, so a single model has to be better beyond chance.
    worst_case = gap.upper if metric.higher_is_better else -gap.lower
    beaten = sign * blend < sign * figures[best] and worst_case < 0
    takes_blend = not (beaten and (not both or _tops(truth, guesses[:, best], together)))
    if not takes_blend:
        weights = np.eye(len(names))[best]
    rows = [
        Choice(target, name, metric.name, figures[i], float(weights[i]), 0.0, _why(weights[i], takes_blend=takes_blend))
        for i, name in enumerate(names)
    ]
    verdict = "chosen" if takes_blend else "not chosen"
    told = f"{verdict}: {metric.title} {blend:.3f} against {figures[best]:.3f} of {names[best]}, the best single model{_tell(gap)}"
    rows.append(Choice(target, BLEND, metric.name, blend, float(takes_blend), 0.0, told))
    return Decision(weights, tuple(rows), as_they_are(len(names)), np.ones(len(names), bool))


def _tops(truth: np.ndarray, guess: np.ndarray, together: np.ndarray) -> bool:
    """Whether ``guess`` has the larger average precision."""
    precision = METRICS["pr_auc"]
    return _figure(precision, truth, guess) > _figure(precision, truth, together)


def _why(weight: float, *, takes_blend: bool) -> str:
    if takes_blend:
        return "part of the blend" if weight > 0 else "adds nothing to the others"
    return "chosen: no blend is better" if weight > 0 else "worse than the chosen one"


def _tell(gap: Interval) -> str:
    if not (math.isfinite(gap.lower) and math.isfinite(gap.upper)):
        return ""
    return f"; difference {gap.estimate:+.3f} [{gap.lower:+.3f}, {gap.upper:+.3f}]"


def _figure(metric: Metric, truth: np.ndarray, guess: np.ndarray) -> float:
    kept = np.isfinite(guess)
    try:
        return metric.function(truth[kept], guess[kept])
    except ValueError:
        return float("nan")


def left_out(target: str, reasons: Mapping[str, str]) -> list[Choice]:
    """Rows of models that were not tried, by name with the reason."""
    return [Choice(target, name, "", float("nan"), 0.0, 0.0, why) for name, why in reasons.items()]


__all__ = ["BLEND", "Choice", "decide", "Decision", "judging_metric", "left_out"]
