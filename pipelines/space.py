"""Screening a space of products that are never built: a space file and a model in; hits, rejects and a report out."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.digests import digest_file
from cinchona.errors import InputError, PlanMismatchError, RetryableError, RunInterrupted
from cinchona.files import write_json, write_text
from cinchona.manifest import InputFile, Manifest
from cinchona.pipelines.config import Settings
from cinchona.pipelines.report_space import write_space_report
from cinchona.pipelines.screen import scorer_source
from cinchona.pipelines.space_plan import planned_space
from cinchona.pipelines.space_result import SpaceResult
from cinchona.progress import Progress, progress
from cinchona.protocols import Failed, Scorer, TrackedRun, Tracker
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors.choose import make_executor
from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder
from cinchona.screening.identity import decisive_versions, differences, mismatch
from cinchona.screening.interrupt import stops_in_order
from cinchona.screening.lease import Lease
from cinchona.screening.scorers import FolderScorer, ScorerSource
from cinchona.screening.synthons.outcome import (
    SpaceTotals,
    find_hits,
    reagent_table,
    reject_table,
    sum_up,
    write_tables,
)
from cinchona.screening.synthons.plan import SpacePlan, finished_units, load_space_plan
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.spacefile import is_space
from cinchona.screening.synthons.units import Unit, plan_units
from cinchona.screening.synthons.work import UnitDone, UnitWork
from cinchona.tracking import NullTracker

logger = logging.getLogger(__name__)

_TRIES: Final = 2


def screen_space(
    space: str | Path,
    *,
    model: str | Path | Scorer,
    out: str | Path,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> SpaceResult:
    """Score every product of a space. The same call on the same folder goes on where an earlier one stopped.

    Args:
        space: Space file.
        model: Model folder, or a scorer.
        out: Folder of the run: new, empty, or that of the same run.
        settings: Settings; None for the defaults.
        seed: Decides which products are audited.
        tracker: Keeps a record of the run; None for none.

    Raises:
        InputError: if space or folder cannot be used.
        PlanMismatchError: if the folder was planned for something else.
        RunInterrupted: after SIGINT or SIGTERM; the folder can be resumed.
        CinchonaError: what opening the model or the disk raises.
    """
    chosen = settings or Settings()
    folder = RunFolder(Path(out).absolute())
    folder.require_fresh_or_ours()
    source = scorer_source(model, chosen.screen.objective)
    with Lease.acquire(folder.lease, seconds=chosen.executor.lease_seconds) as lease:
        loaded = SynthonSpace.load(Path(space))
        plan = planned_space(folder, Path(space), loaded, source, chosen, seed)
        return _carry_out(_Job(folder, loaded, plan, source, chosen.executor, lease), tracker or NullTracker())


def resume_space(
    out: str | Path,
    *,
    model: str | Path | Scorer | None = None,
    executor: ExecutorConfig | None = None,
    tracker: Tracker | None = None,
) -> SpaceResult:
    """Go on with a run over a space that was interrupted; everything is read from its folder.

    Raises:
        InputError: if the folder holds no such run, or the model must be given.
        PlanMismatchError: if space, model or code are no longer those that were planned.
        CinchonaError: all that :func:`screen_space` raises.
    """
    folder = RunFolder(Path(out).absolute())
    plan = load_space_plan(folder)
    config = executor or ExecutorConfig.model_validate(plan.notes.get("settings", {}).get("executor", {}))
    if model is None and not plan.model.path:
        raise InputError("the scorer was given as an object, so it must be given again", where=str(folder.root))
    source = scorer_source(model if model is not None else plan.model.path, plan.objective)
    with Lease.acquire(folder.lease, seconds=config.lease_seconds) as lease:
        loaded = SynthonSpace.load(Path(plan.path))
        now = {"digest": loaded.digest, "compiled": loaded.compiled_digest, "model": source.fingerprint,
               "versions": decisive_versions()}  # fmt: skip
        if found := differences(plan.identity, plan.identity | now):
            raise mismatch(folder, found)
        return _carry_out(_Job(folder, loaded, plan, source, config, lease), tracker or NullTracker())


def space_status(out: str | Path) -> dict[str, Any]:
    """How far a run over a space is, from its folder alone.

    Raises:
        InputError: if the folder holds no such run.
    """
    folder = RunFolder(Path(out).absolute())
    plan = load_space_plan(folder)
    done = len(list(folder.receipts.glob("*/*.safetensors"))) if folder.receipts.is_dir() else 0
    return {
        "folder": str(folder.root),
        "space": plan.name,
        "model": plan.model.name,
        "products": plan.offered,
        "units": plan.units,
        "units_done": done,
        "finished": folder.success.is_file(),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A planned run that this driver holds."""

    folder: RunFolder
    space: SynthonSpace
    plan: SpacePlan
    source: ScorerSource
    executor: ExecutorConfig
    lease: Lease


def _as_planned(source: ScorerSource, plan: SpacePlan) -> ScorerSource:
    """The scorer with the matrix product of the plan: hits that are scored again have to have the same last bits."""
    return replace(source, product=plan.product) if isinstance(source, FolderScorer) else source


