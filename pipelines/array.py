"""A screen as an array of jobs without a driver: a plan and scripts, tasks that share the work, and a last job."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from cinchona.errors import ConfigError, UsageError
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import Inputs, planned, planned_executor, planned_source
from cinchona.protocols import Scorer
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import Lease
from cinchona.screening.plan import load_plan
from cinchona.screening.profile import JobConfig, load_profile
from cinchona.screening.run import Assignment, execute, share_of
from cinchona.screening.slurm_array import write_scripts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """A screen that waits for its array."""

    folder: Path
    """The run folder."""
    rows: int
    """Rows of the library."""
    partitions: int
    """Partitions planned."""
    tasks: int
    """Tasks of the array; never more than partitions."""
    submit: Path
    """Script that hands the run to SLURM."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task of an array did."""

    folder: Path
    """The run folder."""
    task: int
    """Which task, from 0."""
    of: int
    """Of how many."""
    partitions: int
    """Partitions done now."""
    before: int
    """Partitions of this task that were done before."""
    rows: int
    """Rows done now."""
    rejected: int
    """Rows rejected in them."""
    best: float | None
    """Best score seen now."""


def plan_array(
    library: Inputs,
    *,
    model: str | Path | Scorer,
    out: str | Path,
    tasks: int,
    settings: Settings | None = None,
    seed: int = 0,
) -> ArrayPlan:
    """Plan a screen and write the scripts of a SLURM array; nothing is scored.

    The same call on the same folder writes the scripts anew, so that a run can go on with other tasks or limits.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        model: Model folder; a scorer that is given as an object must be given to each task too.
        out: Folder of the run, on a file system that all nodes share.
        tasks: Tasks of the array.
        settings: Settings; None for the defaults. ``executor.profile`` says how the site's jobs look; within each job
            work goes to as many processes as it has processors.
        seed: Written into the manifest.

    Raises:
        ConfigError: if the profile is not for SLURM.
        CinchonaError: all that :func:`cinchona.pipelines.screen.screen` raises before it scores.
    """
    chosen = settings or Settings()
    shape = _job(chosen.executor.profile)
    kind = "processes" if shape.cores > 1 else "serial"
    within = chosen.executor.model_copy(update={"kind": kind, "workers": shape.cores, "profile": None})
    with planned(
        library, model=model, out=out, settings=chosen.model_copy(update={"executor": within}), seed=seed
    ) as run:
        useful = min(tasks, run.plan.partitions)
        submit = write_scripts(run.folder, shape, tasks=useful)
        return ArrayPlan(run.folder.root, run.plan.rows, run.plan.partitions, useful, submit)


def work(
    out: str | Path,
    *,
    task: int,
    of: int,
    model: str | Path | Scorer | None = None,
    executor: ExecutorConfig | None = None,
) -> TaskResult:
    """Do one task's share of a planned screen: each ``of``-th partition from ``task`` on that has no receipt yet.

    Any number of tasks may work at the same time, also two of the same number: the first receipt counts.

    Args:
        out: Folder of the run.
        task: Which task, from 0.
        of: How many tasks there are.
        model: Where the model is now, if it was moved.
        executor: Where to work; None for what the plan says.

    Raises:
        UsageError: if there is no such task.
        InputError: if the folder holds no plan.
        LockedError: if a driver is at work in the folder, or took it over.
        CinchonaError: all that :func:`cinchona.pipelines.screen.resume` raises.
    """
    if not 0 <= task < of:
        raise UsageError(f"there is no task {task} of {of}", expected=f"a number from 0 to {of - 1}")
    folder = RunFolder(Path(out).absolute())
    plan = load_plan(folder)
    config = executor or planned_executor(plan)
    doing = share_of(folder, plan, task=task, of=of)
    if doing.left:
        source = planned_source(folder, plan, model)
        with Lease.join(folder.lease, seconds=config.lease_seconds) as lease:
            execute(Assignment(folder, plan, source, config, lease), doing)
    else:
        logger.info("task %d of %d has nothing left to do", task, of)
    return TaskResult(
        folder=folder.root,
        task=task,
        of=of,
        partitions=doing.finished - doing.reused,
        before=doing.reused,
        rows=doing.rows,
        rejected=doing.rejected,
        best=doing.best,
    )


def _job(profile: Path | None) -> JobConfig:
    if profile is None:
        return JobConfig()
    site = load_profile(profile)
    if site.kind != "slurm":
        raise ConfigError(
            f"an array of jobs is written for SLURM, the profile is of kind {site.kind}",
            where=str(profile),
            expected="kind: slurm",
            remedy="leave --array out: Dask's workers run as jobs then",
        )
    return site.job
