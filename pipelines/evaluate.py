"""How good a model is on measurements that it has not seen."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.errors import ConfigError
from cinchona.files import atomic_path
from cinchona.models.calibration.checking import check_trust
from cinchona.models.evaluation import evaluate_predictions, evaluations_table
from cinchona.models.scorers import ArrayScorer
from cinchona.pipelines.calibrating import exact_labels
from cinchona.pipelines.config import Settings
from cinchona.pipelines.leakage import audit, known_compounds
from cinchona.pipelines.predict import opened
from cinchona.pipelines.recipe import Recipe, input_names, plain_settings
from cinchona.pipelines.reliability import reliability_figures
from cinchona.pipelines.report import write_evaluation_report
from cinchona.pipelines.report_evaluation import training_fingerprints
from cinchona.protocols import Scorer, Tracker
from cinchona.records import CompoundBatch, Endpoint
from cinchona.screening.csvfile import write_csv
from cinchona.tracking import NullTracker

_LOGGED: Final = ("duplicates", "twins", "shared_scaffolds", "median_similarity")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Figures of a model on a table of measurements."""

    rows: int
    """Rows of the table."""
    rejected: int
    """Rows without a usable structure or label."""
    compounds: int
    """Distinct compounds."""
    predicted: int
    """Compounds with a prediction."""
    known: int | None
    """Compounds with the fingerprint of a training compound, which are mostly the same compound; None where the model has no domain."""
    figures: tuple[dict[str, Any], ...]
    """Metrics with 95 % intervals: target, model, metric, estimate, lower, upper, n, note."""
    leakage: dict[str, Any] | None = None
    """What the table has in common with training (:class:`~cinchona.datasets.leakage.LeakageReport`), a ``summary`` in words, and the
    figures ``without`` the compounds in common; None where the training compounds are not known."""
    calibration: tuple[dict[str, Any], ...] = ()
    """How far intervals and probabilities keep their promise here: records of
    :func:`~cinchona.models.calibration.checking.check_trust`; empty for a model without intervals."""
    out: Path | None = None
    """Folder with ``report.html``, and ``figures`` and ``predictions`` as tables, if one was asked for."""


