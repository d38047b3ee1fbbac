"""What of a test a model may have seen: compounds of its training, and figures without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.leakage import LeakageReport, leakage_of
from cinchona.datasets.overlap import Overlap, overlap
from cinchona.models.evaluation import Evaluation, evaluate_predictions
from cinchona.models.explanation.neighbours import read_compounds
from cinchona.models.folder import is_model_folder, read_trust
from cinchona.pipelines.config import Settings
from cinchona.records import Endpoint

_FEWEST: Final = 10
"""Unseen compounds that figures without the seen ones need."""


@dataclass(frozen=True, slots=True)
class Known:
    """The compounds that a model has seen."""

    smiles: tuple[str, ...]
    """Standardized structures."""
    compound_ids: tuple[str, ...]
    """Their ids."""
    source: str
    """Where they are from, for people."""


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What a test and a training have in common."""

    source: str
    """Where the training compounds are from."""
    overlap: Overlap
    """Compound by compound."""
    nearest_ids: tuple[str, ...]
    """Id of the nearest training compound of each tested one."""
    report: LeakageReport
    """The sums."""
    without: tuple[Evaluation, ...]
    """Figures of the model over the compounds that are neither duplicates nor twins; empty where there are none, or too few are left."""

    def to_json(self) -> dict[str, Any]:
        """The audit as plain data."""
        figures = [figure.to_json() for figure in self.without]
        return {**self.report.to_json(), "source": self.source, "summary": self.report.summary(), "without": figures}


def known_compounds(
    model: object,
    training: str | Path | pa.Table | pd.DataFrame | None,
    *,
    targets: Sequence[str],
    rules: StandardizeConfig,
    settings: Settings,
) -> Known | None:
    """The compounds that a model has seen: those of a table, else those that its folder keeps; None where neither tells.

    Args:
        model: Model folder, or anything else.
        training: The table it was trained on; all compounds of it count as seen.
        targets: Measured columns; compounds without a label there are no training compounds.
        rules: How structures were standardized in training.
        settings: Settings for reading and curation.

    Raises:
        InputError: if the table cannot be used.
        ModelFileError: if the folder keeps compounds that are damaged.
    """
    if training is not None:
        data = read_assay_table(
            training, targets=targets, curation=settings.curation, standardize=rules, reader=settings.reader
        )
        name = Path(training).name if isinstance(training, str | Path) else type(training).__name__
        return Known(tuple(data.smiles), tuple(data.compound_ids), name)
    if not isinstance(model, str | Path) or not is_model_folder(Path(model)):
        return None
    kept = read_compounds(Path(model), read_trust(model))
    return None if kept is None else Known(kept.smiles, kept.ids, "the model folder")


def audit(
    data: AssayTable,
    predicted: np.ndarray,
    known: Known,
    *,
    name: str,
    endpoints: Sequence[Endpoint],
    seed: int,
) -> Audit:
    """Compare a table with what a model has seen.

    Args:
        data: Measured compounds.
        predicted: Predictions of the model, float64, shape (n, t); NaN where there is none.
        known: What it has seen.
        name: Name of the model.
        endpoints: The t targets.
        seed: Seed of the bootstrap.
    """
    found = overlap(data.smiles, known.smiles)
    new = np.flatnonzero(~found.seen)
    without: tuple[Evaluation, ...] = ()
    if found.seen.any() and len(new) >= _FEWEST:
        without = evaluate_predictions(
            data.values[new], data.censor[new], {name: predicted[new]}, endpoints=endpoints, seed=seed
        )
    near = tuple(known.compound_ids[k] if k >= 0 else "" for k in found.nearest.tolist())
    return Audit(known.source, found, near, leakage_of(found, data.smiles, known.smiles), without)


__all__ = ["Audit", "audit", "Known", "known_compounds"]
