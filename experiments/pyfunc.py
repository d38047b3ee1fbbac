"""How MLflow loads a model of ours: from this installed package and the model folder, without unpickling anything.

MLflow imports this module by its name (``loader_module``) and calls :func:`_load_pyfunc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import ColumnError
from cinchona.models.folder import open_scorer
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Scores

SMILES: Final = "smiles"
"""Column that a request must have; a table with one column may call it otherwise."""
SCORED: Final = "scored"
REJECTED: Final = "rejected"
_DETAILS: Final = ("uncertainty", "lower", "upper")
_BATCH: Final = 2_048


@dataclass(frozen=True, slots=True)
class SmilesModel:
    """A scorer behind MLflow's interface: SMILES in, one row each out, in the same order."""

    scorer: Scorer
    standardize: StandardizeConfig

    def predict(
        self, model_input: pd.DataFrame | Sequence[str] | np.ndarray, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Score SMILES.

        Args:
            model_input: A table with a column ``smiles`` (or one column only), or a sequence of SMILES.
            params: Not used; MLflow's interface has it.

        Returns:
            Columns ``score`` (higher is better), one for each endpoint, where the model has them
            ``<endpoint>_uncertainty``, ``_lower``, ``_upper`` and ``_in_domain`` (1, 0, or -1 for unknown), then
            ``status`` (``scored`` or ``rejected``) and ``reason``. Rejected rows have NaN in place of numbers.

        Raises:
            ColumnError: if the table has several columns and none is called ``smiles``.
        """
        smiles = _smiles(model_input)
        parts = [self._score(smiles[i : i + _BATCH]) for i in range(0, max(len(smiles), 1), _BATCH)]
        table = pd.concat(parts, ignore_index=True)
        return table.set_index(model_input.index) if isinstance(model_input, pd.DataFrame) else table

    def _score(self, smiles: list[str]) -> pd.DataFrame:
        standard = standardize_batch(CompoundBatch.of(smiles), self.standardize)
        scores = self.scorer.score(standard.batch)
        table = pd.DataFrame(_columns(scores, len(smiles)))
        reasons = {r.row_id: f"{r.stage}: {r.reason}" for r in (*standard.rejects, *scores.rejects)}
        table["status"] = [REJECTED if row in reasons else SCORED for row in range(len(smiles))]
        table["reason"] = [reasons.get(row, "") for row in range(len(smiles))]
        return table


def _load_pyfunc(data_path: str) -> SmilesModel:
    """Called by MLflow with the path of the model folder.

    Raises:
        ModelFileError: if the folder is damaged, altered or of an unknown version.
        UnsafeFileError: if it holds something that could do harm.
    """
    return SmilesModel(open_scorer(Path(data_path)), StandardizeConfig())


def _smiles(model_input: pd.DataFrame | Sequence[str] | np.ndarray) -> list[str]:
    values: Any = model_input
    if isinstance(model_input, pd.DataFrame):
        if SMILES not in model_input.columns and model_input.shape[1] != 1:
            raise ColumnError(
                f"the request has the columns {', '.join(map(str, model_input.columns)) or 'none'}",
                expected=f"a column {SMILES!r}, or one column only",
            )
        values = model_input[SMILES] if SMILES in model_input.columns else model_input.iloc[:, 0]
    return ["" if pd.isna(v) else str(v) for v in np.asarray(values, object).reshape(-1)]


def _columns(scores: Scores, n: int) -> dict[str, np.ndarray]:
    rows = np.asarray(scores.row_ids)

    def spread(values: np.ndarray, kind: type, blank: float) -> np.ndarray:
        column: np.ndarray = np.full(n, blank, kind)
        column[rows] = values
        return column

    found = {"score": spread(scores.score, np.float64, np.nan)}
    for i, endpoint in enumerate(scores.endpoints):
        found[endpoint.name] = spread(scores.value[:, i], np.float64, np.nan)
        for detail in _DETAILS:
            values: np.ndarray | None = getattr(scores, detail)
            if values is not None:
                found[f"{endpoint.name}_{detail}"] = spread(values[:, i], np.float64, np.nan)
        if scores.in_domain is not None:
            found[f"{endpoint.name}_in_domain"] = spread(scores.in_domain[:, i], np.int64, -1)
    return found
