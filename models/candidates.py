"""What ``auto`` tries, most promising first, and what each would cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cinchona.models.classical.boosting import BoostingLearner
from cinchona.models.classical.fitting import kernels_of
from cinchona.models.classical.forests import ForestLearner
from cinchona.models.classical.inputs import Basis, Inputs, Molecules
from cinchona.models.classical.members import Labels, Learner
from cinchona.models.classical.neighbours import NeighbourLearner
from cinchona.models.classical.networks import network_learners
from cinchona.models.classical.svm import SvmLearner
from cinchona.seeds import rng

SMALL: Final = 6_000
"""Compounds up to which kernels are compared in full."""
MANY: Final = 20_000
"""Compounds beyond which one held-out part replaces folds."""
_FEW: Final = 1_000
_PILOT: Final = 300
_CAUTION: Final = 1.3
"""By which a forecast is multiplied: better one model less than a budget that is not kept."""


def candidates(
    n: int, n_targets: int, *, workers: int | None, networks: bool = True, classes: bool = False
) -> list[Learner]:
    """Learners for ``n`` compounds and ``n_targets`` targets, the most promising for their time first: networks come last.

    Args:
        n: Training compounds.
        n_targets: Targets; forests get fewer trees where there are many.
        workers: Threads.
        networks: Whether graph networks are among them.
        classes: Whether a target is a class; further models of the wide tables are for those: labels of classes say less, so there is
            more chance to average out, and forests look at the root of the columns where they look at a third of them in a regression.
    """
    return _classical(n, n_targets, workers=workers, classes=classes) + (
        network_learners(n, workers=workers) if networks else []
    )


def _classical(n: int, n_targets: int, *, workers: int | None, classes: bool) -> list[Learner]:
    trees = 150 if n_targets <= 3 else 100
    boosts = 500 if n_targets <= 3 else 250
    if classes and n <= _FEW:  # more of them say the same of few labels, only surer
        boosts = min(boosts, 300)
    if n > SMALL:
        layout = "plain" if n <= MANY else "short"
        return [  # the first is fitted whatever it takes, so it has the features that cost least
            BoostingLearner("bits", n_trees=boosts, leaves=63, workers=workers),
            BoostingLearner(layout, n_trees=boosts, leaves=63, workers=workers),
            ForestLearner("bits", n_trees=min(trees, 100), workers=workers),
            ForestLearner(layout, grower="extra trees", n_trees=min(trees, 100), workers=workers),
            BoostingLearner("joined", style="gentle", n_trees=2 * boosts, leaves=63, workers=workers),
        ]
    refits = 3 if n_targets <= 3 else 1
    wide = [
        BoostingLearner("joined", style="random", n_trees=boosts, refits=refits, workers=workers),
        ForestLearner("joined", n_trees=trees, workers=workers),
        ForestLearner("all", grower="extra trees", n_trees=trees, workers=workers),
    ]
    best = "everything" if classes else "rare substructures"  # adr/031: compared on numbers alone
    return [
        SvmLearner(best),
        ForestLearner("plain", grower="extra trees", n_trees=trees, workers=workers),
        BoostingLearner("all", style="gentle", n_trees=boosts, refits=refits, workers=workers),
        SvmLearner("substructures"),
        BoostingLearner("wide", n_trees=boosts, refits=refits, workers=workers),
        ForestLearner("bits", n_trees=100, workers=workers),
        NeighbourLearner("substructures"),
        SvmLearner("descriptors"),
        SvmLearner("environments", penalty=10.0),
        *([SvmLearner("everything", penalty=10.0), *wide] if classes else [SvmLearner("everything")]),
    ]


def n_folds(n: int) -> int:
    """Folds of the cross-validation for ``n`` compounds; 1 is a single held-out part."""
    if n > MANY:
        return 1
    return 5 if n <= SMALL else 3


@dataclass(slots=True)
class Clock:
    """A budget of seconds, of which parts are promised before they are spent."""

    seconds: float
    """The whole budget."""
    started: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - looked up when it begins
    """When it began."""
    promised: float = 0.0
    """Seconds kept back for the final fits."""

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds that are neither spent nor promised."""
        return self.seconds - self.spent - self.promised


@dataclass(slots=True)
class Pace:
    """Whether what has begun can be finished in time, judged by how long its first fits took."""

    clock: Clock
    """The budget."""
    fits: int
    """How many fits there are."""
    finals: float
    """Seconds to keep back for the final fits."""
    overdue: bool = False
    """Whether it said no."""
    _begun: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - looked up when it begins
    _asked: int = 0

    def goes_on(self) -> bool:
        """Whether the next fit may begin; asked before each."""
        each = (time.monotonic() - self._begun) / self._asked if self._asked else 0.0
        rest = each * (self.fits - self._asked)
        self.overdue = self.overdue or self.clock.left < rest + max(self.finals, each)
        self._asked += 1
        return not self.overdue


class Forecaster:
    """Foretells what a learner takes, from fits to some hundred compounds.

    Args:
        molecules: All n training compounds, of which a sample is drawn.
        labels: Labels of each target.
        folds: Number of folds.
        seed: Seed of the sample.
    """

    def __init__(self, molecules: Molecules, labels: list[Labels], *, folds: int, seed: int) -> None:
        n = len(molecules)
        self._labels, self._folds, self._n, self._seed = labels, folds, n, seed
        self._sample = np.sort(rng(seed, "pilot").permutation(n)[:_PILOT])
        self._molecules = molecules.take(self._sample)
        self._computed: set[str] = set()

    def seconds(self, learner: Learner) -> tuple[float, float]:
        """Forecast of the cross-validation with features, and of the final fits, over all targets."""
        features, inputs = self._features(learner)
        best = max(self._labels, key=lambda lab: int((~np.isnan(lab.values[self._sample])).sum()))
        labels = Labels(best.values[self._sample], best.task)
        rows = labels.known(np.arange(len(self._sample)))
        if len(rows) < 2:
            return _CAUTION * features, 0.0
        share = 1 - 1 / max(self._folds, 2)
        known = [int((~np.isnan(lab.values)).sum()) for lab in self._labels]
        wanted = [*known, *(round(share * k) for k in known)]
        found = learner.costs(inputs, labels, rows, wanted=wanted, seed=self._seed)
        finals, crossed = learner.refits * sum(found[: len(known)]), self._folds * sum(found[len(known) :])
        return _CAUTION * (features + crossed), _CAUTION * finals

    def computed(self, learner: Learner) -> None:
        """Remember that the learner's features of all compounds are there now."""
        self._computed |= {learner.kernel, learner.layout}

    def _features(self, learner: Learner) -> tuple[float, Inputs]:
        start = time.monotonic()
        inputs = Inputs(self._molecules, Basis.of(self._molecules, kernels_of([learner])))
        if learner.kernel:
            inputs.kernel(learner.kernel)
        if learner.layout:
            inputs.table(learner.layout)
        if {learner.kernel, learner.layout} <= self._computed | {""}:
            return 0.0, inputs
        times = self._n / len(self._sample)
        # Counting grows with n, comparing with its square; the cheap part of both is small enough to be ignored.
        return (time.monotonic() - start) * times ** (1.5 if learner.kernel else 1.0), inputs


__all__ = ["candidates", "Clock", "Forecaster", "MANY", "n_folds", "Pace", "SMALL"]