def _carry_out(job: _Job, tracker: Tracker) -> SpaceResult:
    """Do what is left, write what is missing, and say what came of it."""
    folder, space, plan = job.folder, job.space, job.plan
    done = set(finished_units(folder, plan))
    if len(done) == plan.units and folder.success.is_file() and folder.report.is_file():
        logger.info("%s is finished; there was nothing to do", folder.root)
        return SpaceResult.of(folder, plan, sum_up(folder, space, plan), pq.read_table(folder.hits), "")
    with tracker.run(f"screen {plan.name}"[:100], kind="screen", tags=_tags(plan)) as run:
        run.log_params({"products": plan.offered, "units": plan.units, "screen.top_k": plan.top_k,
                        "space.audit": plan.space.audit, "seed": plan.seed})  # fmt: skip
        run.log_metrics({name: float(value) for name, value in plan.notes.get("tables", {}).items()})
        run.log_dataset(plan.name, digest=plan.digest, source=plan.name, context="library")
        folder.success.unlink(missing_ok=True)
        _execute(job, [unit for unit in plan_units(space) if unit.number not in done], run)
        totals = sum_up(folder, space, plan)
        hits = find_hits(space, _as_planned(job.source, plan).open(), plan, totals)
        _write(folder, space, plan, totals, hits)
        _log_end(folder, totals, hits, run)
        return SpaceResult.of(folder, plan, totals, hits, run.run_id)


def _tags(plan: SpacePlan) -> dict[str, str]:
    return {
        "model_name": plan.model.name,
        "model_fingerprint": plan.model.fingerprint,
        "plan_fingerprint": plan.fingerprint,
        "library": plan.name,
    }


def _execute(job: _Job, todo: list[Unit], run: TrackedRun) -> None:
    """Do the units that are left, each at most twice."""
    left = {unit.number: unit for unit in todo}
    if not left:
        return
    plan = job.plan
    work = UnitWork(str(job.folder.root), _as_planned(job.source, plan), job.lease.epoch)
    with (
        stops_in_order() as interruption,
        progress(plan.numbered, "scoring", unit="products") as shown,
        closing(make_executor(job.executor)) as executor,
    ):
        shown.advance(plan.numbered - sum(unit.products for unit in todo))
        news = _News(shown, run, plan.units)
        for attempt in range(_TRIES):
            for outcome in executor.map(work, interruption.until(iter(list(left.values())))):
                job.lease.check()
                if isinstance(outcome, Failed):
                    _failed(outcome, is_last=attempt == _TRIES - 1)
                else:
                    del left[outcome.result.unit]
                    news.tell(outcome.result, len(left))
            if not left or interruption.asked:
                break
    if left:
        raise RunInterrupted(f"the run was stopped with {len(left):,} of {plan.units:,} units left",
                             where=str(job.folder.root), remedy=f"go on with: cinchona resume {job.folder.root}")  # fmt: skip


@dataclass(slots=True)
class _News:
    """Tells people how far a run is."""

    shown: Progress
    run: TrackedRun
    units: int
    begun: float = field(default_factory=time.monotonic)
    scored: int = 0
    best: float = -math.inf

    def tell(self, done: UnitDone, left: int) -> None:
        """Take note of a unit."""
        self.scored += done.scored
        self.best = max(self.best, -math.inf if done.best is None else done.best)
        best = {} if self.best == -math.inf else {"best": self.best}
        self.shown.advance(done.scored + done.rejected, **best)
        rate = self.scored / max(time.monotonic() - self.begun, 1e-9)
        scores = {} if self.best == -math.inf else {"best_score": self.best}
        self.run.log_metrics({"rows_done": self.scored, "rows_per_second": rate, **scores}, step=self.units - left)


def _failed(outcome: Failed[Unit], *, is_last: bool) -> None:
    error = outcome.error
    logger.warning("unit %d failed: %s: %s", outcome.item.number, type(error).__name__, error)
    if is_last or isinstance(error, PlanMismatchError):
        raise error if not isinstance(error, OSError | MemoryError) else RetryableError(str(error)) from error


def _write(folder: RunFolder, space: SynthonSpace, plan: SpacePlan, totals: SpaceTotals, hits: pa.Table) -> None:
    failpoint("finish.before_outputs")
    write_tables(folder, hits, reject_table(space, totals), reagent_table(space, totals))
    failpoint("finish.after_hits")
    write_json(folder.root / "audit.json", _audit_record(totals))
    settings: Mapping[str, Any] = plan.notes.get("settings", {})
    Manifest(
        kind="screen",
        seed=plan.seed,
        config=dict(settings),
        inputs=(InputFile(name=plan.name, bytes=Path(plan.path).stat().st_size, digest=plan.digest),),
        counts={"rows": plan.offered, "scored": totals.scored, "rejected": totals.rejected, "hits": hits.num_rows},
        outputs={"plan": plan.fingerprint, "hits.parquet": digest_file(folder.hits)},
    ).write(folder.manifest)
    failpoint("finish.after_manifest")
    write_space_report(folder, plan, totals)
    write_text(folder.success, digest_file(folder.hits) + "\n")


def _audit_record(totals: SpaceTotals) -> dict[str, Any]:
    audit = totals.audit
    return {"products": audit.products, "largest_difference": audit.largest, "differing": audit.differing,
            "cannot_be_built": audit.missing, "filters_misjudged": totals.misjudged, "skipped": totals.skipped, "blocks_divided": totals.divided, "built_one_by_one": totals.built}  # fmt: skip


def _log_end(folder: RunFolder, totals: SpaceTotals, hits: pa.Table, run: TrackedRun) -> None:
    from cinchona.pipelines.depict import with_structures

    audit = totals.audit
    run.log_metrics({"rows": totals.scored + totals.rejected, "scored": totals.scored, "rejected": totals.rejected,
                     "hits": hits.num_rows, "audit_largest_difference": audit.largest, "audit_products": audit.products})  # fmt: skip
    run.log_table("hits", with_structures(hits))
    for path in (folder.report, folder.manifest, folder.hits, folder.hits.with_suffix(".csv"), folder.rejects):
        run.log_artifact(path)


__all__ = ["SpaceResult", "is_space", "resume_space", "screen_space", "space_status"]
