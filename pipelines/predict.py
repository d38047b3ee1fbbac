"""Predictions for a few compounds: every input row comes back in its place, with its figures or the reason why not."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.sources import Library, open_library
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import ConfigError
from cinchona.files import atomic_path
from cinchona.models.folder import open_scorer, read_trust
from cinchona.models.scorers import ArrayScorer
from cinchona.pipelines.config import Settings
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Reject, Scores
from cinchona.screening.csvfile import write_csv

_STEP = 20_000


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions of a file."""

    table: pa.Table
    """One row an input row, in order; columns as in :func:`predict_batch`."""
    rows: int
    """Rows of the input."""
    predicted: int
    """Rows with a prediction; the others have a ``reason``."""
    out: Path | None
    """Folder with ``predictions.parquet`` and ``predictions.csv``, if one was asked for."""


def predict(
    library: str | Path | Sequence[str | Path],
    *,
    model: str | Path | Scorer,
    out: str | Path | None = None,
    settings: Settings | None = None,
    level: float | None = None,
    seed: int = 0,  # noqa: ARG001 - every workflow takes one; prediction draws nothing
) -> Predicted:
    """Predict every compound of a file that fits in memory; :func:`cinchona.screen` takes libraries of any size.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        model: Model folder, or a scorer.
        out: Folder for the tables; None writes none.
        settings: Settings for reading; structures are standardized as in training.
        level: Level of the intervals; None for the model's own. Quantiles are those that the model came with.
        seed: Not used.

    Raises:
        ConfigError: if the model has no intervals of that level.
        InputError: if the library cannot be read.
        ModelFileError: if the model cannot be used.
        RetryableError: if the disk is full or failing.
    """
    chosen = settings or Settings()
    scorer, rules = opened(model, default=chosen.standardize)
    if level is not None:
        scorer = _at_level(scorer, level)
    with _library(library, chosen) as source:
        tables = [
            predict_batch(batch, scorer, standardize=rules, unreadable=rejects)
            for batch, rejects in source.batches(_STEP)
        ]
    table = pa.concat_tables(tables)
    if out is not None:
        _write(table, Path(out))
    predicted = table.num_rows - sum(1 for reason in table["reason"].to_pylist() if reason)
    return Predicted(table, table.num_rows, predicted, None if out is None else Path(out))


def predict_batch(
    batch: CompoundBatch,
    scorer: Scorer,
    *,
    standardize: StandardizeConfig,
    unreadable: Sequence[Reject] = (),
) -> pa.Table:
    """Predict one batch.

    Args:
        batch: Compounds as given.
        scorer: What predicts.
        standardize: How structures are standardized first.
        unreadable: Rows of the input that did not make it into the batch.

    Returns:
        One row a row of the batch or reject, by row id: ``row_id``, ``compound_id``, ``smiles`` (as given),
        ``parent_smiles``, ``score``, each endpoint with ``_uncertainty``, ``_lower``, ``_upper``, ``_in_domain`` where
        the scorer has them (null without a prediction), ``nearest_train_id`` where the model may tell it, ``flags``, ``reason``
        (empty with one).
    """
    standard = standardize_batch(batch, standardize)
    scores = scorer.score(standard.batch).check_accounts_for(standard.batch)
    reasons = {r.row_id: r.reason for r in (*unreadable, *standard.rejects, *scores.rejects)}
    ids = np.sort(np.concatenate([batch.row_ids, np.array([r.row_id for r in unreadable], np.int64)]))
    given = {row: pair for row, *pair in zip(batch.row_ids.tolist(), batch.compound_ids, batch.smiles, strict=True)}
    flags = dict(zip(standard.batch.row_ids.tolist(), standard.batch.data["flags"].to_pylist(), strict=True))
    parents = dict(zip(standard.batch.row_ids.tolist(), standard.batch.smiles, strict=True))
    rows = ids.tolist()
    return pa.table({
        "row_id": pa.array(ids, pa.int64()),
        "compound_id": pa.array([given.get(row, ["", ""])[0] for row in rows], pa.string()),
        "smiles": pa.array([given.get(row, ["", ""])[1] for row in rows], pa.string()),
        "parent_smiles": pa.array([parents.get(row, "") for row in rows], pa.string()),
        **_figures(scores, ids),
        "flags": pa.array([flags.get(row, "") for row in rows], pa.string()),
        "reason": pa.array([reasons.get(row, "") for row in rows], pa.string()),
    })  # fmt: skip


def batch_of(molecules: Sequence[str | Chem.Mol]) -> CompoundBatch:
    """A batch of SMILES or RDKit molecules in their order; what is neither becomes an empty SMILES, and so a reject."""
    return CompoundBatch.of([_as_smiles(molecule) for molecule in molecules])


def opened(model: str | Path | Scorer, *, default: StandardizeConfig) -> tuple[Scorer, StandardizeConfig]:
    """The scorer, and how structures were standardized in its training (``default`` where it does not say).

    Raises:
        ModelFileError: if the folder holds no usable model.
    """
    if not isinstance(model, str | Path):
        return model, default
    training: Mapping[str, object] = read_trust(model).get("training") or {}
    rules = training.get("standardize")
    return open_scorer(model), StandardizeConfig.model_validate(rules) if rules else default


def _at_level(scorer: Scorer, level: float) -> Scorer:
    from cinchona.pipelines.calibrate import at_level

    if not isinstance(scorer, ArrayScorer):
        raise ConfigError(f"{scorer.name} has no intervals of ours", where="level", expected="a model folder")
    changed = copy.copy(scorer)
    changed.trust = replace(scorer.trust, conformal=at_level(scorer, level))
    return changed


def _as_smiles(molecule: object) -> str:
    if isinstance(molecule, Chem.Mol):
        return str(Chem.MolToSmiles(molecule))
    return molecule if isinstance(molecule, str) else ""


def _figures(scores: Scores, ids: np.ndarray) -> dict[str, pa.Array]:
    place = np.searchsorted(ids, scores.row_ids)
    known = np.zeros(len(ids), bool)
    known[place] = True

    def spread(values: np.ndarray) -> pa.Array:
        column = np.zeros(len(ids), values.dtype)
        column[place] = values
        return pa.array(column, mask=~known | ~np.isfinite(column.astype(np.float64)))

    columns = {"score": spread(scores.score)}
    parts = ("uncertainty", "lower", "upper", "in_domain")
    for t, endpoint in enumerate(scores.endpoints):
        columns[endpoint.name] = spread(scores.value[:, t])
        for part in parts:
            values: np.ndarray | None = getattr(scores, part)
            if values is not None:
                columns[f"{endpoint.name}_{part}"] = spread(values[:, t])
    if scores.nearest_train_ids is not None:
        names = np.full(len(ids), None, object)
        names[place] = scores.nearest_train_ids
        columns["nearest_train_id"] = pa.array(names.tolist(), pa.string())
    return columns


@contextmanager
def _library(inputs: str | Path | Sequence[str | Path], settings: Settings) -> Iterator[Library]:
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    with tempfile.TemporaryDirectory(prefix="cinchona-staged-") as staging:
        yield open_library(names, staging=Path(staging), reader=settings.reader)


def _write(table: pa.Table, out: Path) -> None:
    with atomic_path(out / "predictions.parquet") as draft:
        pq.write_table(table, draft)
    write_csv(out / "predictions.csv", table.to_batches(), table.schema)


__all__ = ["Predicted", "batch_of", "opened", "predict", "predict_batch"]
