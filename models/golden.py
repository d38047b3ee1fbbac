"""Golden molecules: a few predictions that are stored with a model and computed again whenever it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cinchona.errors import ModelFileError
from cinchona.manifest import package_versions
from cinchona.models.scorers import ArrayScorer
from cinchona.records import CompoundBatch, Scores

GOLDEN_TOLERANCE: Final = 1e-5
"""Largest difference of a golden figure, relative to values above 1."""

GOLDEN_SMILES: Final = (
    "CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "CN1CCC[C@H]1c1cccnc1", "O=S(=O)(Nc1nccs1)c1ccc(Oc2ccccc2)c(C#N)c1",
    "C[N+](C)(C)CCO", "FC(F)(F)c1ccc(Cl)cc1", "OB(O)c1ccccc1", "C/C=C/C(=O)N", "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
)  # fmt: skip
"""Molecules that exercise most features, used unless others are given."""


def golden_record(model: ArrayScorer, smiles: Sequence[str]) -> dict[str, Any]:
    """Content of ``golden.json``: molecules that have a prediction with their values, and the ends of their intervals."""
    scores = model.score(CompoundBatch.of(list(smiles)))
    kept = [smiles[row] for row in scores.row_ids]
    columns = {name: _plain(column) for name, column in _columns(scores).items()}
    return {"tolerance": GOLDEN_TOLERANCE, "smiles": kept, **columns}


def check_golden(scorer: ArrayScorer, golden: Mapping[str, Any], config: Mapping[str, Any], folder: Path) -> None:
    """Score the golden molecules together and one by one, and compare.

    Args:
        scorer: The model as it was opened.
        golden: Content of ``golden.json``.
        config: Content of ``config.json``, whose versions a refusal names.
        folder: Place of the model, for messages.

    Raises:
        ModelFileError: if the record is malformed, or a figure differs from what was stored.
    """
    smiles, stored = golden.get("smiles"), np.array(golden.get("value"), dtype=np.float64)
    if not isinstance(smiles, list) or not smiles or stored.shape != (len(smiles), len(scorer.endpoints)):
        raise ModelFileError(
            "golden.json does not hold one prediction an endpoint for each molecule", where=str(folder),
            expected="a folder as it was saved", remedy="copy the model folder again from where it was trained",
        )  # fmt: skip
    together = _columns(scorer.score(CompoundBatch.of(smiles)))
    alone = [_columns(scorer.score(CompoundBatch.of([text]))) for text in smiles]
    for name, column in together.items():
        expected = np.array(golden.get(name), dtype=np.float64)
        for part, how in ((np.concatenate([one[name] for one in alone]), "one by one"), (column, "together")):
            if part.shape != expected.shape:
                raise _differs("a golden molecule is now rejected, or lacks a figure", config, folder)
            if (worst := _worst_gap(part, expected)) > GOLDEN_TOLERANCE:
                raise _differs(f"golden molecules scored {how} differ by {worst:.2g} in their {name}", config, folder)


def _columns(scores: Scores) -> dict[str, np.ndarray]:
    """What is compared, float64, by name."""
    named = {"value": scores.value, "lower": scores.lower, "upper": scores.upper}
    return {name: column.astype(np.float64) for name, column in named.items() if column is not None}


def _plain(column: np.ndarray) -> list[list[float | None]]:
    """Rows of a column; what is not finite becomes null."""
    return [[x if np.isfinite(x) else None for x in row] for row in column.tolist()]


def _worst_gap(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative above 1; infinite where one side alone has a figure."""
    missing = ~np.isfinite(found)
    with np.errstate(invalid="ignore"):
        gaps = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    gaps = np.where(missing & np.isnan(expected), 0.0, np.where(np.isnan(gaps), np.inf, gaps))
    return float(np.max(gaps, initial=0.0))


def _differs(what: str, config: Mapping[str, Any], folder: Path) -> ModelFileError:
    then, now = config.get("versions"), package_versions()
    changed = {name: (version, now.get(name)) for name, version in (then or {}).items() if now.get(name) != version}
    versions = "; ".join(f"{name} was {was}, is {found}" for name, (was, found) in changed.items())
    return ModelFileError(
        f"the model does not predict what it predicted when it was saved: {what}",
        where=str(folder),
        expected=f"agreement within {GOLDEN_TOLERANCE:g}",
        remedy=f"use the versions that it was saved with ({versions or 'versions are equal'}), or train it again",
    )


__all__ = ["check_golden", "GOLDEN_SMILES", "GOLDEN_TOLERANCE", "golden_record"]
