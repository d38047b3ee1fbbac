"""The screening workflow: a library and a model in; ranked hits, rejects, a report and a tracked run out."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cinchona.datasets.prepared import rules_of
from cinchona.datasets.sources import Library, open_library
from cinchona.errors import InputError
from cinchona.manifest import mask_secrets
from cinchona.pipelines.cascade import stored_cascade, with_cascade
from cinchona.pipelines.config import Settings
from cinchona.pipelines.recipe import input_names
from cinchona.pipelines.report import write_screen_report
from cinchona.pipelines.screen_result import ScreenResult
from cinchona.pipelines.screen_tracking import Recorder, log_begin, log_end, tags_of
from cinchona.protocols import Scorer, TrackedRun, Tracker
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.finish import Finished, judge, mark_success, read_outputs, write_outputs
from cinchona.screening.folder import STAGING_PREFIX, RunFolder
from cinchona.screening.fsck import RunCheck
from cinchona.screening.fsck import fsck as check_folder
from cinchona.screening.identity import same_world
from cinchona.screening.lease import Lease
from cinchona.screening.plan import Plan, load_plan
from cinchona.screening.planning import ScreenRequest, same_plan, write_plan
from cinchona.screening.run import Assignment, Doing, execute, verified
from cinchona.screening.scorers import FolderScorer, ObjectScorer, ScorerSource, ranked_by
from cinchona.screening.status import RunStatus, run_status
from cinchona.tracking import NullTracker

logger = logging.getLogger(__name__)

Inputs = str | Path | Sequence[str | Path]
"""One input or several: files, globs, ``catalogue:NAME``, ``-`` for standard input."""


def screen(
    library: Inputs,
    *,
    model: str | Path | Scorer,
    out: str | Path,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> ScreenResult:
    """Score a library and rank the hits. The same call on the same folder goes on where an earlier one stopped.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        model: Model folder, or a scorer. A scorer that is given as an object is kept in memory only, so a resumed run
            must be given it again; with worker processes, cloudpickle must be able to pickle it.
        out: Folder of the run: new, empty, or that of the same screen.
        settings: Settings; None for the defaults.
        seed: Written into the manifest; decides which rows a cascade samples. Scoring itself draws nothing at random.
        tracker: Keeps a record of the run; None for none.

    Raises:
        InputError: if library or folder cannot be used.
        ModelFileError: if the model cannot be used.
        PlanMismatchError: if the folder was planned for something else.
        LockedError: if another driver is at work in the folder.
        RunInterrupted: after SIGINT or SIGTERM; the folder can be resumed.
        RetryableError: if disk or workers failed; the folder can be resumed.
        NoUsableRowsError: if no row could be scored; results are written.
        TooManyRejectsError: if more rows were rejected than the settings allow; results are written.
    """
    with planned(library, model=model, out=out, settings=settings, seed=seed) as job:
        return _carry_out(job, tracker or NullTracker())


@contextmanager
def planned(
    library: Inputs, *, model: str | Path | Scorer, out: str | Path, settings: Settings | None, seed: int
) -> Iterator[Assignment]:
    """Plan a screen, or check that its folder was planned for the same, and hold its lease for the block.

    Raises:
        CinchonaError: all that :func:`screen` raises before it scores.
    """
    chosen = settings or Settings()
    folder = RunFolder(Path(out).absolute())
    folder.require_fresh_or_ours()
    source = scorer_source(model, chosen.screen.objective)
    is_new = not folder.root.exists()
    with Lease.acquire(folder.lease, seconds=chosen.executor.lease_seconds) as lease:
        with _nothing_half_planned(folder, is_new=is_new), _library(folder, library, chosen) as opened:
            rules = rules_of(opened.files, chosen.standardize)
            if chosen.screen.cascade and not folder.is_planned():
                source = with_cascade(
                    folder, source, opened, chosen.model_copy(update={"standardize": rules}), seed=seed
                )
            elif chosen.screen.cascade:
                source = stored_cascade(folder, source)
            request = ScreenRequest(
                library=opened,
                source=source,
                scorer=source.open(),
                screen=chosen.screen,
                standardize=rules,
                reader=chosen.reader,
                notes={
                    "seed": seed,
                    "settings": mask_secrets(chosen.model_dump(mode="json")),
                    "inputs": list(input_names(library)),
                },
            )
            plan = _plan_of(folder, request)
        yield Assignment(folder, plan, _planned(source, plan), chosen.executor, lease)


def resume(
    out: str | Path,
    *,
    model: str | Path | Scorer | None = None,
    executor: ExecutorConfig | None = None,
    tracker: Tracker | None = None,
    wait: float = 0.0,
) -> ScreenResult:
    """Go on with a screen that was interrupted, killed or damaged; everything is read from its folder.

    Args:
        out: Folder of the run.
        model: Where the model is now, if it was moved, or the scorer, if the run was begun with an object.
        executor: Where to work; None for where it worked before.
        tracker: Keeps a record of the run; None for none.
        wait: How long to wait for a driver or array tasks that are still at work, in seconds.

    Raises:
        InputError: if the folder holds no plan, or the model must be given.
        PlanMismatchError: if library, model or code are no longer those that were planned.
        LockedError: if another driver is at work in the folder.
        CinchonaError: all that :func:`screen` raises.
    """
    folder = RunFolder(Path(out).absolute())
    plan = load_plan(folder)
    config = executor or planned_executor(plan)
    with Lease.acquire(folder.lease, seconds=config.lease_seconds, wait=wait) as lease:
        source = planned_source(folder, plan, model)
        return _carry_out(Assignment(folder, plan, source, config, lease), tracker or NullTracker())


def planned_executor(plan: Plan) -> ExecutorConfig:
    """Where the run was to work when it was planned."""
    return ExecutorConfig.model_validate(_settings_of(plan).get("executor", {}))


def planned_source(folder: RunFolder, plan: Plan, model: str | Path | Scorer | None) -> ScorerSource:
    """Where workers get the scorer of a planned run; everything that decides a score is compared with the plan.

    Raises:
        InputError: if the model must be given.
        PlanMismatchError: if library, model or code are no longer those that were planned.
    """
    source = scorer_source(model if model is not None else _planned_model(folder, plan), plan.screen.objective)
    if plan.screen.cascade:
        source = stored_cascade(folder, source)
    same_world(folder, plan, source.open())
    return _planned(source, plan)


def status(out: str | Path) -> RunStatus:
    """How far a screen is, whether it runs, has died or is finished.

    Raises:
        InputError: if the folder holds no plan.
    """
    return run_status(Path(out))


def fsck(out: str | Path, *, repair: bool = False) -> RunCheck:
    """Read every file of a screen's folder and say what is wrong; repair it on request.

    Raises:
        InputError: if the folder holds no run.
        LockedError: if it is to be repaired while a driver is at work.
        RetryableError: if the disk is full, read-only or failing.
    """
    return check_folder(Path(out), repair=repair)


def _carry_out(job: Assignment, tracker: Tracker) -> ScreenResult:
    """Do what is left, write what is missing, and say what came of it."""
    folder, plan = job.folder, job.plan
    doing = verified(folder, plan)
    finished, run_id = read_outputs(folder, plan) if doing.left == 0 else None, ""
    if finished is None:
        name = f"screen {', '.join(f.name for f in plan.inputs)}"[:100]
        with tracker.run(name, kind="screen", tags=tags_of(job)) as run:
            finished, run_id = _work(job, doing, run), run.run_id
    else:
        logger.info("%s is finished and whole; there was nothing to do", folder.root)
    judge(plan, folder, finished.totals)
    return ScreenResult.of(folder, plan, finished, run_id=run_id)


def _work(job: Assignment, doing: Doing, run: TrackedRun) -> Finished:
    folder, plan = job.folder, job.plan
    log_begin(job, run)
    begun = time.monotonic()
    record = Recorder(run, begun)
    execute(job, doing, observe=record.observe)
    record.write(doing)
    finished = write_outputs(folder, plan, settings=_settings_of(plan), seed=int(plan.notes.get("seed", 0)))
    write_screen_report(folder.root)
    mark_success(folder, finished.totals)
    log_end(job, finished, run, seconds=time.monotonic() - begun)
    return finished


def _plan_of(folder: RunFolder, request: ScreenRequest) -> Plan:
    """Plan the run, or check that it was planned for the same."""
    if not folder.is_planned():
        return write_plan(folder, request)
    plan = load_plan(folder)
    same_plan(folder, plan, request)
    return plan


@contextmanager
def _library(folder: RunFolder, inputs: Inputs, settings: Settings) -> Iterator[Library]:
    """Open the library; a run that is planned keeps its staged inputs, so copies made to compare are thrown away."""
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    with ExitStack() as stack:
        staging = folder.staged
        if folder.is_planned():
            staging = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=folder.root)))
        else:
            shutil.rmtree(folder.staged, ignore_errors=True)
        yield open_library(names, staging=staging, reader=settings.reader)


@contextmanager
def _nothing_half_planned(folder: RunFolder, *, is_new: bool) -> Iterator[None]:
    """If planning fails, remove what it began, so that a mistyped name leaves no folder behind."""
    try:
        yield
    except BaseException:
        if not folder.is_planned():
            shutil.rmtree(folder.staged, ignore_errors=True)
            for path in (folder.partitions, folder.cascade, folder.cascade.with_suffix(".safetensors")):
                path.unlink(missing_ok=True)
            if is_new and {p.name for p in folder.root.iterdir()} == {folder.lease.name}:
                shutil.rmtree(folder.root, ignore_errors=True)
        raise


def _planned(source: ScorerSource, plan: Plan) -> ScorerSource:
    """The source whose scorers multiply as the plan says."""
    return replace(source, product=plan.product) if isinstance(source, FolderScorer) else source


def scorer_source(model: str | Path | Scorer, expression: str | None) -> ScorerSource:
    """Where workers get the scorer: a model folder, or an object in memory.

    Raises:
        ModelFileError: if the folder holds no usable model.
        ConfigError: if the objective does not fit it.
    """
    if isinstance(model, str | Path):
        return FolderScorer.at(Path(model), expression)
    return ObjectScorer(ranked_by(model, expression))


def _planned_model(folder: RunFolder, plan: Plan) -> str:
    if not plan.model.path or not Path(plan.model.path).exists():
        what = f"the model folder {plan.model.path} is gone" if plan.model.path else "the scorer was given as an object"
        raise InputError(
            f"{what}, so it must be given again",
            where=str(folder.root),
            expected=f"the model {plan.model.name!r} with fingerprint {plan.model.fingerprint[:12]}",
            remedy="name it with --model, or resume(..., model=...)",
        )
    return plan.model.path


def _settings_of(plan: Plan) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = plan.notes.get("settings", {})
    return settings
