"""The record of a search: which settings were tried and what came of them, in an SQLite file that outlives its process.

Optuna draws and decides; this process alone talks to it, so that workers need no access to the file. Each fold of a
trial is a piece of work of its own, and a trial is given up between two folds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cinchona.digests import digest_json
from cinchona.errors import ConfigError, InputError
from cinchona.models.tuning.config import SearchRange, TuningConfig
from cinchona.models.tuning.space import Candidate, draw, starts, with_values
from cinchona.models.tuning.trial import TrialRecord
from cinchona.seeds import derive

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

FILE: Final = "study.db"
"""Name of the record in the folder of a search."""
_NAME: Final = "cinchona"
_KEY: Final = "cinchona key"
_STARTUP: Final = 5
"""Whole trials that give the median before any is given up."""


class TuningStudy:
    """Settings tried so far, and the next to try.

    Args:
        path: SQLite file; made if missing, else gone on with.
        config: How to search.
        space: What to search.
        base: Settings that are not searched.
        key: Digest of everything that decides a loss, so that losses of other data are never mixed in.
        seed: Seed of the draws.

    Raises:
        ConfigError: if the file belongs to another search.
        InputError: if it is damaged.
    """

    def __init__(
        self,
        path: Path,
        *,
        config: TuningConfig,
        space: Mapping[str, SearchRange],
        base: Candidate,
        key: str,
        seed: int,
    ) -> None:
        self._config, self._space, self._base, self._seed = config, dict(space), base, seed
        self._open: dict[int, Trial] = {}
        self._study = _opened(path, config, seed)
        known = self._study.user_attrs.get(_KEY)
        mine = digest_json([key, {n: r.model_dump(mode="json") for n, r in space.items()}, config.folds, config.prune])
        if known is None:
            self._study.set_user_attr(_KEY, mine)
            for values in starts(space, base):
                self._study.enqueue_trial(dict(values))
        elif known != mine:
            raise ConfigError(
                "the folder holds the search of other data, settings or seed", where=str(path),
                remedy="choose another folder with --out, or remove this one",
            )  # fmt: skip
        self._take_up_again()

    def _take_up_again(self) -> None:
        """Ask anew for the trials that a killed process left."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(dict(trial.params))

    @property
    def tried(self) -> int:
        """Trials that came to an end: all folds, given up, or failed for a reason."""
        return sum(record.state in {"complete", "pruned"} or bool(record.reason) for record in self.records())

    def ask(self) -> tuple[int, Candidate]:
        """Begin a trial: its number and settings."""
        with _silent():
            trial = self._study.ask()
            candidate = draw(self._space, trial, self._base)
        self._open[trial.number] = trial
        return trial.number, candidate

    def report(self, number: int, loss: float, seconds: float) -> bool:
        """Add the loss of the next fold; whether the trial goes on."""
        trial = self._open[number]
        losses, spent = [*trial.user_attrs.get("losses", []), loss], trial.user_attrs.get("seconds", 0.0) + seconds
        trial.set_user_attr("losses", losses)
        trial.set_user_attr("seconds", round(spent, 3))
        mean = sum(losses) / len(losses)
        trial.report(mean, step=len(losses))
        if len(losses) == self._config.folds:
            self._end(number, mean)
            return False
        if trial.should_prune():
            self._end(number, None, pruned=True)
            return False
        return True

    def fail(self, number: int, reason: str) -> None:
        """End a trial that cannot be judged."""
        self._open[number].set_user_attr("reason", reason[:500] or "unknown")
        self._end(number, None)

    def interrupt(self, number: int) -> None:
        """End a trial for want of time; its settings are the next to be tried."""
        values = dict(self._open[number].params)
        self._end(number, None)
        self._study.enqueue_trial(values)

    def _end(self, number: int, loss: float | None, *, pruned: bool = False) -> None:
        from optuna.trial import TrialState

        state = TrialState.COMPLETE if loss is not None else TrialState.PRUNED if pruned else TrialState.FAIL
        self._study.tell(self._open.pop(number), loss, state=state)

    def note(self, name: str, value: float) -> float:
        """Keep a figure in the record, unless there is one of that name already; the one that is kept."""
        if name not in self._study.user_attrs:
            self._study.set_user_attr(name, value)
        return float(self._study.user_attrs[name])

    def records(self) -> list[TrialRecord]:
        """All trials, oldest first; those that were only interrupted and begun anew are left out."""
        from optuna.trial import TrialState

        found = self._study.get_trials(deepcopy=False)
        shown = [t for t in found if t.state is not TrialState.WAITING]
        return [_record(t) for t in shown if t.state is not TrialState.FAIL or "reason" in t.user_attrs]

    def best(self) -> tuple[TrialRecord, Candidate]:
        """The whole trial with the smallest loss; of equal ones the oldest.

        Raises:
            ConfigError: if none is whole.
        """
        whole = [record for record in self.records() if record.state == "complete"]
        if not whole:
            raise ConfigError(
                "no trial came to an end", where="tuning", expected="at least one trial with all folds",
                remedy="give more time with tuning.seconds, or look at the reasons in trials.csv",
            )  # fmt: skip
        chosen = min(whole, key=lambda record: (record.loss, record.number))
        return chosen, with_values(self._base, chosen.values)

    def importances(self) -> dict[str, float]:
        """Share of the losses' spread that each setting explains, largest first; empty below ten whole trials.

        References:
            Hutter et al., ICML 2014, https://proceedings.mlr.press/v32/hutter14.html
        """
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        if sum(record.state == "complete" for record in self.records()) < 2 * _STARTUP:
            return {}
        with _silent():
            evaluator = FanovaImportanceEvaluator(seed=derive(self._seed, "importance"))
            return dict(get_param_importances(self._study, evaluator=evaluator))


def _opened(path: Path, config: TuningConfig, seed: int) -> Study:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if config.prune:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTUP)
    try:
        with _silent():
            storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 30}})
            study = optuna.create_study(
                storage=storage, study_name=_NAME, direction="minimize", load_if_exists=True, pruner=pruner
            )
            # A search that goes on must not draw its first values again.
            study.sampler = optuna.samplers.TPESampler(
                seed=derive(seed, "tuning", len(study.trials)), multivariate=True, group=True
            )
    except (SQLAlchemyError, RuntimeError, ValueError) as error:
        raise InputError(
            "the record of the search cannot be read", where=str(path), expected="the SQLite file of a search",
            remedy="remove it to begin anew",
        ) from error  # fmt: skip
    return study


def _record(trial: FrozenTrial) -> TrialRecord:
    from optuna.trial import TrialState

    names = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
        TrialState.RUNNING: "running",
    }
    losses = tuple(float(loss) for loss in trial.user_attrs.get("losses", ()))
    mean = sum(losses) / len(losses) if losses else math.nan
    return TrialRecord(
        number=trial.number,
        state=names[trial.state],
        loss=mean if math.isfinite(mean) else None,
        folds=losses,
        values=dict(trial.params),
        seconds=float(trial.user_attrs.get("seconds", 0.0)),
        reason=str(trial.user_attrs.get("reason", "")),
    )


class _silent(warnings.catch_warnings):  # noqa: N801 - reads as a block
    """Without Optuna's notes that parts of it are experimental."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


__all__ = ["FILE", "TuningStudy"]
