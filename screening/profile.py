"""The profile of a site: one YAML file that says where workers run and how they are started there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cinchona.errors import ConfigError
from cinchona.settings import Config, load_settings

SiteKind = Literal["local", "ssh", "slurm", "pbs", "lsf", "kubernetes", "address"]
"""Kinds of sites."""
BATCH_KINDS: Final = frozenset({"slurm", "pbs", "lsf"})
"""Sites whose workers are jobs of a batch system."""
SECTIONS: Final = {"ssh": "ssh", "slurm": "job", "pbs": "job", "lsf": "job", "kubernetes": "kubernetes"}
"""Section of the profile that each kind reads beside those that all read."""
_WALLTIME: Final = r"^(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d$"
_MEMORY: Final = r"^\d+(\.\d+)? ?([KMGT]i?)B$"
_DURATION: Final = r"^\d+ ?(s|min|h|d)$"
_UNITS: Final = {"K": 1e3, "Ki": 2**10, "M": 1e6, "Mi": 2**20, "G": 1e9, "Gi": 2**30, "T": 1e12, "Ti": 2**40}
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def _one_line(text: str) -> str:
    """Refuse what would begin a new line of a job script."""
    if not text.isprintable():
        raise ValueError("a line break or control character would change the job script")
    return text


Line = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_one_line)]
"""Text for one line of a job script."""
Memory = Annotated[str, Field(pattern=_MEMORY)]
"""Amount of memory such as ``4GiB`` or ``1.5 GB``."""
Duration = Annotated[str, Field(pattern=_DURATION)]
"""Length of time such as ``50min``."""


class JobConfig(Config):
    """Jobs of a batch system: SLURM, PBS or LSF."""

    queue: Line | None = None
    """Queue, which SLURM calls a partition; default: the site's."""
    account: Line | None = None
    """Account that pays, where the site wants one."""
    walltime: str = Field("01:00:00", pattern=_WALLTIME)
    """Longest running time of a job, ``hours:minutes:seconds`` or, on SLURM, ``days-hours:minutes:seconds``."""
    cores: int = Field(1, ge=1, le=1_024)
    """Processors of a job; each runs one worker process."""
    memory: Memory = "4GiB"
    """Memory of a job."""
    directives: tuple[Line, ...] = ()
    """Further options of the batch system without their prefix, for example ``--constraint=avx512``."""
    prologue: tuple[Line, ...] = ()
    """Shell lines before the work, for example ``module load python``."""
    python: Line | None = None
    """Python on the nodes; default: the one at work now."""
    logs: Path = Path("~/.cinchona/logs")
    """Folder for the logs of Dask workers, which nodes share; an array writes its own into the run folder."""


class SshConfig(Config):
    """Workers on hosts that are reached by SSH without a password."""

    hosts: tuple[Line, ...] = ()
    """Hosts that work, each with ``processes`` workers; the scheduler runs here."""
    processes: int = Field(1, ge=1, le=1_024)
    """Workers on each host."""
    username: Line | None = None
    """Login name; default: SSH's own."""
    python: Line | None = None
    """Python on the hosts; default: the path of the one at work here."""


