"""From settings to an executor."""

from __future__ import annotations

import os

from cinchona.errors import ConfigError
from cinchona.protocols import Executor
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors.process_pool import ProcessExecutor
from cinchona.screening.executors.serial import SerialExecutor
from cinchona.screening.profile import load_profile


def make_executor(config: ExecutorConfig) -> Executor:
    """Build the executor that ``config`` asks for; processes start when the first work comes.

    Raises:
        ConfigError: if the profile of the site is wrong, or does not fit the kind.
    """
    workers = config.workers or default_workers()
    if config.profile is not None and config.kind != "dask":
        raise ConfigError(
            f"a profile says where Dask workers run, executor.kind is {config.kind}",
            where="executor.profile",
            expected="executor.kind: dask",
            remedy="leave one of them out",
        )
    if config.kind == "serial":
        return SerialExecutor()
    if config.kind == "processes":
        return ProcessExecutor(workers, max_in_flight=config.in_flight, stall_seconds=config.stall_seconds)
    from cinchona.screening.executors.dask_cluster import DaskExecutor

    return DaskExecutor(
        workers,
        max_in_flight=config.in_flight,
        memory_limit=config.memory_limit,
        dashboard=config.dashboard,
        stall_seconds=config.stall_seconds,
        site=load_profile(config.profile) if config.profile else None,
    )


def n_workers(config: ExecutorConfig) -> int:
    """Processes that work at the same time.

    >>> n_workers(ExecutorConfig(kind="serial", workers=8)), n_workers(ExecutorConfig(workers=8))
    (1, 8)
    """
    if config.kind == "serial":
        return 1
    site = load_profile(config.profile) if config.profile else None
    return (site.most_workers if site else None) or config.workers or default_workers()


def default_workers() -> int:
    """Processors that this process may use, which a batch system may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
