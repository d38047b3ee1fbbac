"""Judging settings: one fold of a cross-validation, fitted and predicted."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.choice_folds import folds_of
from cinchona.models.start_choice import held_out_loss
from cinchona.models.train import fit_ensemble
from cinchona.models.tuning.space import Candidate
from cinchona.seeds import rng

_STOPS: Final = 0.1
"""Share of what is fitted that each network is stopped by."""


@dataclass(frozen=True, slots=True)
class FoldTask:
    """One fold of one trial."""

    trial: int
    """Number of the trial."""
    fold: int
    """Number of the fold, from 0."""
    candidate: Candidate
    """Settings to judge."""
    deadline: float
    """Time by the clock (seconds since 1970) at which the work is given up."""


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What one fold gave."""

    loss: float
    """Held-out loss; see :func:`~cinchona.models.start_choice.held_out_loss`. NaN where time ran out."""
    seconds: float
    """Time that it took."""


@dataclass(frozen=True, slots=True)
class FoldJudge:
    """The work that goes to the workers: fits a network to all folds but one, and predicts that one.

    Every trial gets the same folds and the same seed, so that differences are those of the settings.
    """

    table: AssayTable
    """Curated compounds; rows in no fold are not looked at."""
    splits: tuple[Split, ...]
    """One a fold: rows to fit, to stop by, and held out."""
    seed: int
    """Seed of the networks."""

    def __call__(self, task: FoldTask) -> FoldResult:
        """Judge.

        Raises:
            ConfigError: if the training diverges.
        """
        started, part = time.monotonic(), self.splits[task.fold]
        one = task.candidate.training.model_copy(update={"ensemble_size": 1, "workers": 1})
        stop = threading.Event()
        alarm = threading.Timer(max(0.0, task.deadline - time.time()), stop.set)
        alarm.daemon = True
        alarm.start()
        try:
            fitted = fit_ensemble(
                self.table, part, network=task.candidate.network, training=one, seed=self.seed, stop=stop
            )
            loss = held_out_loss(self.table, fitted, part)
        except CancelledError:
            loss = float("nan")
        finally:
            alarm.cancel()
        return FoldResult(loss, time.monotonic() - started)


def tuning_folds(table: AssayTable, split: Split, *, count: int, kind: str, seed: int) -> tuple[Split, ...]:
    """Divide the training and validation part of ``split`` into folds; its test part is in none of them.

    Args:
        table: Curated compounds.
        split: How they are divided.
        count: Number of folds.
        kind: ``random``, ``scaffold`` or ``cluster``.
        seed: Seed of the folds.
    """
    rows = np.sort(np.concatenate([split.train, split.valid]))
    parts = folds_of([table.smiles[row] for row in rows], kind, seed=seed, count=count)
    made = []
    for fold in range(count):
        rest = np.flatnonzero(parts != fold)
        stops = rng(seed, "tuning", fold).permutation(rest)[: max(1, round(_STOPS * len(rest)))]
        fitted = np.setdiff1d(rest, stops)
        made.append(Split(rows[fitted], rows[np.sort(stops)], rows[parts == fold], kind=kind, seed=seed))
    return tuple(made)


__all__ = ["FoldJudge", "FoldResult", "FoldTask", "tuning_folds"]
