"""What to work on next in a search: folds of trials under way before new trials, until trials or time are used up."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator

from cinchona.experiments.tuning.study import TuningStudy
from cinchona.models.tuning.config import TuningConfig
from cinchona.models.tuning.folds import FoldResult, FoldTask
from cinchona.models.tuning.space import Candidate
from cinchona.protocols import Done, Failed

logger = logging.getLogger(__name__)


class FoldQueue:
    """Draws folds to judge, lazily, and takes what came of them.

    Iteration pauses, not ends, where all that is left is under way; :attr:`over` says when it has ended.

    Args:
        study: The record.
        config: How to search.
        deadline: Gives the time by the clock at which the search has to end, which moves as trials tell how long the last
            training will take.
    """

    def __init__(self, study: TuningStudy, config: TuningConfig, deadline: Callable[[], float]) -> None:
        self._study, self._config, self._deadline = study, config, deadline
        self._ready: deque[FoldTask] = deque()
        self._under_way: set[int] = set()
        self._left = max(0, config.trials - study.tried)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return not self._ready and not self._under_way and (not self._left or self._is_late())

    def __iter__(self) -> Iterator[FoldTask]:
        return self

    def __next__(self) -> FoldTask:
        if self._is_late():
            raise StopIteration
        if not self._ready:
            self._begin()
        task = self._ready.popleft()
        self._under_way.add(task.trial)
        return task

    def take(self, came: Done[FoldTask, FoldResult] | Failed[FoldTask]) -> None:
        """Record what came of a fold; the next one of its trial gets ready unless the trial is over."""
        task = came.item
        self._under_way.discard(task.trial)
        if isinstance(came, Failed):
            logger.warning("trial %d failed: %s", task.trial, came.error)
            self._study.fail(task.trial, str(came.error) or type(came.error).__name__)
        elif math.isnan(came.result.loss):
            self._study.interrupt(task.trial)
        elif self._study.report(task.trial, came.result.loss, came.result.seconds):
            self._ready.append(self._task(task.trial, task.fold + 1, task.candidate))

    def close(self) -> None:
        """Let go of trials that were begun and not judged."""
        for task in self._ready:
            self._study.interrupt(task.trial)
        self._ready.clear()

    def _begin(self) -> None:
        if not self._left:
            raise StopIteration
        self._left -= 1
        number, candidate = self._study.ask()
        self._ready.append(self._task(number, 0, candidate))

    def _task(self, trial: int, fold: int, candidate: Candidate) -> FoldTask:
        return FoldTask(trial, fold, candidate, self._deadline())

    def _is_late(self) -> bool:
        return time.time() >= self._deadline()


__all__ = ["FoldQueue"]
