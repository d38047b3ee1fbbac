"""``train --model auto``: cross-validate what is promising, blend what helps, keep to a time budget, and say why.

No test compound is seen. Weights come from predictions for compounds that the member was not fitted on, and the estimate of
the blend from weights that have not seen the compound either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cinchona.models.candidates import Clock, Forecaster, Pace, candidates
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.choice_folds import learnable_folds
from cinchona.models.choosing import Choice, Decision, decide, left_out
from cinchona.models.classical.blend import BlendScorer, Weighted, blended, compact, members_spread
from cinchona.models.classical.crossfit import cross_predict
from cinchona.models.classical.fitting import kernels_of, molecules_of
from cinchona.models.classical.inputs import Basis, Inputs
from cinchona.models.classical.members import Labels, Learner
from cinchona.models.classical.sureness import rescaled
from cinchona.models.stacking import nested_blend
from cinchona.progress import progress
from cinchona.records import Endpoint
from cinchona.seeds import derive

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AutoResult:
    """A model and how it was chosen."""

    scorer: BlendScorer
    """Fitted to all compounds that were given."""
    choices: tuple[Choice, ...]
    """What was tried for each target, and what became of it."""
    seconds: float
    """Time it took."""
    held_out: np.ndarray
    """Predictions that neither members nor weights had the compound for, float64, shape (n, t); NaN where none."""
    spread: np.ndarray
    """Weighted standard deviation of the members there, float64, shape (n, t)."""
    folds: np.ndarray
    """Fold of each compound, int64, shape (n,); -1 for those that are only fitted to."""


def fit_auto(
    smiles: Sequence[str],
    values: np.ndarray,
    *,
    endpoints: Sequence[Endpoint],
    config: ChoiceConfig,
    seed: int,
    workers: int | None = None,
) -> AutoResult:
    """Choose, weigh or stack models by cross-validation and fit the result to all compounds.

    Args:
        smiles: n curated training compounds.
        values: Labels, float64, shape (n, t); NaN where missing.
        endpoints: The t targets.
        config: Time budget and folds.
        seed: Seed of everything random. Which models fit into the budget depends on the machine; all else does not.
        workers: Threads; they change the time that fits take, and nothing else.

    Raises:
        ShapeError: if a compound does not parse.
    """
    clock = Clock(config.seconds)
    labels = [Labels.of(values[:, column], endpoint) for column, endpoint in enumerate(endpoints)]
    search = _Search(smiles, labels, config=config, seed=seed, clock=clock)
    classes = any(label.task == "classification" for label in labels)
    learners = candidates(len(smiles), len(endpoints), workers=workers, networks=config.networks, classes=classes)
    with progress(len(learners), "trying models", unit="models") as bar:
        for learner in learners:
            search.consider(learner)
            bar.advance(1)
    decisions = [search.decide(column, endpoint.name) for column, endpoint in enumerate(endpoints)]
    blends = [search.fit(column, decision) for column, decision in enumerate(decisions)]
    scorer = compact(blends, search.basis, endpoints)
    choices = tuple(choice for decision in decisions for choice in decision.choices)
    told = [search.held_out(column, decision) for column, decision in enumerate(decisions)]
    held_out, spread = (np.column_stack(parts) for parts in zip(*told, strict=True))
    return AutoResult(scorer, choices, clock.spent, held_out, spread, search.folds)


@dataclass(slots=True)
class _Tried:
    """One learner after its cross-validation."""

    learner: Learner
    held_out: list[np.ndarray] = field(default_factory=list)
    """Out-of-fold predictions of each target, float64, shape (n,); NaN where none."""
    seconds: float = 0.0


class _Search:
    """Cross-validates one learner after the other while there is time."""

    def __init__(
        self, smiles: Sequence[str], labels: list[Labels], *, config: ChoiceConfig, seed: int, clock: Clock
    ) -> None:
        self.labels, self.seed, self.clock, self.judge = labels, seed, clock, config.metric
        self.folds = learnable_folds(smiles, labels, config.folds, seed=seed)
        self._molecules = molecules_of(smiles)
        self._forecast = Forecaster(self._molecules, labels, folds=self.folds.max() + 1, seed=seed)
        self.basis = Basis.of(self._molecules, ())
        self._inputs = Inputs(self._molecules, self.basis)
        self.tried: list[_Tried] = []
        self.left_out: dict[str, str] = {}

    def consider(self, learner: Learner) -> None:
        """Cross-validate ``learner`` if the forecast fits into what is left; the first one is fitted in any case."""
        if len(self.folds) > learner.most_rows:
            self.left_out[learner.name] = f"left out: made for at most {learner.most_rows:,} compounds"
            return
        if self.tried and self.clock.left <= 0:
            self.left_out[learner.name] = "left out: no time was left to try it"
            return
        crossed, finals = self._forecast.seconds(learner)
        if self.tried and crossed + finals > self.clock.left:
            left = max(self.clock.left, 0.0)
            self.left_out[learner.name] = f"left out: about {crossed + finals:.0f} s, and {left:.0f} s were left"
            return
        start = time.monotonic()
        self._prepare(learner)
        tried, count = _Tried(learner), max(int(self.folds.max()) + 1, 1)
        pace = Pace(self.clock, count * len(self.labels), finals)
        goes_on = pace.goes_on if self.tried else lambda: True
        for labels in self.labels:
            held_out = cross_predict(learner, self._inputs, labels, self.folds, seed=self.seed, goes_on=goes_on)
            tried.held_out.append(held_out)
            if pace.overdue or (self.tried and self.clock.left < finals):
                self.left_out[learner.name] = "left out: the time would be over before it was compared"
                return
        tried.seconds = time.monotonic() - start
        self.clock.promised += max(finals, learner.refits * tried.seconds / count)
        self.tried.append(tried)

    def decide(self, column: int, target: str) -> Decision:
        """Choose among what was tried for one target."""
        names = [tried.learner.name for tried in self.tried]
        held_out = np.column_stack([tried.held_out[column] for tried in self.tried])
        seconds = [tried.seconds / len(self.labels) for tried in self.tried]
        costly = [tried.learner.costly for tried in self.tried]
        labels = self.labels[column]
        found = decide(
            held_out, labels, self.folds, names=names, target=target, seed=self.seed, costly=costly, judge=self.judge
        )
        return found.timed(seconds).joined(left_out(target, self.left_out))

    def fit(self, column: int, decision: Decision) -> list[Weighted]:
        """Fit the members of one target to all of its labels."""
        labels = self.labels[column]
        rows = labels.known(np.arange(len(self.folds)))
        return [
            part
            for tried, weight, scale in zip(self.tried, decision.weights, decision.scales, strict=True)
            if weight > 0
            for part in self._parts(tried.learner, labels, rows, weight=float(weight), scale=scale)
        ]

    def _parts(
        self, learner: Learner, labels: Labels, rows: np.ndarray, *, weight: float, scale: np.ndarray
    ) -> list[Weighted]:
        """The final fits of one learner, which share its weight."""
        seeds = [self.seed, *(derive(self.seed, f"refit {turn}") for turn in range(1, learner.refits))]
        slope, shift = (float(number) for number in scale)
        return [
            Weighted(
                learner.name, learner.fit(self._inputs, labels, rows, seed=seed), weight / len(seeds), (slope, shift)
            )
            for seed in seeds
        ]

    def held_out(self, column: int, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        """What the chosen model says of compounds that were held out, and the spread of its members; float64, shape (n,)."""
        members = np.column_stack([tried.held_out[column] for tried in self.tried])
        value, spread = np.full(len(members), np.nan), np.full(len(members), np.nan)
        used = decision.weights > 0
        labels = self.labels[column]
        rows = np.flatnonzero(np.isfinite(members).all(axis=1) & ~np.isnan(labels.values))
        if not len(rows):
            return value, spread
        parts, weights = rescaled(members[np.ix_(rows, used)], decision.scales[used]), decision.weights[used]
        spread[rows] = members_spread(parts, weights)
        if len(np.unique(self.folds[rows])) < 2:
            value[rows] = blended(parts, weights, task=labels.task)
        else:
            weighed = members[np.ix_(rows, used if used.sum() == 1 else decision.weighed)]
            value[rows] = nested_blend(weighed, labels.values[rows], self.folds[rows], task=labels.task)
        return value, spread

    def _prepare(self, learner: Learner) -> None:
        """Compute the features that ``learner`` needs and that are not there yet."""
        wanted = kernels_of([*(tried.learner for tried in self.tried), learner])
        self.basis = Basis.of(self._molecules, wanted)
        self._inputs = self._inputs.on(self.basis)
        if learner.kernel:
            self._inputs.kernel(learner.kernel)
        if learner.layout:
            self._inputs.table(learner.layout)
        self._forecast.computed(learner)


__all__ = ["AutoResult", "fit_auto"]