class KubernetesConfig(Config):
    """Workers as pods, through the Dask operator of the cluster."""

    image: Line = "ghcr.io/dask/dask:latest"
    """Container image with Cinchona and the model's packages in it."""
    namespace: str = Field("default", pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Namespace of the pods."""
    cpu: str = Field("1", pattern=r"^\d+(\.\d+)?$|^\d+m$")
    """Processor of a pod."""
    memory: Memory = "4GiB"
    """Memory of a pod."""
    volume_claim: str | None = Field(None, pattern=r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$")
    """Persistent volume claim that holds run folder, library and model."""
    mount: str = Field("/work", pattern=r"^/[^\s:]*$")
    """Where it is mounted, in the driver's pod and in the workers' alike."""


class AdaptiveConfig(Config):
    """As many workers as there is work for."""

    minimum: int = Field(0, ge=0, le=100_000)
    """Workers that are always there."""
    maximum: int = Field(ge=1, le=100_000)
    """Most workers."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self


class TlsConfig(Config):
    """Encryption and mutual proof of identity between scheduler, workers and driver."""

    mode: Literal["auto", "files", "off"] = "auto"
    """``auto``: off on this machine alone, for jobs with certificates made for this run; ``files``: with those below;
    ``off``: never, for a network that nobody else reaches. SSH, pods and addresses want ``files`` or ``off``."""
    folder: Path = Path("~/.cinchona/tls")
    """Where temporary certificates lie while the run lasts: a folder that nodes share and only this user reads."""
    ca_file: Path | None = None
    """Certificate authority, PEM."""
    cert_file: Path | None = None
    """Certificate, PEM."""
    key_file: Path | None = None
    """Its private key, PEM."""

    @model_validator(mode="after")
    def _all_files(self) -> Self:
        files = (self.ca_file, self.cert_file, self.key_file)
        if self.mode == "files" and None in files:
            raise ValueError("mode files needs ca_file, cert_file and key_file")
        if self.mode != "files" and files != (None, None, None):
            raise ValueError(f"mode {self.mode} reads no certificate files; set mode: files")
        return self


class SiteProfile(Config):
    """Where workers run. Not part of the plan: a resumed run may use another."""

    kind: SiteKind
    """``local``: this machine; ``ssh``: hosts by SSH; ``slurm``, ``pbs``, ``lsf``: jobs of a batch system;
    ``kubernetes``: pods; ``address``: workers of a scheduler that runs already."""
    workers: int | None = Field(None, ge=1, le=100_000)
    """Worker processes; default: the processors here (``local``), ``processes`` on each host (``ssh``), else one job or pod."""
    adaptive: AdaptiveConfig | None = None
    """Start and end workers as the work needs; in place of ``workers``."""
    lifetime: Duration | None = None
    """Age at which a worker makes room for a fresh one after its partition; on batch systems shorter than ``walltime``."""
    address: str | None = Field(None, pattern=r"^(tcp|tls)://[^\s/]+:\d{1,5}$")
    """Scheduler of kind ``address``: ``tls://host:port``."""
    interface: Line | None = None
    """Network interface that nodes reach each other by, for example ``ib0``; default: loopback for ``local``, else the
    one that leads out."""
    start_seconds: float = Field(600.0, ge=1.0, le=604_800.0)
    """How long to wait for the first worker, in seconds; queues take their time."""
    job: JobConfig = Field(default_factory=JobConfig)
    """Jobs of SLURM, PBS and LSF."""
    ssh: SshConfig = Field(default_factory=SshConfig)
    """Hosts by SSH."""
    kubernetes: KubernetesConfig = Field(default_factory=KubernetesConfig)
    """Pods."""
    tls: TlsConfig = Field(default_factory=TlsConfig)
    """Encryption."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for section in set(SECTIONS.values()) - {SECTIONS.get(self.kind)}:
            if section in self.model_fields_set:
                raise ValueError(f"section {section} is not read by kind {self.kind}")
        if (self.address is not None) != (self.kind == "address"):
            raise ValueError("address goes with kind address, and kind address needs one")
        if self.kind == "ssh" and not self.ssh.hosts:
            raise ValueError("kind ssh needs ssh.hosts")
        wanted = "files" if str(self.address).startswith("tls://") else "off"
        if self.kind == "address" and self.tls.mode != wanted:
            raise ValueError("a tls:// address goes with tls.mode files, a tcp:// address with tls.mode off")
        if self.adaptive is not None and self.workers is not None:
            raise ValueError("give workers or adaptive, not both")
        return self

    @property
    def most_workers(self) -> int | None:
        """Workers at most; None if the site does not say."""
        if self.kind == "ssh":
            return len(self.ssh.hosts) * self.ssh.processes
        return self.adaptive.maximum if self.adaptive else self.workers


def load_profile(file: Path) -> SiteProfile:
    """Read a profile.

    Raises:
        ConfigError: if the file is unreadable, a key unknown or a value wrong; all faults in one message.
    """
    try:
        return load_settings(SiteProfile, file=file, environ={})
    except ConfigError as error:
        if error.where:
            raise
        remedy = f"write it into {file.name}" if "--set" in error.remedy else error.remedy
        raise ConfigError(error.what, where=str(file), expected=error.expected, remedy=remedy) from error


def n_bytes(memory: str) -> int:
    """Bytes of an amount of memory.

    >>> n_bytes("4GiB"), n_bytes("1.5 GB")
    (4294967296, 1500000000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]i?)B", memory)
    assert found is not None, memory
    return round(float(found[1]) * _UNITS[found[2]])


def n_seconds(text: str) -> int:
    """Seconds of a length of time or of a wall time.

    >>> n_seconds("50min"), n_seconds("01:30:00"), n_seconds("2-00:00:00")
    (3000, 5400, 172800)
    """
    if ":" not in text:
        found = re.fullmatch(r"(\d+) ?(s|min|h|d)", text)
        assert found is not None, text
        return int(found[1]) * _SECONDS[found[2]]
    days, _, clock = text.rpartition("-")
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return int(days or 0) * 86_400 + hours * 3600 + minutes * 60 + seconds