def evaluate(  # noqa: PLR0913 - the common form of a workflow
    table: str | Path | pa.Table | pd.DataFrame,
    *,
    model: str | Path | Scorer,
    targets: Sequence[str],
    training: str | Path | pa.Table | pd.DataFrame | None = None,
    out: str | Path | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> Evaluated:
    """Compare predictions with measurements.

    Args:
        table: Assay table.
        model: Model folder, or a scorer.
        targets: Measured columns, named as the model's endpoints, or one column for a model of one endpoint.
        training: The table that the model was trained on, to look for compounds in common; None for the compounds that the model folder
            keeps, if it keeps any.
        out: Folder for the report and the tables; None writes none.
        settings: Settings for reading and curation; structures are standardized as in training.
        seed: Seed of the bootstrap.
        tracker: Keeps a record of the run; None for none.

    Raises:
        ConfigError: if a target is no endpoint of the model.
        InputError: if the table cannot be used.
        ModelFileError: if the model cannot be used.
    """
    chosen = settings or Settings()
    scorer, rules = opened(model, default=chosen.standardize)
    data = read_assay_table(table, targets=targets, curation=chosen.curation, standardize=rules, reader=chosen.reader)
    columns = columns_of(scorer.endpoints, [target.name for target in data.targets])
    predicted = _predict(scorer, data)[:, columns]
    endpoints = [scorer.endpoints[column] for column in columns]
    promises = _promises(scorer, data, columns)
    figures = evaluate_predictions(data.values, data.censor, {scorer.name: predicted}, endpoints=endpoints, seed=seed)
    known = known_compounds(model, training, targets=targets, rules=rules, settings=chosen)
    leaks = None if known is None else audit(data, predicted, known, name=scorer.name, endpoints=endpoints, seed=seed)
    name = Path(table).name if isinstance(table, str | Path) else type(table).__name__
    with (tracker or NullTracker()).run(f"evaluate {scorer.name} on {name}", kind="evaluate") as run:
        run.log_dataset(name, digest=data.digest, source=name, context="test")
        run.set_tags({"model_fingerprint": scorer.fingerprint, "seed": str(seed)})
        run.log_metrics({f"{e.metric} {e.target}": e.interval.estimate for e in figures if e.interval})
        run.log_metrics(reliability_figures({"calibration": {"endpoints": promises}}))
        if leaks:
            run.log_metrics({f"leakage {key}": float(getattr(leaks.report, key)) for key in _LOGGED})
        run.log_table("figures", evaluations_table(figures))
        Recipe(
            kind="evaluate", inputs=input_names(table), digests=(data.digest,), seed=seed, targets=tuple(targets),
            settings=plain_settings(chosen.model_copy(update={"standardize": rules})), model=scorer.fingerprint,
        ).log(run)  # fmt: skip
    if out is not None:
        facts = [
            ("model", scorer.name),
            ("fingerprint", scorer.fingerprint),
            ("data", f"{name}: {data.n_in:,} rows, {len(data):,} compounds, {len(data.rejects):,} rejected"),
            ("data digest", data.digest),
        ]
        write_evaluation_report(
            Path(out), data, predicted, endpoints=endpoints, figures=figures, facts=facts,
            known=training_fingerprints(model) if known is None else morgan_packed(known.smiles), leaks=leaks, promises=promises,
        )  # fmt: skip
        _write(Path(out), figures=evaluations_table(figures), predictions=_beside(data, predicted, endpoints))
    return Evaluated(
        rows=data.n_in,
        rejected=len(data.rejects),
        compounds=len(data),
        predicted=int(np.isfinite(predicted).any(axis=1).sum()),
        known=_known(scorer, data),
        figures=tuple(figure.to_json() for figure in figures),
        leakage=None if leaks is None else leaks.to_json(),
        calibration=tuple(promises),
        out=None if out is None else Path(out),
    )


def _promises(scorer: Scorer, data: AssayTable, columns: Sequence[int]) -> list[dict[str, Any]]:
    """How far intervals and probabilities keep their promise on the table."""
    if not isinstance(scorer, ArrayScorer):
        return []
    truth = np.full((len(data), len(scorer.endpoints)), np.nan)
    truth[:, columns] = exact_labels(data, np.arange(len(data)))
    return check_trust(scorer, data.smiles, truth)


def columns_of(endpoints: Sequence[Endpoint], targets: Sequence[str]) -> list[int]:
    """Positions of ``targets`` among the endpoints; a single target is the single endpoint, whatever their names.

    Raises:
        ConfigError: if a target is no endpoint.
    """
    names = [endpoint.name for endpoint in endpoints]
    if len(names) == len(targets) == 1:
        return [0]
    if missing := [target for target in targets if target not in names]:
        raise ConfigError(f"the model does not predict {', '.join(missing)}", expected=f"among {', '.join(names)}")
    return [names.index(target) for target in targets]


def _known(scorer: Scorer, data: AssayTable) -> int | None:
    """Count compounds that the model seems to know, and say it where there are some: figures over them are no test."""
    if not isinstance(scorer, ArrayScorer) or scorer.trust.domain is None:
        return None
    batch = CompoundBatch.of(list(data.smiles))
    count = int((scorer.trust.domain.locate(batch, scorer.predict(batch)).distance == 0).sum())
    if count:
        logger.warning(
            "%d of %d compounds have the fingerprint of a training compound: figures over these are no test of the model",
            count, len(data),
        )  # fmt: skip
    return count


def _predict(scorer: Scorer, data: AssayTable) -> np.ndarray:
    scores = scorer.score(CompoundBatch.of(data.smiles))
    values = np.full((len(data), len(scorer.endpoints)), np.nan)
    values[scores.row_ids] = scores.value
    return values


def _beside(data: AssayTable, predicted: np.ndarray, endpoints: Sequence[Endpoint]) -> pa.Table:
    table = data.to_arrow()
    for position, endpoint in enumerate(endpoints):
        column = predicted[:, position]
        table = table.append_column(f"{endpoint.name}_predicted", pa.array(column, mask=~np.isfinite(column)))
    return table


def _write(out: Path, **tables: pa.Table) -> None:
    for name, table in tables.items():
        with atomic_path(out / f"{name}.parquet") as draft:
            pq.write_table(table, draft)
        write_csv(out / f"{name}.csv", table.to_batches(), table.schema)


__all__ = ["columns_of", "Evaluated", "evaluate"]
