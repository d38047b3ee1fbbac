"""From settings to an executor."""

from __future__ import annotations

import os

from cinchona.protocols import Executor
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors.process_pool import ProcessExecutor
from cinchona.screening.executors.serial import SerialExecutor


def make_executor(config: ExecutorConfig) -> Executor:
    """Build the executor that ``config`` asks for; processes start when the first work comes."""
    workers = config.workers or default_workers()
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
    )


def n_workers(config: ExecutorConfig) -> int:
    """Processes that work at the same time.

    >>> n_workers(ExecutorConfig(kind="serial", workers=8)), n_workers(ExecutorConfig(workers=8))
    (1, 8)
    """
    return 1 if config.kind == "serial" else config.workers or default_workers()


def default_workers() -> int:
    """Processors that this process may use, which a batch system may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
