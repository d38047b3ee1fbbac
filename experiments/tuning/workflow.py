"""The search for settings: an assay table in; a record of trials, the best settings and a model trained with them out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.splits import Split, make_split
from cinchona.digests import digest_json
from cinchona.errors import ConfigError
from cinchona.experiments.tuning.queue import FoldQueue
from cinchona.experiments.tuning.recording import log_search, log_trial
from cinchona.experiments.tuning.study import FILE, TuningStudy
from cinchona.files import write_text
from cinchona.models.train import check_names
from cinchona.models.tuning.folds import FoldJudge, tuning_folds
from cinchona.models.tuning.space import Candidate, space_of
from cinchona.models.tuning.trial import TrialRecord
from cinchona.pipelines.chosen import fold_kind
from cinchona.pipelines.config import Settings
from cinchona.pipelines.report_tuning import write_tuning_report
from cinchona.pipelines.train import TrainResult, train
from cinchona.progress import progress
from cinchona.protocols import TrackedRun, Tracker
from cinchona.screening.csvfile import write_csv
from cinchona.screening.executors.choose import default_workers, make_executor, n_workers
from cinchona.screening.lease import Lease
from cinchona.settings import to_yaml
from cinchona.tracking import ChildTracker, NullTracker

logger = logging.getLogger(__name__)

BEST: Final = "best.yaml"
"""Settings file of the best trial: ``cinchona train TABLE --config best.yaml`` trains the same model."""
_SPARE: Final = 1.3
"""Times the expected length of the last training that is kept free for it."""


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What a search found."""

    folder: Path
    """Folder of the search."""
    model: Path
    """Model folder, trained with the best settings."""
    trials: int
    """Trials that came to an end, earlier calls included."""
    pruned: int
    """Of these, given up before the last fold."""
    failed: int
    """Of these, failed."""
    loss: float
    """Mean held-out loss of the best trial: squared error over the variance, or log loss of classes; the training mean gives 1."""
    first_loss: float | None
    """The same of the settings as they were before the search, where they were tried."""
    best: dict[str, Any]
    """The best trial's values by setting."""
    report: Path
    """Report for people, one HTML file."""
    seconds: float
    """Time of this call."""
    figures: tuple[dict[str, Any], ...]
    """Metrics of the model on the test part, which the search did not see, beside the baselines'."""
    run_id: str = ""
    """Id of the tracked run."""


