"""How MLflow loads a model of ours: from this installed package and the model folder, without unpickling anything.

MLflow imports this module by its name (``loader_module``) and calls :func:`_load_pyfunc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from cinchona.datasets.config import StandardizeConfig
from cinchona.errors import ColumnError
from cinchona.pipelines.predict import batch_of, opened, predict_batch
from cinchona.protocols import Scorer
from cinchona.records import DOMAIN_UNKNOWN

SMILES: Final = "smiles"
"""Column that a request must have; a table with one column may call it otherwise."""
SCORED: Final = "scored"
REJECTED: Final = "rejected"
_LEFT_OUT: Final = ("row_id", "compound_id", "smiles", "parent_smiles")
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
            ``flags``, ``status`` (``scored`` or ``rejected``) and ``reason``. Rejected rows have NaN for numbers.

        Raises:
            ColumnError: if the table has several columns and none is called ``smiles``.
        """
        smiles = _smiles(model_input)
        batch = batch_of(smiles)
        parts = [
            predict_batch(batch.slice(start, _BATCH), self.scorer, standardize=self.standardize)
            for start in range(0, max(len(smiles), 1), _BATCH)
        ]
        table = _plain(pa.concat_tables(parts))
        return table.set_index(model_input.index) if isinstance(model_input, pd.DataFrame) else table


def _load_pyfunc(data_path: str) -> SmilesModel:
    """Called by MLflow with the path of the model folder; structures are standardized as they were in training.

    Raises:
        ModelFileError: if the folder is damaged, altered or of an unknown version.
        UnsafeFileError: if it holds something that could do harm.
    """
    scorer, rules = opened(data_path, default=StandardizeConfig())
    return SmilesModel(scorer, rules)


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


def _plain(table: pa.Table) -> pd.DataFrame:
    """Columns of one type each, whether or not a row was rejected, as a signature needs them."""
    columns: dict[str, Any] = {}
    for field in table.drop_columns(list(_LEFT_OUT)).schema:
        column = table[field.name]
        if pa.types.is_floating(field.type):
            columns[field.name] = column.cast(pa.float64()).to_numpy()
        elif pa.types.is_integer(field.type):
            columns[field.name] = column.fill_null(DOMAIN_UNKNOWN).cast(pa.int64()).to_numpy()
        else:
            columns[field.name] = column.to_pylist()
    reasons = columns.pop("reason")
    columns["status"] = [REJECTED if reason else SCORED for reason in reasons]
    return pd.DataFrame(columns | {"reason": reasons})
