"""Predictions for the compounds that a training held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.scorers import ArrayScorer
from cinchona.records import CompoundBatch


def predict_all(model: ArrayScorer, smiles: Sequence[str]) -> np.ndarray:
    """Predictions of standardized compounds, float32, shape (n, t); NaN where the model rejects one."""
    scores = model.score(CompoundBatch.of(list(smiles)))
    values = np.full((len(smiles), len(model.endpoints)), np.nan, np.float32)
    values[scores.row_ids] = scores.value
    return values


def heldout_table(data: AssayTable, split: Split, predicted: np.ndarray) -> pa.Table:
    """One row a held-out compound and target, as the report wants it."""
    rows = [(k, row, t) for k, row in enumerate(split.test.tolist()) for t in range(len(data.targets))]
    return pa.table({
        "compound_id": pa.array([data.compound_ids[row] for _, row, _ in rows], pa.string()),
        "smiles": pa.array([data.smiles[row] for _, row, _ in rows], pa.string()),
        "target": pa.array([data.targets[t].name for _, _, t in rows], pa.string()),
        "kind": pa.array([data.targets[t].kind for _, _, t in rows], pa.string()),
        "measured": pa.array([data.values[row, t] for _, row, t in rows], pa.float64()),
        "censor": pa.array([data.censor[row, t] for _, row, t in rows], pa.int8()),
        "predicted": pa.array([predicted[k, t] for k, _, t in rows], pa.float64()),
    })  # fmt: skip


__all__ = ["heldout_table", "predict_all"]
