"""What ``cinchona doctor --profile`` looks at: whether a site can be used from here, and if not, what to do."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.cli.checkup import Finding

if TYPE_CHECKING:
    from cinchona.screening.profile import SiteProfile

_PACKAGES: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("slurm", "pbs", "lsf"), ("dask_jobqueue", "slurm")),
    "kubernetes": ("dask_kubernetes", "k8s"),
    "ssh": ("asyncssh", "ssh"),
}
"""Package that each kind of site needs, and the extra that brings it."""
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "slurm": ("sbatch", "squeue", "scancel"),
    "pbs": ("qsub", "qdel"),
    "lsf": ("bsub", "bkill"),
    "ssh": ("ssh",),
}
_SECONDS: Final = 10.0


def examine_site(file: Path) -> list[Finding]:
    """Findings for the profile in ``file``; a check that fails stops none of the others.

    Raises:
        ConfigError: if the profile itself is wrong.
    """
    from cinchona.screening.profile import load_profile

    site = load_profile(file)
    found = [Finding("profile", "ok", f"{file}: kind {site.kind}")]
    for check in (_package, _commands, _queue, _scheduler, _hosts, _interface, _lifetime, _tls, _script):
        found += _guarded(check, site)
    return found


def _guarded(check: Callable[[SiteProfile], Iterator[Finding]], site: SiteProfile) -> list[Finding]:
    try:
        return list(check(site))
    except Exception as error:  # noqa: BLE001 - the next check may still say something
        return [Finding(check.__name__.strip("_"), "fault", str(error))]


def _package(site: SiteProfile) -> Iterator[Finding]:
    package, extra = _PACKAGES.get(site.kind, ("distributed", "screening"))
    if importlib.util.find_spec(package) is None:
        yield Finding("package", "fault", f"{package} is not installed: pip install 'cinchona[{extra}]'")
    else:
        yield Finding("package", "ok", f"{package} is installed")


def _commands(site: SiteProfile) -> Iterator[Finding]:
    for name in _COMMANDS.get(site.kind, ()):
        path = shutil.which(name)
        if path is None:
            yield Finding(name, "fault", "not found; work on a login node, or load the batch system's module")
        else:
            yield Finding(name, "ok", path)


def _queue(site: SiteProfile) -> Iterator[Finding]:
    if site.kind != "slurm" or shutil.which("sinfo") is None:
        return
    answer = subprocess.run(
        ["sinfo", "-h", "-o", "%R %a %D"], check=False, capture_output=True, text=True, timeout=_SECONDS
    )
    if answer.returncode:
        yield Finding("slurm", "fault", f"it does not answer: {answer.stderr.strip()}; ask your administrators")
        return
    queues = {line.split()[0]: line.split()[1] for line in answer.stdout.splitlines()}
    yield Finding("slurm", "ok", f"answers; partitions: {', '.join(sorted(queues))}")
    if site.job.queue is not None and site.job.queue not in queues:
        yield Finding("queue", "fault", f"there is no partition {site.job.queue}; set job.queue to one of the above")
    elif site.job.queue is not None and queues[site.job.queue] != "up":
        yield Finding("queue", "remark", f"partition {site.job.queue} is {queues[site.job.queue]}; jobs will wait")


def _scheduler(site: SiteProfile) -> Iterator[Finding]:
    if site.address is None:
        return
    host, _, port = site.address.split("://")[1].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_SECONDS):
            yield Finding("scheduler", "ok", f"{site.address} takes connections")
    except OSError as error:
        yield Finding("scheduler", "fault", f"{site.address}: {error}; start it, or mend the address")


def _hosts(site: SiteProfile) -> Iterator[Finding]:
    for host in site.ssh.hosts if shutil.which("ssh") else ():
        login = f"{site.ssh.username}@{host}" if site.ssh.username else host
        command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_SECONDS:.0f}", "--", login, "true"]
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=3 * _SECONDS)
        if answer.returncode:
            yield Finding(host, "fault", f"{answer.stderr.strip()[:200]}; log in once by hand, with a key")
        else:
            yield Finding(host, "ok", "lets us in without a password")


def _interface(site: SiteProfile) -> Iterator[Finding]:
    if site.interface is None:
        return
    known = [name for _, name in socket.if_nameindex()]
    if site.interface in known:
        yield Finding("interface", "ok", f"{site.interface} is here; nodes must have it too")
    else:
        yield Finding("interface", "fault", f"{site.interface} is not here; set interface to one of {', '.join(known)}")


def _lifetime(site: SiteProfile) -> Iterator[Finding]:
    from cinchona.screening.profile import BATCH_KINDS, n_seconds

    if site.lifetime is None or site.kind not in BATCH_KINDS:
        return
    if n_seconds(site.lifetime) >= n_seconds(site.job.walltime):
        yield Finding("lifetime", "fault", f"workers live {site.lifetime}, jobs only {site.job.walltime}; shorten it")
    else:
        yield Finding("lifetime", "ok", f"workers make room after {site.lifetime} of {site.job.walltime}")


def _tls(site: SiteProfile) -> Iterator[Finding]:
    from cinchona.screening.executors.security import security_of

    if security_of(site) is not None:
        yield Finding("tls", "ok", "connections are encrypted and both sides prove who they are")
    elif site.kind == "local":
        yield Finding("tls", "ok", "not needed: everything stays on this machine")
    else:
        yield Finding("tls", "remark", "off: whoever reaches the scheduler can run code as you; set tls.mode to files")


def _script(site: SiteProfile) -> Iterator[Finding]:
    """The script or manifest can be made."""
    from cinchona.screening.executors.jobs import job_script
    from cinchona.screening.executors.pods import manifest
    from cinchona.screening.profile import BATCH_KINDS

    made: Any = None
    if site.kind in BATCH_KINDS:
        made = job_script(site)
    elif site.kind == "kubernetes":
        made = manifest(site)
    if made is not None:
        yield Finding("job", "ok", f"a {'manifest' if site.kind == 'kubernetes' else 'script'} can be written")
