"""Workers as jobs of SLURM, PBS or LSF: a profile as dask-jobqueue wants it, and the script that comes out."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cinchona.errors import MissingDependencyError
from cinchona.screening.executors.spawning import WORKER_ENVIRONMENT
from cinchona.screening.profile import SiteProfile, n_seconds

CLASSES: Final = {"slurm": "SLURM", "pbs": "PBS", "lsf": "LSF"}
"""Names of dask-jobqueue's classes by kind of site."""
_MARGIN: Final = 0.1
"""Share of the wall time that is left when a worker makes room, unless the profile says more."""
_STAGGER: Final = 0.05
"""Share of its life by which workers end apart from each other."""


def job_options(site: SiteProfile) -> dict[str, Any]:
    """What dask-jobqueue is to put into the jobs of a site."""
    job = site.job
    life = n_seconds(site.lifetime) if site.lifetime else int(n_seconds(job.walltime) * (1 - _MARGIN))
    options: dict[str, Any] = {
        "cores": job.cores,
        "processes": job.cores,
        "memory": job.memory,
        "queue": job.queue,
        "walltime": _walltime(site),
        "python": job.python or sys.executable,
        "job_name": "cinchona-worker",
        "job_extra_directives": list(job.directives),
        "job_script_prologue": [*(f"export {k}={v}" for k, v in WORKER_ENVIRONMENT.items()), *job.prologue],
        # A worker that makes room hands its job back; the cluster starts another while there is work.
        "worker_extra_args": [
            "--lifetime", f"{life}s", "--lifetime-stagger", f"{math.ceil(life * _STAGGER)}s",
            "--dashboard-address", "127.0.0.1:0",
        ],
        "interface": site.interface,
        "log_directory": str(job.logs.expanduser()),
        "local_directory": None,
    }  # fmt: skip
    if site.kind == "lsf":
        return options | {"project": job.account, "use_stdin": True, "ncpus": job.cores}
    return options | {"account": job.account}


def job_script(site: SiteProfile, *, scheduler: str = "tls://scheduler:8786") -> str:
    """The script of one job of a site, as it would be submitted.

    Raises:
        MissingDependencyError: if dask-jobqueue is not installed.
    """
    module = jobqueue()
    job = getattr(module, site.kind)
    made = getattr(job, f"{CLASSES[site.kind]}Job")(scheduler, name="worker", **job_options(site))
    return str(made.job_script())


def jobqueue() -> ModuleType:
    """The package dask-jobqueue.

    Raises:
        MissingDependencyError: if it is not installed.
    """
    try:
        return importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise missing("dask-jobqueue", "slurm") from error


def missing(package: str, extra: str) -> MissingDependencyError:
    """The error of a site whose package is not installed."""
    return MissingDependencyError(f"{package} is not installed", remedy=f"pip install 'cinchona[{extra}]'")


def _walltime(site: SiteProfile) -> str:
    """The wall time as the batch system writes it: LSF knows no seconds, PBS no days."""
    if site.kind == "slurm":
        return site.job.walltime
    minutes, seconds = divmod(n_seconds(site.job.walltime), 60)
    hours, minutes = divmod(minutes, 60)
    if site.kind == "lsf":
        return f"{hours:02d}:{minutes:02d}"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"


def make_folders(site: SiteProfile) -> Path:
    """Make the folders of logs and temporary certificates, for this user alone; returns the latter."""
    certificates = site.tls.folder.expanduser()
    site.job.logs.expanduser().mkdir(parents=True, exist_ok=True)
    certificates.mkdir(mode=0o700, parents=True, exist_ok=True)
    return certificates
