"""How MLflow loads a model of ours: from this installed package and the model folder, without unpickling anything.

MLflow imports this module by its name (``loader_module``) and calls :func:`_load_pyfunc`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import ColumnError, ConfigError
from cinchona.models.domain.measure import DomainMeasure
from cinchona.pipelines.predict import batch_of, opened
from cinchona.protocols import Scorer
from cinchona.records import DOMAIN_UNKNOWN, CompoundBatch, EndpointStatus
from cinchona.screening.layout import NEAREST

SMILES: Final = "smiles"
"""Column that a request must have; a table with one column may call it otherwise."""
SCORED: Final = "scored"
REJECTED: Final = "rejected"
DETAILS: Final = ("uncertainty", "lower", "upper")
"""Figures of each endpoint beside its value; NaN where the model gives none."""
PARAMS: Final[Mapping[str, tuple[str, Any]]] = {
    "batch_size": ("long", 2_048),
    "max_rows": ("long", 100_000),
    "details": ("boolean", True),
}
"""Parameters of a request: type and default."""
SERVING: Final = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"
"""Set by MLflow's scoring server. It writes NaN as the word NaN, which is no JSON, so numbers that are missing become null."""
_MAX_BATCH: Final = 65_536


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
            params: ``batch_size``: rows that are scored at once, which changes memory and not results. ``max_rows``: a
                longer request is refused. ``details``: False leaves out all but score, values and status.

        Returns:
            Columns as :func:`output_columns` lists them: ``score`` (higher is better); for each endpoint its value,
            ``_uncertainty``, ``_lower``, ``_upper`` (NaN where the model gives none), ``_in_domain`` (1, 0, or -1 for
            unknown) and ``_status`` (``ok``, ``clipped``, ``failed``, ``skipped`` or ``rejected``); then, of a model that may
            tell it, ``nearest_train_id`` (empty where no bit is shared); then ``flags``, ``status`` (``scored`` or
            ``rejected``) and ``reason``. Rejected rows have NaN for numbers.

        Raises:
            ColumnError: if the table has several columns and none is called ``smiles``.
            ConfigError: if a parameter is out of range, or the request has too many rows.
        """
        smiles = _smiles(model_input)
        chosen = _params(params or {}, rows=len(smiles))
        batch, step = batch_of(smiles), chosen["batch_size"]
        parts = [self._part(batch.slice(start, step)) for start in range(0, max(len(smiles), 1), step)]
        table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        table = table[[name for name, _ in output_columns(self.scorer, details=chosen["details"])]]
        table = table.set_index(model_input.index) if isinstance(model_input, pd.DataFrame) else table
        return _json_ready(table) if os.environ.get(SERVING) == "true" else table

    def _part(self, batch: CompoundBatch) -> pd.DataFrame:
        standard = standardize_batch(batch, self.standardize)
        scores = self.scorer.score(standard.batch).check_accounts_for(standard.batch)
        rows = len(batch)
        place = scores.row_ids - (batch.row_ids[0] if rows else 0)
        columns: dict[str, Any] = {"score": _spread(scores.score, place, rows, np.nan)}
        for t, endpoint in enumerate(scores.endpoints):
            columns[endpoint.name] = _spread(scores.value[:, t], place, rows, np.nan)
            for part in DETAILS:
                figures: np.ndarray | None = getattr(scores, part)
                known = np.full(len(place), np.nan) if figures is None else figures[:, t]
                columns[f"{endpoint.name}_{part}"] = _spread(known, place, rows, np.nan)
            inside = np.full(len(place), DOMAIN_UNKNOWN) if scores.in_domain is None else scores.in_domain[:, t]
            columns[f"{endpoint.name}_in_domain"] = _spread(inside, place, rows, DOMAIN_UNKNOWN, np.int64)
            codes = np.zeros(len(place)) if scores.status is None else scores.status[:, t]
            columns[f"{endpoint.name}_status"] = _words(codes, place, rows)
        if scores.nearest_train_ids is not None:
            columns[NEAREST] = _spread(np.array(scores.nearest_train_ids, object), place, rows, "", object)
        flags = dict(zip(standard.batch.row_ids.tolist(), standard.batch.data["flags"].to_pylist(), strict=True))
        reasons = {r.row_id: r.reason for r in (*standard.rejects, *scores.rejects)}
        ids = batch.row_ids.tolist()
        columns["flags"] = [flags.get(row) or "" for row in ids]
        columns["status"] = [REJECTED if row in reasons else SCORED for row in ids]
        columns["reason"] = [reasons.get(row, "") for row in ids]
        return pd.DataFrame(columns)


def output_columns(scorer: Scorer, *, details: bool = True) -> list[tuple[str, str]]:
    """Names and types (``double``, ``long`` or ``string``) of the columns of an answer of ``scorer``."""
    columns = [("score", "double")]
    for endpoint in scorer.endpoints:
        columns.append((endpoint.name, "double"))
        if details:
            columns += [(f"{endpoint.name}_{part}", "double") for part in DETAILS]
            columns.append((f"{endpoint.name}_in_domain", "long"))
        columns.append((f"{endpoint.name}_status", "string"))
    if details and names_nearest(scorer):
        columns.append((NEAREST, "string"))
    return [*columns, ("flags", "string"), ("status", "string"), ("reason", "string")]


def names_nearest(scorer: Scorer) -> bool:
    """Whether ``scorer`` tells the id of the nearest training compound, as its training was allowed to."""
    known = getattr(getattr(scorer, "trust", None), "domain", None)
    return isinstance(known, DomainMeasure) and known.ids is not None


def _load_pyfunc(data_path: str) -> SmilesModel:
    """Called by MLflow with the path of the model folder; structures are standardized as they were in training.

    Raises:
        ModelFileError: if the folder is damaged, altered or of an unknown version.
        UnsafeFileError: if it holds something that could do harm.
    """
    scorer, rules = opened(data_path, default=StandardizeConfig())
    return SmilesModel(scorer, rules)


def _json_ready(table: pd.DataFrame) -> pd.DataFrame:
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].astype(object).where(np.isfinite(table[name]), None) for name in numbers})


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


def _params(given: Mapping[str, Any], *, rows: int) -> dict[str, Any]:
    chosen = {name: given.get(name, default) for name, (_, default) in PARAMS.items()}
    if not 1 <= chosen["batch_size"] <= _MAX_BATCH:
        raise ConfigError(f"batch_size is {chosen['batch_size']}", expected=f"1 to {_MAX_BATCH:,}")
    if rows > chosen["max_rows"]:
        raise ConfigError(
            f"the request has {rows:,} rows", expected=f"at most {chosen['max_rows']:,} (the parameter max_rows)",
            remedy="send it in parts, or screen the file with 'cinchona screen'",
        )  # fmt: skip
    return chosen


def _spread(
    values: np.ndarray, place: np.ndarray, rows: int, absent: float | str, kind: type = np.float64
) -> np.ndarray:
    """``values`` at the rows ``place`` of a column of ``rows``, ``absent`` elsewhere."""
    column: np.ndarray = np.full(rows, absent, kind)
    column[place] = values
    return column


def _words(codes: np.ndarray, place: np.ndarray, rows: int) -> list[str]:
    words = [REJECTED] * rows
    for row, code in zip(place.tolist(), codes.tolist(), strict=True):
        words[row] = EndpointStatus(int(code)).name.lower()
    return words