def tune(
    table: str | Path | pa.Table | pd.DataFrame,
    *,
    targets: Sequence[str],
    out: str | Path,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> TuneResult:
    """Search for the settings of a network by cross-validation on the training and validation part, then train with the best.

    Trials run on the executor of the settings, one fold of one trial at a time on each worker. A search that was killed
    goes on with the same call; more trials go further. With several workers, the order in which folds end decides what
    is drawn next, so that two searches may try different settings; the model of given settings is always the same.

    Args:
        table: Assay table.
        targets: Measured columns.
        out: Folder of the search: new or empty, or that of the same search.
        settings: Settings; None for the defaults. ``choice.model`` is not looked at: a network is trained.
        seed: Seed of split, folds, draws and networks.
        tracker: Keeps a record of the search and, below it, of every trial; None for none.

    Raises:
        ColumnError: if a column is missing or ambiguous, or a target has no readable value.
        InputError: if the table or the record of the search cannot be read.
        ConfigError: if the space is wrong, the folder holds something else, or no trial came to an end in time.
        LockedError: if another process is at it.
        RetryableError: if the disk is full or failing, or the scheduler of the workers is lost; the same call goes on.
    """
    chosen, folder, started = settings or Settings(), Path(out).absolute(), time.time()
    data = read_assay_table(
        table, targets=targets, curation=chosen.curation, standardize=chosen.standardize, reader=chosen.reader
    )
    check_names(chosen.training.lower_is_better, data)
    split = make_split(data, chosen.split, seed=seed)
    _require_ours(folder)
    name = Path(table).name if isinstance(table, str | Path) else type(table).__name__
    with (
        Lease.acquire(folder / "lease", seconds=chosen.executor.lease_seconds),
        (tracker or NullTracker()).run(f"tune {name}", kind="tune", tags={"data_digest": data.digest}) as run,
    ):
        search = _Search(data, split, chosen, folder, seed=seed, ends=started + chosen.tuning.seconds)
        search.go_on(run, tracker or NullTracker())
        record, candidate = search.study.best()
        best = _settings_of(candidate, chosen)
        write_text(folder / BEST, to_yaml(best.model_copy(update={"tracking": Settings().tracking})))
        below = ChildTracker(tracker or NullTracker(), run.run_id)
        limited = search.within_time(best, record)
        trained = train(
            table, targets=targets, out=folder / f"model-{record.number}", settings=limited, seed=seed, tracker=below
        )
        result = _result(folder, search, record, trained, seconds=time.time() - started, run_id=run.run_id)
        _write(folder, search, best, result)
        log_search(run, chosen, search.study.records(), loss=record.loss, folder=folder)
    return result


def _require_ours(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / FILE).exists() and not (folder / "lease").exists():
        raise ConfigError(
            "the folder is taken by something else", where=str(folder), expected="a new or empty folder, or a search",
            remedy="choose another folder with --out",
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)


class _Search:
    """A search under way."""

    def __init__(
        self, data: AssayTable, split: Split, settings: Settings, folder: Path, *, seed: int, ends: float
    ) -> None:
        config = settings.tuning
        self._settings, self._ends = settings, ends
        base = Candidate(settings.network, settings.training)
        space = space_of(config.space, base)
        if settings.training.pretrained == "auto":  # a check in every fold would cost more than the fold
            base = replace(base, training=base.training.model_copy(update={"pretrained": "none"}))
        self._kind = fold_kind(config.fold_kind, split.kind)
        splits = tuning_folds(data, split, count=config.folds, kind=self._kind, seed=seed)
        self._judge = FoldJudge(data, splits, seed)
        rows = [part.tolist() for fold in splits for part in (fold.train, fold.valid, fold.test)]
        fixed = base.training.model_dump(mode="json", exclude={"workers", "ensemble_size", "forest_trees"})
        key = digest_json([data.digest, rows, base.network.as_spec(), fixed, seed])
        self.study = TuningStudy(folder / FILE, config=config, space=space, base=base, key=key, seed=seed)

    @property
    def deadline(self) -> float:
        """Time by the clock at which trials end, so that the last training still fits in."""
        whole = [record for record in self.study.records() if record.state == "complete"]
        if not whole:
            return self._ends
        best = min(whole, key=lambda record: (record.loss, record.number))
        return self._ends - self.expected(best)

    def expected(self, record: TrialRecord) -> float:
        """Seconds that training the last model takes, by how long the folds of ``record`` took."""
        config, training = self._settings.tuning, self._settings.training
        one = record.seconds / config.folds * config.folds / (config.folds - 1)
        cores = min(training.workers or default_workers(), training.ensemble_size)
        return _SPARE * one * training.ensemble_size / cores

    def within_time(self, settings: Settings, record: TrialRecord) -> Settings:
        """Settings with a limit on each network where the last training would not end in time without one."""
        left = max(1.0, self._ends - time.time())
        limit = self.study.note(f"limit {record.number}", left if self.expected(record) > left else 0.0)
        if not limit:
            return settings
        logger.warning("each network of the last training is stopped after %.0f s, since the time is used up", limit)
        training = settings.training.model_copy(update={"max_seconds": limit})
        return settings.model_copy(update={"training": training})

    def go_on(self, run: TrackedRun, tracker: Tracker) -> None:
        """Try settings until trials or time are used up."""
        config = self._settings.tuning
        placed = self._settings.executor
        # Nothing is drawn ahead: each draw knows all losses so far.
        executor = make_executor(placed.model_copy(update={"in_flight": n_workers(placed)}))
        queue, logged = FoldQueue(self.study, config, lambda: self.deadline), {r.number for r in self.study.records()}
        below = ChildTracker(tracker, run.run_id)
        try:
            with progress(config.trials, "tuning", unit="trials") as bar:
                bar.advance(self.study.tried)
                while not queue.over:
                    for came in executor.map(self._judge, queue):
                        queue.take(came)
                        logged |= self._log_new(logged, below, bar.advance)
        finally:
            queue.close()
            executor.close()

    def _log_new(self, logged: set[int], tracker: Tracker, advance: Any) -> set[int]:  # noqa: ANN401 - of a bar
        ended = [r for r in self.study.records() if r.state != "running" and r.number not in logged]
        for record in ended:
            log_trial(tracker, record)
            whole = [r.loss for r in self.study.records() if r.state == "complete" and r.loss is not None]
            advance(1, **({"best_loss": round(min(whole), 4)} if whole else {}))
        return {record.number for record in ended}


def _settings_of(candidate: Candidate, settings: Settings) -> Settings:
    choice = settings.choice.model_copy(update={"model": "network"})
    return settings.model_copy(update={"network": candidate.network, "training": candidate.training, "choice": choice})


def _result(
    folder: Path, search: _Search, record: TrialRecord, trained: TrainResult, *, seconds: float, run_id: str
) -> TuneResult:
    records = search.study.records()
    first = next((r.loss for r in records if r.state == "complete" and r.number == 0), None)
    assert record.loss is not None
    return TuneResult(
        folder=folder,
        model=trained.folder,
        trials=search.study.tried,
        pruned=sum(r.state == "pruned" for r in records),
        failed=sum(r.state == "failed" for r in records),
        loss=record.loss,
        first_loss=first,
        best=dict(record.values),
        report=folder / "report.html",
        seconds=round(seconds, 1),
        figures=trained.figures,
        run_id=run_id,
    )


def _schema(names: Sequence[str]) -> pa.Schema:
    kinds = {
        "trial": pa.int64(),
        "state": pa.string(),
        "loss": pa.float64(),
        "seconds": pa.float64(),
        "reason": pa.string(),
    }
    return pa.schema([*kinds.items(), *((name, pa.string()) for name in names)])


def _write(folder: Path, search: _Search, best: Settings, result: TuneResult) -> None:
    records = search.study.records()
    names = sorted({name for record in records for name in record.values})
    rows = [
        {
            "trial": r.number, "state": r.state, "loss": r.loss, "seconds": r.seconds, "reason": r.reason,
            **{name: None if r.values.get(name) is None else str(r.values[name]) for name in names},
        }
        for r in records
    ]  # fmt: skip
    listed = pa.Table.from_pylist(rows, schema=_schema(names))
    write_csv(folder / "trials.csv", listed.to_batches(), listed.schema)
    shown = "".join(f"{room}:\n{indent(to_yaml(getattr(best, room)), '  ')}" for room in ("network", "training"))
    write_tuning_report(
        folder, records, importances=search.study.importances(), best=shown,
        facts=[("loss of the best trial", f"{result.loss:.4f}"), ("trials", str(result.trials)),
               ("given up early", str(result.pruned)), ("failed", str(result.failed))],
    )  # fmt: skip


__all__ = ["BEST", "TuneResult", "tune"]
