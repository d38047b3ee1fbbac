"""The models inside ADMET-AI's package (Swanson et al. 2024, doi:10.1093/bioinformatics/btae416): ten networks, 41 endpoints."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from cinchona.errors import MissingDependencyError, ModelFileError, UnsafeFileError
from cinchona.models.imported.chemprop import block_of, read_chemprop
from cinchona.models.imported.scorer import ImportedEnsemble
from cinchona.records import Direction, Endpoint

PACKAGE: Final = "admet-ai"
"""Name of the package; names its installed copy as a source."""
_MODELS: Final = "admet_ai/resources/models/"
_TABLE: Final = "admet_ai/resources/data/admet.csv"
_MAX_FILE: Final = 256 << 20
_MAX_FILES: Final = 200

HIGHER_IS_BETTER: Final = frozenset({
    "HIA_Hou", "Bioavailability_Ma", "Solubility_AqSolDB", "Caco2_Wang", "PAMPA_NCATS", "BBB_Martins", "Half_Life_Obach",
    "VDss_Lombardo",
})  # fmt: skip
"""Endpoints of which more is better for an oral drug as a rule; what is right for a project is said by an objective."""


def read_admet(source: str | Path) -> ImportedEnsemble:
    """Read the models of ADMET-AI from the installed package (``admet-ai``) or a wheel file. Nothing of it is executed.

    Raises:
        MissingDependencyError: if the package is not installed.
        ModelFileError: if it does not hold the models that are expected.
        UnsafeFileError: if it could do harm.
    """
    with _files(source) as files:
        endpoints = _endpoints(files)
        groups: dict[str, list[Path]] = defaultdict(list)
        for name, path in sorted(files.items()):
            if name.startswith(_MODELS) and name.endswith(".pt"):
                groups[PurePosixPath(name).parent.name].append(path)
        if not groups:
            raise _not_admet(source, "it holds no models")
        blocks = [block_of([read_chemprop(path) for path in paths], name) for name, paths in sorted(groups.items())]
    names = {name for block in blocks for name in block.spec.endpoints}
    missing = names - {e.name for e in endpoints}
    if missing:
        raise _not_admet(source, f"its table has no {', '.join(sorted(missing)[:3])}")
    return ImportedEnsemble(blocks, endpoints=[e for e in endpoints if e.name in names], source="ADMET-AI")


def _endpoints(files: dict[str, Path]) -> list[Endpoint]:
    """Endpoints in the order of the package's table."""
    if _TABLE not in files:
        return []
    rows = list(csv.DictReader(io.StringIO(files[_TABLE].read_text(encoding="utf-8"))))
    return [
        Endpoint(
            row["id"],
            unit="" if row.get("units") in {None, "-"} else row["units"],
            direction=Direction.HIGHER if row["id"] in HIGHER_IS_BETTER else Direction.LOWER,
            kind="classification" if row.get("task_type") == "classification" else "regression",
        )
        for row in rows
        if row.get("id")
    ]


@contextmanager
def _files(source: str | Path) -> Iterator[dict[str, Path]]:
    """Files of the package by their name inside it."""
    if str(source) == PACKAGE:
        yield _installed()
        return
    with tempfile.TemporaryDirectory(prefix="cinchona-import-") as scratch:
        yield _from_wheel(Path(source), Path(scratch))


def _installed() -> dict[str, Path]:
    try:
        listed = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingDependencyError(
            "ADMET-AI is not installed", expected="the package admet-ai, or its wheel as a file",
            remedy="pip download --no-deps admet-ai, then import the .whl file",
        ) from error  # fmt: skip
    return {str(file): Path(str(file.locate())) for file in listed if _is_wanted(str(file))}


def _from_wheel(wheel: Path, scratch: Path) -> dict[str, Path]:
    """Copy the wanted members to numbered files; names from the archive are never used as paths."""
    found: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            wanted = [m for m in archive.infolist() if _is_wanted(m.filename)]
            if len(wanted) > _MAX_FILES or any(m.file_size > _MAX_FILE for m in wanted):
                raise UnsafeFileError("the wheel holds more or larger files than ADMET-AI has", where=wheel.name)
            for number, member in enumerate(wanted):
                found[member.filename] = scratch / f"{number}{PurePosixPath(member.filename).suffix}"
                with archive.open(member) as packed:
                    found[member.filename].write_bytes(packed.read(_MAX_FILE))
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise _not_admet(wheel, f"it is no wheel: {error}") from error
    return found


def _is_wanted(name: str) -> bool:
    return name == _TABLE or (name.startswith(_MODELS) and name.endswith(".pt"))


def _not_admet(source: str | Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"this is not ADMET-AI: {what}", where=Path(str(source)).name, expected="the wheel of admet-ai 2",
        remedy="pip download --no-deps admet-ai",
    )  # fmt: skip


__all__ = ["HIGHER_IS_BETTER", "PACKAGE", "read_admet"]
