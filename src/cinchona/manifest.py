"""The manifest of a run: what went in, what ran, where, and what came out. No secrets, no host names."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cinchona.digests import digest_file
from cinchona.files import write_text
from cinchona.masking import MASK as MASK  # noqa: PLC0414 - offered here too
from cinchona.masking import mask_secrets as mask_secrets  # noqa: PLC0414 - offered here too

REPORTED_PACKAGES: Final = (
    "cinchona", "numpy", "pyarrow", "pydantic", "rdkit", "torch", "torch-geometric", "scikit-learn", "dask",
    "mlflow", "duckdb", "polars", "scipy", "numba", "chembl-structure-pipeline",
)  # fmt: skip
"""Packages whose version may change a figure; those that are not installed are left out."""


class InputFile(BaseModel):
    """A file that a run read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """File name without its folder, since folders tell about people and machines."""
    bytes: int
    """Size in bytes."""
    digest: str
    """SHA-256, hex."""

    @classmethod
    def of(cls, path: Path) -> InputFile:
        """Measure and digest the file at ``path``."""
        return cls(name=path.name, bytes=path.stat().st_size, digest=digest_file(path))


class Manifest(BaseModel):
    """Everything needed to say, a month later, which data, code and settings gave this result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    """Kind of run: ``train``, ``screen``, ``signals``."""
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    """When the manifest was made, UTC."""
    seed: int
    """Seed of all random streams of the run."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Settings of the run; secrets are masked on the way in."""
    inputs: tuple[InputFile, ...] = ()
    """Files that were read."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Rows in, scored, rejected and whatever else the run counts."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """Digests (SHA-256, hex) of what came out, by name."""
    versions: dict[str, str] = Field(default_factory=lambda: package_versions())  # noqa: PLW0108 - defined below
    """Versions of Python and of the packages that matter."""
    host: dict[str, str | int] = Field(default_factory=lambda: host_facts())  # noqa: PLW0108 - defined below
    """Processor, cores, memory, system; nothing that names a person or a machine."""

    @field_validator("config", mode="before")
    @classmethod
    def _mask(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was given
        return mask_secrets(value)

    def write(self, path: Path) -> None:
        """Write the manifest as JSON, atomically."""
        write_text(path, self.model_dump_json(indent=2) + "\n")


def package_versions(packages: Iterable[str] = REPORTED_PACKAGES) -> dict[str, str]:
    """Versions of Python and of those ``packages`` that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def host_facts() -> dict[str, str | int]:
    """Facts of the machine that can change a figure or a time."""
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") and sys.platform != "win32" else 0
    page = os.sysconf("SC_PAGE_SIZE") if pages else 0
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_mib": pages * page // 2**20,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
