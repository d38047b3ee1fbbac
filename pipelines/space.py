"""Screening a space of products that are never built: a space file and a model in; hits, rejects and a report out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.digests import digest_file, digest_json
from cinchona.errors import InputError, PlanMismatchError, RetryableError, RunInterrupted
from cinchona.files import write_json, write_text
from cinchona.manifest import InputFile, Manifest, mask_secrets
from cinchona.models.additive import additive_form
from cinchona.models.engine.gemm import chosen_gemm
from cinchona.pipelines.config import Settings
from cinchona.pipelines.report_space import write_space_report
from cinchona.pipelines.screen import scorer_source
from cinchona.progress import progress
from cinchona.protocols import Failed, Scorer, TrackedRun, Tracker
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors.choose import make_executor
from cinchona.screening.folder import RunFolder
from cinchona.screening.identity import decisive_versions, differences, mismatch
from cinchona.screening.interrupt import stops_in_order
from cinchona.screening.lease import Lease
from cinchona.screening.plan import PlanModel
from cinchona.screening.scorers import FolderScorer, ScorerSource
from cinchona.screening.synthons.collect import Bins
from cinchona.screening.synthons.ordinary import score_products
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

PROBED: Final = 512
"""Products that are built before a run, to know the range of scores."""
MOST_WITHOUT_TABLES: Final = 5_000_000
"""Products of a space whose model is no sum over atoms, so that each has to be built."""
_TRIES: Final = 2


@dataclass(frozen=True, slots=True, repr=False)
class SpaceResult:
    """A finished run over a space. Always ``offered == scored + rejected``."""

    folder: Path
    """Folder with everything."""
    offered: int
    """Combinations of all listed reagents."""
    scored: int
    """Products with a score."""
    rejected: int
    """Combinations without; ``rejects.csv`` says why."""
    reached: int | None
    """Products that reach the threshold; None without one."""
    hits: pa.Table
    """The best products, see :func:`cinchona.screening.synthons.outcome.find_hits`."""
    audited: int
    """Random products that were built and scored the ordinary way."""
    largest_difference: float
    """Largest difference of their scores."""
    built: int
    """Products that had to be built, since parts did not tell."""
    products_per_second: float
    """Products scored in a second of one worker."""
    plan: str
    """Fingerprint of the plan."""
    run_id: str = ""
    """Id of the tracked run."""

    def record(self) -> dict[str, Any]:
        """Figures and the first hits as plain data."""
        names = ["rank", "compound_id", "parent_smiles", "score"]
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in {"hits", "folder"}}
        return {
            "folder": str(self.folder),
            **plain,
            "hits": self.hits.num_rows,
            "report": str(self.folder / "report.html"),
            "best": self.hits.slice(0, 10).select(names).to_pylist(),
        }


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
        plan = _plan(folder, Path(space), loaded, source, chosen, seed)
        return _carry_out(folder, loaded, plan, source, chosen.executor, lease, tracker or NullTracker())


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
        return _carry_out(folder, loaded, plan, source, config, lease, tracker or NullTracker())


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


def _plan(
    folder: RunFolder, path: Path, space: SynthonSpace, source: ScorerSource, settings: Settings, seed: int
) -> SpacePlan:
    """Plan the run, or check that it was planned for the same."""
    scorer = source.open()
    known = load_space_plan(folder) if folder.is_planned() else None
    bins = known.bins if known else Bins.around(_probe(space, scorer, seed))
    plan = SpacePlan(
        fingerprint="",
        created=datetime.now(UTC).replace(microsecond=0),
        name=path.name,
        path=str(path.resolve()),
        digest=space.digest,
        compiled=space.compiled_digest,
        offered=space.offered,
        numbered=len(space),
        units=len(plan_units(space)),
        model=PlanModel(name=scorer.name, fingerprint=source.fingerprint, objective=scorer.objective, path=source.path),
        objective=settings.screen.objective,
        top_k=settings.screen.top_k,
        space=settings.space,
        exponent=bins.exponent,
        first=bins.first,
        seed=seed,
        versions=decisive_versions(),
        product=chosen_gemm(),
        notes={"settings": mask_secrets(settings.model_dump(mode="json"))},
    )
    plan = plan.model_copy(update={"fingerprint": digest_json(plan.identity)})
    if known is not None:
        if known.fingerprint != plan.fingerprint:
            raise mismatch(folder, differences(known.identity, plan.identity))
        return known
    form = additive_form(scorer)
    if isinstance(form, str):
        _warn_of_building(form, len(space), path)
    write_text(folder.plan, plan.model_dump_json(indent=2) + "\n")
    return plan


def _warn_of_building(why: str, products: int, path: Path) -> None:
    if products > MOST_WITHOUT_TABLES:
        raise InputError(
            f"{why}, and {products:,} products are too many to build one by one", where=str(path),
            expected=f"such a model on at most {MOST_WITHOUT_TABLES:,} products",
            remedy="use a graph network with a sum or mean readout and no descriptors, or a smaller space",
        )  # fmt: skip
    logger.warning("%s; the %s products are built one by one", why, f"{products:,}")


def _probe(space: SynthonSpace, scorer: Scorer, seed: int) -> np.ndarray:
    found = score_products(space, scorer, space.sample(PROBED, seed=seed + 1).tolist()) if len(space) else None
    return np.zeros(1) if found is None or found.scores is None else found.scores.score


def _carry_out(  # noqa: PLR0913 - everything that a run holds
    folder: RunFolder, space: SynthonSpace, plan: SpacePlan, source: ScorerSource, executor: ExecutorConfig,
    lease: Lease, tracker: Tracker,
) -> SpaceResult:  # fmt: skip
    if isinstance(source, FolderScorer):
        source = replace(source, product=plan.product)
    units = plan_units(space)
    done = set(finished_units(folder, plan))
    if len(done) == plan.units and folder.success.is_file() and folder.report.is_file():
        logger.info("%s is finished; there was nothing to do", folder.root)
        return _result(folder, plan, sum_up(folder, space, plan), pq.read_table(folder.hits), "")
    tags = {"model_name": plan.model.name, "model_fingerprint": plan.model.fingerprint, "plan_fingerprint": plan.fingerprint,
            "library": plan.name}  # fmt: skip
    with tracker.run(f"screen {plan.name}"[:100], kind="screen", tags=tags) as run:
        run.log_params({"products": plan.offered, "units": plan.units, "screen.top_k": plan.top_k,
                        "space.audit": plan.space.audit, "seed": plan.seed})  # fmt: skip
        run.log_dataset(plan.name, digest=plan.digest, source=plan.name, context="library")
        folder.success.unlink(missing_ok=True)
        todo = [unit for unit in units if unit.number not in done]
        work = UnitWork(str(folder.root), source, lease.epoch)
        _execute(folder, plan, todo, work, executor, lease, run)
        totals = sum_up(folder, space, plan)
        hits = find_hits(space, source.open(), plan, totals)
        _write(folder, space, plan, totals, hits)
        _log_end(folder, totals, hits, run)
        return _result(folder, plan, totals, hits, run.run_id)


def _execute(  # noqa: PLR0913 - as above
    folder: RunFolder, plan: SpacePlan, todo: list[Unit], work: UnitWork, config: ExecutorConfig, lease: Lease,
    run: TrackedRun,
) -> None:  # fmt: skip
    begun, scored, best = time.monotonic(), 0, None
    if not todo:
        return
    left = {unit.number: unit for unit in todo}
    with (
        stops_in_order() as interruption,
        progress(plan.numbered, "scoring", unit="products") as shown,
        closing(make_executor(config)) as executor,
    ):
        shown.advance(plan.numbered - sum(unit.products for unit in todo))
        for last in range(_TRIES):
            for outcome in executor.map(work, interruption.until(iter(list(left.values())))):
                lease.check()
                if isinstance(outcome, Failed):
                    _failed(outcome, is_last=last == _TRIES - 1)
                    continue
                found: UnitDone = outcome.result
                left.pop(found.unit, None)
                scored += found.scored
                best = found.best if best is None else max(best, found.best if found.best is not None else best)
                shown.advance(found.scored + found.rejected, **({} if best is None else {"best": best}))
                rate = scored / max(time.monotonic() - begun, 1e-9)
                run.log_metrics({"rows_done": scored, "rows_per_second": rate}, step=plan.units - len(left))
            if not left or interruption.asked:
                break
    if left:
        raise RunInterrupted(f"the run was stopped with {len(left):,} of {plan.units:,} units left",
                             where=str(folder.root), remedy=f"go on with: cinchona resume {folder.root}")  # fmt: skip


def _failed(outcome: Failed[Unit], *, is_last: bool) -> None:
    error = outcome.error
    logger.warning("unit %d failed: %s: %s", outcome.item.number, type(error).__name__, error)
    if is_last or isinstance(error, PlanMismatchError):
        raise error if not isinstance(error, OSError | MemoryError) else RetryableError(str(error)) from error


def _write(folder: RunFolder, space: SynthonSpace, plan: SpacePlan, totals: SpaceTotals, hits: pa.Table) -> None:
    write_tables(folder, hits, reject_table(space, totals), reagent_table(space, totals))
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
    write_space_report(folder, plan, totals)
    write_text(folder.success, digest_file(folder.hits) + "\n")


def _audit_record(totals: SpaceTotals) -> dict[str, Any]:
    audit = totals.audit
    return {"products": audit.products, "largest_difference": audit.largest, "differing": audit.differing,
            "cannot_be_built": audit.missing, "blocks_divided": totals.divided, "built_one_by_one": totals.built}  # fmt: skip


def _log_end(folder: RunFolder, totals: SpaceTotals, hits: pa.Table, run: TrackedRun) -> None:
    from cinchona.pipelines.depict import with_structures

    audit = totals.audit
    run.log_metrics({"rows": totals.scored + totals.rejected, "scored": totals.scored, "rejected": totals.rejected,
                     "hits": hits.num_rows, "audit_largest_difference": audit.largest, "audit_products": audit.products})  # fmt: skip
    run.log_table("hits", with_structures(hits))
    for path in (folder.report, folder.manifest, folder.hits, folder.hits.with_suffix(".csv"), folder.rejects):
        run.log_artifact(path)


def _result(folder: RunFolder, plan: SpacePlan, totals: SpaceTotals, hits: pa.Table, run_id: str) -> SpaceResult:
    return SpaceResult(
        folder=folder.root,
        offered=plan.offered,
        scored=totals.scored,
        rejected=totals.rejected,
        reached=None if plan.space.threshold is None else totals.reached,
        hits=hits,
        audited=totals.audit.products,
        largest_difference=totals.audit.largest,
        built=totals.built,
        products_per_second=totals.scored / totals.seconds if totals.seconds else 0.0,
        plan=plan.fingerprint,
        run_id=run_id,
    )


__all__ = ["SpaceResult", "is_space", "resume_space", "screen_space", "space_status"]
