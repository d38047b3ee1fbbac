"""Work on a unit of a space, in whatever process it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinchona.errors import LockedError, PlanMismatchError
from cinchona.models.additive import additive_form, quick_head
from cinchona.models.engine.gemm import gemm
from cinchona.models.threads import product_thread
from cinchona.protocols import Scorer
from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import is_current
from cinchona.screening.scorers import ScorerSource
from cinchona.screening.synthons.plan import SpacePlan, commit_result, load_space_plan, read_result
from cinchona.screening.synthons.search import SpaceSearch, UnitResult
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.units import Unit


@dataclass(frozen=True, slots=True)
class UnitDone:
    """What a driver needs to know of a unit."""

    unit: int
    """The unit."""
    scored: int
    """Products with a score."""
    rejected: int
    """Combinations without."""
    best: float | None
    """Best score."""

    @classmethod
    def of(cls, unit: int, result: UnitResult) -> UnitDone:
        """Sum up a result."""
        tops = [float(kept.ranked()[0][0]) for kept in result.collected.values() if len(kept.ranked()[0])]
        scored = sum(kept.scored for kept in result.collected.values())
        return cls(unit, scored, sum(result.rejects.values()), max(tops, default=None))


@dataclass(frozen=True, slots=True)
class UnitWork:
    """Scores a unit and commits it; small enough to send to any worker."""

    root: str
    """The run folder."""
    source: ScorerSource
    """Where the scorer comes from."""
    epoch: int
    """Epoch of the driver that orders the work."""

    def __call__(self, unit: Unit) -> UnitDone:
        """Score ``unit`` and commit the result, unless that is done.

        Raises:
            LockedError: if another driver has taken the run over since.
            PlanMismatchError: if the space is no longer what was planned.
            RetryableError: if the disk is full, read-only or failing.
        """
        folder = RunFolder(Path(self.root))
        plan = load_space_plan(folder)
        done = read_result(folder, plan, unit.number)
        if done is not None:
            return UnitDone.of(unit.number, done[0])
        begun = time.process_time()
        with product_thread(plan.product):
            result = _search(self.root, plan, self.source).run(unit)
        if not is_current(folder.lease, self.epoch):
            raise LockedError("another driver has taken the run over", where=self.root)
        commit_result(folder, plan.fingerprint, unit.number, result, time.process_time() - begun)
        return UnitDone.of(unit.number, result)


def search_of(space: SynthonSpace, scorer: Scorer, plan: SpacePlan) -> SpaceSearch:
    """Everything that the units of a plan need."""
    found = additive_form(scorer)
    form = None if isinstance(found, str) else found
    audited = np.sort(space.sample(plan.space.audit, seed=plan.seed))
    head = None if form is None else quick_head(form, scorer.objective)
    return SpaceSearch(space, scorer, form, head, gemm(plan.product), plan.bins, plan.top_k, audited, plan.space)


_SEARCHES: dict[tuple[str, str], SpaceSearch] = {}
"""The search that this process works on, by run folder and plan; one at a time."""


def _search(root: str, plan: SpacePlan, source: ScorerSource) -> SpaceSearch:
    key = (root, plan.fingerprint)
    if key not in _SEARCHES:
        space = SynthonSpace.load(Path(plan.path))
        if space.compiled_digest != plan.compiled:
            raise PlanMismatchError(
                "the space is no longer what was planned", where=plan.path, expected=plan.compiled[:12],
                remedy="restore the space and reagent files, or begin again in another folder",
            )  # fmt: skip
        _SEARCHES.clear()
        _SEARCHES[key] = search_of(space, source.open(), plan)
    return _SEARCHES[key]


__all__ = ["UnitDone", "UnitWork", "search_of"]
