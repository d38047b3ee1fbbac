"""From whatever the user names to a model folder."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from cinchona.digests import digest_file
from cinchona.errors import ModelFileError
from cinchona.models.folder import save_model
from cinchona.models.imported.admet import PACKAGE, read_admet
from cinchona.models.imported.chemprop import block_of, read_chemprop
from cinchona.models.imported.comparison import Comparison, write_comparison
from cinchona.models.imported.comparison import compare as compare_with_original
from cinchona.models.imported.scorer import ImportedEnsemble
from cinchona.records import Direction, Endpoint

CHEMPROP: Final = "Chemprop"
"""Source of models that Chemprop trained."""


@dataclass(frozen=True, slots=True, eq=False)
class ImportedModel:
    """A model that was imported."""

    folder: Path
    """Its model folder."""
    scorer: ImportedEnsemble
    """The model."""
    files: tuple[Path, ...]
    """Files that it was made from; empty for a package."""
    comparison: Comparison | None = None
    """How far it is from the original, where that was asked for."""


def read_foreign(
    source: str | Path, *, targets: Sequence[str] | None = None, descriptors: str | None = None
) -> tuple[ImportedEnsemble, tuple[Path, ...]]:
    """Read models of another package without executing anything of them.

    Args:
        source: A Chemprop 2 checkpoint (``.pt`` or ``.ckpt``), a folder or pattern of several (an ensemble), the wheel
            of ADMET-AI, or ``admet-ai`` for the installed package.
        targets: Names of the outputs of Chemprop models; None for those in the file.
        descriptors: Descriptors of the whole molecule that they were trained with.

    Returns:
        The scorer, and the files that it was made from.

    Raises:
        ModelFileError: if there is no model, or it cannot be represented, with the reason.
        MissingDependencyError: if the package is not installed.
        UnsafeFileError: if a file could do harm.
    """
    if str(source) == PACKAGE or str(source).endswith(".whl"):
        return read_admet(source), () if str(source) == PACKAGE else (Path(source),)
    files = checkpoints(source)
    block = block_of([read_chemprop(f, targets=targets, descriptors=descriptors) for f in files], Path(source).name)
    kind = block.spec.kind
    endpoints = [Endpoint(name, direction=Direction.HIGHER, kind=kind) for name in block.spec.endpoints]
    return ImportedEnsemble([block], endpoints=endpoints, source=CHEMPROP), files


def import_model(
    source: str | Path,
    *,
    out: Path,
    targets: Sequence[str] | None = None,
    descriptors: str | None = None,
    compare: bool = False,
) -> ImportedModel:
    """Convert a model of another package into a model folder; see :func:`read_foreign`.

    Args:
        source: What to read.
        out: The model folder; must not exist, or be empty.
        targets: Names of the outputs.
        descriptors: Descriptors that the model was trained with.
        compare: Whether to let the original package predict 1,000 molecules too; it executes what its files hold.

    Raises:
        ConfigError: if the folder is not empty.
        CinchonaError: all that :func:`read_foreign` raises.
    """
    scorer, files = read_foreign(source, targets=targets, descriptors=descriptors)
    found: Comparison | None = None
    if compare:
        is_admet = scorer.source != CHEMPROP
        found = compare_with_original(scorer, files=files, descriptors=descriptors, admet=is_admet)
    beside = None if found is None else partial(write_comparison, found)
    save_model(scorer, out, trust=_trust(scorer, files), beside=beside)
    return ImportedModel(out, scorer, files, found)


def checkpoints(source: str | Path) -> tuple[Path, ...]:
    """Checkpoint files that ``source`` names: itself, those that match, or those of a training's folder.

    Raises:
        ModelFileError: if there are none.
    """
    path = Path(source)
    if path.is_file():
        return (path,)
    if path.is_dir():
        found = sorted(path.glob("**/best.pt")) or sorted(path.glob("**/*.pt")) or sorted(path.glob("**/*.ckpt"))
    else:
        found = sorted(Path(name) for name in glob.glob(str(source)) if Path(name).is_file())  # noqa: PTH207 - absolute patterns
    if not found:
        raise ModelFileError(
            "there is no checkpoint", where=str(source), expected="a .pt or .ckpt file, or a folder of chemprop train",
            remedy="name the file, for example model_0/best.pt",
        )  # fmt: skip
    return tuple(found)


def _trust(scorer: ImportedEnsemble, files: Sequence[Path]) -> dict[str, Any]:
    return {
        "imported": {
            "source": scorer.source,
            "files": [{"name": file.name, "sha256": digest_file(file)} for file in files],
        }
    }


__all__ = ["ImportedModel", "checkpoints", "import_model", "read_foreign"]
