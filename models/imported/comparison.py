"""Our predictions against those of the package that a model comes from, where that is installed."""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rdkit import Chem, RDConfig

from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.errors import MissingDependencyError, ModelFileError
from cinchona.files import write_json, write_text
from cinchona.models.scorers import ArrayScorer
from cinchona.records import CompoundBatch

MOLECULES: Final = 1_000
"""Molecules that are compared: the first of NCI 5k, which RDKit ships, as canonical SMILES."""
_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class EndpointDifference:
    """How far the two are apart on one endpoint."""

    endpoint: str
    """Its name."""
    largest: float
    """Largest absolute difference, in the endpoint's unit."""
    mean: float
    """Mean absolute difference."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences between our predictions and the original's."""

    package: str
    """What the original ran in."""
    molecules: int
    """Molecules that both predicted."""
    endpoints: tuple[EndpointDifference, ...]
    """By endpoint."""

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def compare(scorer: ArrayScorer, *, files: Sequence[Path], descriptors: str | None, admet: bool) -> Comparison:
    """Let the original package predict, in a process of its own, and compare.

    The original opens its files in its own way, which executes what they hold.

    Raises:
        MissingDependencyError: if its command is not installed.
        ModelFileError: if it fails.
    """
    smiles = some_smiles()
    command = "admet_predict" if admet else "chemprop"
    program = shutil.which(command)
    if program is None:
        raise MissingDependencyError(
            f"the command {command!r} of the original package is not installed", expected=f"{command} on the PATH",
            remedy="install it into an environment of its own and put that on the PATH, or leave --compare out",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="cinchona-compare-") as scratch:
        given, got = Path(scratch, "molecules.csv"), Path(scratch, "predicted.csv")
        write_text(given, "smiles\n" + "\n".join(smiles) + "\n")
        arguments = _admet(given, got) if admet else _chemprop(given, got, files, descriptors)
        _run([program, *arguments], command)
        with got.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    return _differences(scorer, smiles, rows, command)


def write_comparison(found: Comparison, folder: Path) -> None:
    """Write ``comparison.json`` and ``comparison.md`` into a model folder's ``report``."""
    report = folder / "report"
    report.mkdir(exist_ok=True)
    write_json(report / "comparison.json", found.record())
    lines = [
        f"# Compared with {found.package}", "", f"{found.molecules:,} molecules that both predicted.", "",
        "| endpoint | largest difference | mean difference |", "|---|---|---|",
        *(f"| {e.endpoint} | {e.largest:.2e} | {e.mean:.2e} |" for e in found.endpoints),
    ]  # fmt: skip
    write_text(report / "comparison.md", "\n".join(lines) + "\n")


def some_smiles(n: int = MOLECULES) -> list[str]:
    """Canonical SMILES of the first ``n`` molecules of NCI 5k that parse."""
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text(encoding="utf-8").splitlines()
    mols = (parse_smiles(line.split()[0]) for line in lines if line.strip())
    found = (Chem.MolToSmiles(mol) for mol in mols if not isinstance(mol, Rejected))
    return [text for text, _ in zip(found, range(n), strict=False)]


def _chemprop(given: Path, got: Path, files: Sequence[Path], descriptors: str | None) -> list[str]:
    extra = ["--molecule-featurizers", descriptors] if descriptors else []
    return ["predict", "-i", str(given), "-o", str(got), "--smiles-columns", "smiles", "--accelerator", "cpu",
            "--num-workers", "0", "--model-paths", *map(str, files), *extra]  # fmt: skip


def _admet(given: Path, got: Path) -> list[str]:
    return ["--data_path", str(given), "--save_path", str(got), "--smiles_column", "smiles"]


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelFileError(
            f"{name} failed: {last[:300]}", expected="predictions to compare with", remedy="leave --compare out"
        )


def _differences(scorer: ArrayScorer, smiles: list[str], rows: list[dict[str, str]], package: str) -> Comparison:
    theirs = {row.get("smiles", row.get("")): row for row in rows}
    scores = scorer.score(CompoundBatch.of(smiles))
    ours = {smiles[row]: value for row, value in zip(scores.row_ids.tolist(), scores.value, strict=True)}
    both = [text for text in ours if text in theirs]
    if not both:
        raise ModelFileError(f"{package} predicted none of the molecules", expected="the same molecules")
    found = []
    for k, endpoint in enumerate(scorer.endpoints):
        try:
            other = np.array([float(theirs[text][endpoint.name]) for text in both])
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"{package} gives no {endpoint.name}", expected="the same endpoints") from error
        gap = np.abs(np.array([ours[text][k] for text in both], np.float64) - other)
        found.append(EndpointDifference(endpoint.name, float(gap.max()), float(gap.mean())))
    return Comparison(package, len(both), tuple(found))


__all__ = ["MOLECULES", "Comparison", "EndpointDifference", "compare", "some_smiles", "write_comparison"]
