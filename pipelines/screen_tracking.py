"""What a tracked run keeps of a screen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cinchona.digests import digest_json
from cinchona.files import write_text
from cinchona.models.folder import read_trust
from cinchona.pipelines.depict import with_structures
from cinchona.pipelines.figures import histogram_svg, standalone
from cinchona.pipelines.recipe import Recipe
from cinchona.protocols import TrackedRun
from cinchona.screening.cascade_audit import audit_run
from cinchona.screening.finish import Finished
from cinchona.screening.run import Assignment, Doing

RECORD_SECONDS: Final = 5.0
"""Least time between two records of progress, in seconds."""
_SECTIONS: Final = ("reader", "standardize", "screen", "executor")
"""Settings that a screen reads."""


def tags_of(job: Assignment) -> dict[str, str]:
    """Labels that link the run to its model and plan."""
    plan = job.plan
    tags = {
        "model_name": plan.model.name,
        "model_fingerprint": plan.model.fingerprint,
        "plan_fingerprint": plan.fingerprint,
        "library": ", ".join(f.name for f in plan.inputs)[:500],
        "data_digest": digest_json([f.digest for f in plan.inputs]),
        "seed": str(plan.notes.get("seed", 0)),
    }
    training = _training_run(job.source.path)
    return tags | ({"training_run_id": training} if training else {})


def log_begin(job: Assignment, run: TrackedRun) -> None:
    """Record settings and inputs before the work."""
    plan = job.plan
    settings = plan.notes.get("settings", {})
    shown = {name: settings[name] for name in _SECTIONS if name in settings}
    shown["executor"] = job.executor.model_dump(mode="json")
    run.log_params({**flat(shown), "seed": plan.notes.get("seed", 0), "rows": plan.rows, "partitions": plan.partitions})
    for file in plan.inputs:
        run.log_dataset(file.name, digest=file.digest, source=file.name, context="library")
    Recipe(
        kind="screen",
        inputs=tuple(plan.notes.get("inputs") or [file.name for file in plan.inputs]),
        digests=tuple(file.digest for file in plan.inputs),
        seed=int(plan.notes.get("seed", 0)),
        settings={name: value for name, value in settings.items() if name != "tracking"},
        model=plan.model.fingerprint,
    ).log(run)


class Recorder:
    """Records how far a screen is, at most once in :data:`RECORD_SECONDS`, so that a million partitions fill no store.

    Args:
        run: The tracked run.
        begun: When the work began, by the monotonic clock, seconds.
        clock: The monotonic clock.
    """

    def __init__(self, run: TrackedRun, begun: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._begun, self._clock = run, begun, clock
        self._next = begun

    def observe(self, doing: Doing) -> None:
        """Record the figures after a partition, unless others were recorded a moment ago."""
        if self._clock() >= self._next:
            self._next = self._clock() + RECORD_SECONDS
            self.write(doing)

    def write(self, doing: Doing) -> None:
        """Record the figures now."""
        if doing.rows:
            self._run.log_metrics(progress_of(doing, self._begun), step=doing.finished)


def progress_of(doing: Doing, begun: float) -> dict[str, float]:
    """Figures after each partition; ``begun`` by the monotonic clock, seconds."""
    elapsed = max(time.monotonic() - begun, 1e-9)
    figures = {"rows_done": doing.rows, "rejects": doing.rejected, "rows_per_second": doing.rows / elapsed}
    return figures if doing.best is None else {**figures, "best_score": doing.best}


def log_end(job: Assignment, finished: Finished, run: TrackedRun, *, seconds: float) -> None:
    """Record counts, histogram, hits with pictures, and the report, if there is who keeps them."""
    if not run.run_id:
        return
    totals, folder = finished.totals, job.folder
    counts = {
        "rows": totals.rows,
        "scored": totals.scored,
        "rejected": totals.rejected,
        "duplicates": totals.duplicates,
    }
    stages = {f"rejected_at_{stage}": float(n) for stage, n in totals.rejects_by_stage.items()}
    audit = audit_run(folder, job.plan, finished.hits)
    missed = {} if audit is None else audit.figures()
    run.log_metrics({**counts, **stages, **missed, "hits": finished.hits.num_rows, "seconds": seconds})
    run.set_tags({"scores_digest": totals.scores_digest})
    run.log_table("hits", with_structures(finished.hits))
    last = float(finished.hits["score"][-1].as_py()) if finished.hits.num_rows else None
    with tempfile.TemporaryDirectory(prefix="cinchona-") as scratch:
        figure = Path(scratch, "score_histogram.svg")
        histogram = totals.histogram
        svg = histogram_svg(histogram.edges.tolist(), histogram.counts, label="score", mark=last)
        write_text(figure, standalone(svg))
        run.log_artifact(figure)
    for path in (folder.report, folder.manifest, folder.hits, folder.hits.with_suffix(".csv"), folder.rejects):
        run.log_artifact(path)


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested settings as dotted names.

    >>> flat({"screen": {"top_k": 5}})
    {'screen.top_k': 5}
    """
    found: dict[str, object] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        found.update(flat(item, f"{name}.") if isinstance(item, Mapping) else {name: item})
    return found


def _training_run(model: str) -> str:
    """Id of the tracked run that trained the model, if its folder knows it."""
    if not model:
        return ""
    training = read_trust(model).get("training")
    return str(training.get("run_id") or "") if isinstance(training, dict) else ""
