"""Dask clusters by the profile of a site: on this machine, by SSH, as jobs, as pods, or one that runs already."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import dask
from distributed import Client, LocalCluster, Scheduler, SpecCluster

from cinchona.errors import RetryableError
from cinchona.screening.executors.jobs import CLASSES, job_options, jobqueue, make_folders
from cinchona.screening.executors.pods import manifest
from cinchona.screening.executors.security import security_of
from cinchona.screening.executors.spawning import WORKER_ENVIRONMENT, single_threaded_children
from cinchona.screening.profile import SiteProfile, n_seconds

_LOOPBACK: Final = "127.0.0.1"
_RECONNECT: Final = 30.0
"""How long a driver looks for a scheduler that it has lost or not yet found, in seconds; then it ends as retryable."""
_TARGET_DURATION: Final = "100ms"
"""Dask would start as many workers as finish what it knows of in this time. It knows of the partitions in flight only, two
for each worker that may come, so a short time means a worker for each of them."""
_SHARED_TEMPORARY: Final = "jobqueue.{kind}.shared-temp-directory"


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """What the executor adds to a profile."""

    workers: int
    """Worker processes."""
    memory_limit: str
    """Memory of one worker on this machine."""
    dashboard: bool
    """Whether to serve Dask's dashboard, on the loopback interface."""
    scratch: str
    """Folder for what workers on this machine put aside."""


def connect(site: SiteProfile, options: SiteOptions, stack: ExitStack) -> Client:
    """Start what the profile asks for, wait for the first worker, and connect to it; ``stack`` ends it again.

    Raises:
        ConfigError: if it is not said how to encrypt.
        MissingDependencyError: if a package is not installed.
        RetryableError: if no worker comes.
    """
    security = security_of(site)
    if site.kind == "address":
        return _client(site.address, site, security, stack)
    stack.enter_context(dask.config.set(_lifetime(site)))
    cluster = stack.enter_context(_START[site.kind](site, options, security, stack))
    if site.adaptive is not None:
        adaptive = site.adaptive
        cluster.adapt(minimum=adaptive.minimum, maximum=adaptive.maximum, target_duration=_TARGET_DURATION)
    elif site.kind in CLASSES:
        # Jobs end with their wall time; this keeps their number.
        cluster.adapt(minimum=options.workers, maximum=options.workers)
    return _client(cluster, site, security, stack)


def _client(target: Any, site: SiteProfile, security: Any, stack: ExitStack) -> Client:  # noqa: ANN401 - Dask's own
    try:
        client: Client = stack.enter_context(
            Client(target, security=security, set_as_default=False, timeout=min(site.start_seconds, _RECONNECT))
        )
        if site.adaptive is None or site.adaptive.minimum:
            client.wait_for_workers(1, timeout=site.start_seconds)
    except (OSError, TimeoutError) as error:
        raise RetryableError(
            f"no scheduler answered, or no worker came, within {site.start_seconds:g} seconds: {error}",
            where=f"site of kind {site.kind}",
            remedy="see the queue and the workers' logs; 'cinchona doctor --profile FILE' checks the rest",
        ) from error
    return client


def _local(site: SiteProfile, options: SiteOptions, _security: object, _stack: ExitStack) -> SpecCluster:
    with single_threaded_children():
        return LocalCluster(
            n_workers=0 if site.adaptive else options.workers,
            threads_per_worker=1,
            processes=True,
            host=_LOOPBACK,
            scheduler_port=0,
            dashboard_address=f"{_LOOPBACK}:0",  # without an address Dask listens on all interfaces
            scheduler_kwargs={"dashboard": options.dashboard},
            memory_limit=0 if options.memory_limit == "0" else options.memory_limit,
            local_directory=options.scratch,
            silence_logs=logging.CRITICAL,
        )


def _jobs(site: SiteProfile, options: SiteOptions, security: object, stack: ExitStack) -> SpecCluster:
    certificates = make_folders(site)
    stack.enter_context(dask.config.set({_SHARED_TEMPORARY.format(kind=site.kind): str(certificates)}))
    cluster: SpecCluster = getattr(jobqueue(), f"{CLASSES[site.kind]}Cluster")(
        security=security,
        scheduler_options=_scheduler(site, options),
        silence_logs=logging.CRITICAL,
        **job_options(site),
    )
    for name, file in vars(cluster).items():
        if name.startswith("_job_") and hasattr(
            file, "close"
        ):  # the certificates go when these are closed, which Dask leaves to chance
            stack.callback(file.close)
    return cluster


def _ssh(site: SiteProfile, options: SiteOptions, security: Any, stack: ExitStack) -> SpecCluster:  # noqa: ANN401
    from distributed.deploy.ssh import Worker

    # Workers learn where the certificates are from the settings that they inherit; the files lie on each host.
    stack.enter_context(dask.config.set(_tls_settings(site)))
    worker = {
        "connect_options": {"username": site.ssh.username} if site.ssh.username else {},
        "kwargs": {"nthreads": 1, "interface": site.interface},
        "worker_class": "distributed.Nanny",
        "remote_python": site.ssh.python or sys.executable,
    }
    places = [host for host in site.ssh.hosts for _ in range(site.ssh.processes)]
    workers = {i: {"cls": Worker, "options": {**worker, "address": host}} for i, host in enumerate(places)}
    scheduler = {"cls": Scheduler, "options": {**_scheduler(site, options), "security": security}}
    return SpecCluster(workers, scheduler, security=security, silence_logs=logging.CRITICAL)


def _pods(site: SiteProfile, _options: SiteOptions, _security: object, _stack: ExitStack) -> SpecCluster:
    spec = manifest(site)
    from dask_kubernetes.operator import KubeCluster

    cluster: SpecCluster = KubeCluster(custom_cluster_spec=spec, namespace=site.kubernetes.namespace)
    return cluster


_START: Final[Mapping[str, Callable[[SiteProfile, SiteOptions, Any, ExitStack], SpecCluster]]] = {
    "local": _local,
    "ssh": _ssh,
    "kubernetes": _pods,
    **dict.fromkeys(CLASSES, _jobs),
}


def _scheduler(site: SiteProfile, options: SiteOptions) -> dict[str, Any]:
    """A scheduler in this process that nodes reach, with a dashboard that only this machine sees."""
    return {
        "interface": site.interface,
        "dashboard_address": f"{_LOOPBACK}:0",
        "dashboard": options.dashboard,
        "protocol": "tcp://" if site.tls.mode == "off" else "tls://",
    }


def _lifetime(site: SiteProfile) -> dict[str, Any]:
    """Settings that make workers of this process's nannies begin afresh; jobs and pods get theirs on the command line."""
    if site.lifetime is None or site.kind not in {"local", "ssh"}:
        return {}
    life = n_seconds(site.lifetime)
    return {
        "distributed.worker.lifetime.duration": f"{life}s",
        "distributed.worker.lifetime.stagger": f"{life / 10:g}s",
        "distributed.worker.lifetime.restart": True,
    }


def _tls_settings(site: SiteProfile) -> dict[str, Any]:
    settings: dict[str, Any] = {"distributed.nanny.pre-spawn-environ": dict(WORKER_ENVIRONMENT)}
    if site.tls.mode != "files":
        return settings
    key = {"cert": str(site.tls.cert_file), "key": str(site.tls.key_file)}
    return settings | {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": str(site.tls.ca_file),
        **{f"distributed.comm.tls.{role}": key for role in ("worker", "scheduler", "client")},
    }
