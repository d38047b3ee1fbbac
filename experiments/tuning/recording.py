"""What a search leaves in the record of runs: one run for it, and below it one for each trial."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from cinchona.masking import mask_secrets
from cinchona.models.tuning.trial import TrialRecord
from cinchona.pipelines.config import Settings
from cinchona.protocols import TrackedRun, Tracker


def log_trial(tracker: Tracker, record: TrialRecord) -> None:
    """Record one trial as a run of its own: what was drawn, the loss of each fold and their mean."""
    tags = {"trial": str(record.number), "trial_state": record.state}
    if record.reason:
        tags["reason"] = record.reason
    with tracker.run(f"trial {record.number}", kind="trial", tags=tags) as run:
        run.log_params(record.values)
        run.log_curve("fold loss", record.folds)
        figures = {"seconds": record.seconds} | ({} if record.loss is None else {"loss": record.loss})
        run.log_metrics(figures)


def log_search(
    run: TrackedRun, settings: Settings, records: Iterable[TrialRecord], *, loss: float | None, folder: Path
) -> None:
    """Record the search itself: how it searched, the best loss so far by trial, its report and its tables."""
    tuning = mask_secrets(settings.tuning.model_dump(mode="json"))
    run.log_params({f"tuning.{name}": value for name, value in tuning.items()})
    whole = [r.loss for r in records if r.state == "complete" and r.loss is not None]
    run.log_curve("best loss", accumulate(whole, min))
    if loss is not None:
        run.log_metrics({"loss": loss})
    for name in ("report.html", "trials.csv", "best.yaml"):
        run.log_artifact(folder / name)


__all__ = ["log_search", "log_trial"]
