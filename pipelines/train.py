"""The training workflow: an assay table in; a model folder with its figures beside the baselines', and a tracked run out."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.leakage import leakage_report
from cinchona.datasets.splits import Split, make_split
from cinchona.digests import digest_json
from cinchona.errors import ColumnError, ConfigError
from cinchona.files import atomic_path
from cinchona.manifest import Manifest
from cinchona.masking import mask_secrets
from cinchona.models.baselines import fit_baselines
from cinchona.models.choosing import Choice
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.evaluation import Evaluation, evaluate_predictions
from cinchona.models.explanation.neighbours import KeptCompounds, kept_compounds
from cinchona.models.folder import is_model_folder, open_scorer, read_trust, save_model
from cinchona.models.scorers import ArrayScorer
from cinchona.models.train import fit_ensemble
from cinchona.models.training_state import EpochRecord
from cinchona.models.trust import trust_record
from cinchona.pipelines.calibrating import calibration_record, learn_trust
from cinchona.pipelines.card import write_card
from cinchona.pipelines.chosen import fit_chosen
from cinchona.pipelines.config import Settings
from cinchona.pipelines.heldout import heldout_table, predict_all
from cinchona.pipelines.recipe import Recipe, input_names, plain_settings
from cinchona.pipelines.report import write_training_report
from cinchona.pipelines.train_tracking import log_begin, log_end, tags_of
from cinchona.protocols import Tracker
from cinchona.tracking import NullTracker

logger = logging.getLogger(__name__)

MODEL: Final = "network"
"""Name of the trained ensemble in tables of figures, beside those of the baselines."""
_LARGEST_BASELINE: Final = 64 << 20
"""Baselines with more bytes than this (forests on large tables) are compared, but not kept."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A trained model and how good it was on compounds that it had not seen."""

    folder: Path
    """Model folder."""
    fingerprint: str
    """Fingerprint of the model, hex."""
    rows: int
    """Rows of the table."""
    rejected: int
    """Rows without a usable structure or label; ``rejects.parquet`` in the folder says why."""
    compounds: int
    """Distinct compounds after joining replicates."""
    parts: dict[str, int]
    """Compounds in the training, validation and test part."""
    figures: tuple[dict[str, Any], ...]
    """Metrics on the test part with 95 % intervals: target, model, metric, estimate, lower, upper, n, note."""
    report: Path
    """Report for people, one HTML file."""
    run_id: str = ""
    """Id of the tracked run; empty without a tracker or if the model was there already."""
    choices: tuple[dict[str, Any], ...] = ()
    """What ``auto`` tried: target, model, metric, estimate, weight, seconds, why."""

    def figure(self, metric: str, *, model: str | None = None, target: str | None = None) -> float:
        """One figure; of the trained model and the first target unless others are named.

        Raises:
            ConfigError: if there is no such figure.
        """
        for row in self.figures:
            if (
                row["metric"] == metric
                and row["model"] == (model or self.figures[0]["model"])
                and target in {None, row["target"]}
            ):
                return float("nan") if row["estimate"] is None else float(row["estimate"])
        raise ConfigError(f"no figure {metric!r} of {model!r}", expected="a metric and a model of ``figures``")


@dataclass(slots=True)
class _Fitted:
    """What fitting gave, before it is written."""

    model: ArrayScorer
    baselines: dict[str, ArrayScorer]
    evaluations: tuple[Evaluation, ...]
    heldout: pa.Table
    curves: dict[str, list[float]] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    calibration: dict[str, Any] | None = None
    """How far intervals kept their promise on the test part."""


def train(
    table: str | Path | pa.Table | pd.DataFrame,
    *,
    targets: Sequence[str],
    out: str | Path,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> TrainResult:
    """Train a model as ``choice.model`` says, by default an ensemble of graph networks; measure it beside the baselines on held-out compounds, and save it.

    The same call on a finished folder gives the model that is there; on a training that was killed it goes on.

    Args:
        table: Assay table.
        targets: Measured columns.
        out: Model folder: new or empty, or that of the same training.
        settings: Settings; None for the defaults.
        seed: Seed of split, weights, order of the compounds and bootstrap.
        tracker: Keeps a record of the run; None for none.

    Raises:
        ColumnError: if a column is missing or ambiguous, or a target has no readable value or only one.
        InputError: if the table cannot be read.
        NoUsableRowsError: if no compound is left to train on.
        ConfigError: if the folder holds something else, or the training diverges.
        RetryableError: if the disk is full or failing.
    """
    chosen, folder = settings or Settings(), Path(out).absolute()
    data = read_assay_table(
        table, targets=targets, curation=chosen.curation, standardize=chosen.standardize, reader=chosen.reader
    )
    _check_contrast(data)
    decisive = _decisive(data, chosen, seed)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _found(folder, decisive)
    split = make_split(data, chosen.split, seed=seed)
    leakage = leakage_report(data, split)
    name = _name(table)
    with (tracker or NullTracker()).run(f"train {name}", kind="train", tags=tags_of(data, split, seed)) as run:
        log_begin(run, data, split, chosen, name)
        Recipe(
            kind="train", inputs=input_names(table), digests=(data.digest,), seed=seed, targets=tuple(targets),
            settings=plain_settings(chosen),
        ).log(run)  # fmt: skip
        fitted = _fit(data, split, chosen, seed=seed, checkpoint=folder.parent / f".{folder.name}.training")
        trust = trust_record(data, split, evaluations=fitted.evaluations, leakage=leakage, seed=seed, name=name)
        trust["training"] = {
            "digest": decisive,
            "run_id": run.run_id,
            "standardize": chosen.standardize.model_dump(mode="json"),
        }
        kept = kept_compounds(data, split) if chosen.explanation.keep_compounds else None
        if kept is not None:
            trust["compounds"] = kept.entry
        trust["calibration"] = fitted.calibration
        if fitted.choices:
            trust["choice"] = [choice.to_json() for choice in fitted.choices]
        save_model(
            fitted.model,
            folder,
            trust=trust,
            beside=lambda draft: _write_companions(draft, data, fitted, settings=chosen, seed=seed, kept=kept),
        )
        log_end(run, folder, fitted.evaluations, heldout=fitted.heldout, curves=fitted.curves)
    shutil.rmtree(folder.parent / f".{folder.name}.training", ignore_errors=True)
    return _result(folder, run_id=run.run_id)


def _check_contrast(data: AssayTable) -> None:
    """Refuse a target that is the same for every compound.

    Raises:
        ColumnError: naming it and its value.
    """
    for target, values in zip(data.targets, data.values.T, strict=True):
        seen = np.unique(values[~np.isnan(values)])
        if len(seen) == 1 and len(values) > 1:
            raise ColumnError(
                f"all compounds have the same {target.name}, {seen[0]:g}: there is nothing to learn",
                where=f"column {target.source or target.name!r}", expected="at least two different values",
                remedy="name another column with --target",
            )  # fmt: skip


def _decisive(data: AssayTable, settings: Settings, seed: int) -> str:
    """Digest of everything that decides the model and its figures."""
    included = {"standardize", "curation", "split", "network", "training", "calibration", "domain"}
    if settings.choice.model != "network":
        included |= {"choice", *({"deepchem"} & {settings.choice.model})}
    kept = ["compounds are kept"] if settings.explanation.keep_compounds else []
    return digest_json([data.digest, settings.model_dump(mode="json", include=included), seed, *kept])


def _found(folder: Path, decisive: str) -> TrainResult:
    if is_model_folder(folder):
        training = read_trust(folder).get("training") or {}
        if training.get("digest") == decisive:
            logger.info("%s holds this model already; nothing was trained", folder)
            return _result(folder)
    raise ConfigError(
        "the folder is taken by something else",
        where=str(folder),
        expected="a new or empty folder, or the model of the same data, settings and seed",
        remedy="choose another folder with --out, or remove this one",
    )


def _fit(data: AssayTable, split: Split, settings: Settings, *, seed: int, checkpoint: Path) -> _Fitted:
    curves: dict[str, list[float]] = defaultdict(list)
    model: ArrayScorer
    choices: tuple[Choice, ...] = ()
    if settings.choice.model == "network":
        model = network = _fit_network(data, split, settings, seed=seed, checkpoint=checkpoint, curves=curves)
        held = network.held_out
    else:
        model, choices, held = fit_chosen(data, split, settings, seed=seed)
    learn_trust(model, held, data, split, settings=settings, seed=seed)
    lower, trees = settings.training.lower_is_better, settings.training.forest_trees
    baselines = fit_baselines(data, split, seed=seed, n_trees=trees, lower_is_better=lower)
    models: dict[str, ArrayScorer] = {settings.choice.model: model, **baselines}
    tested = [data.smiles[row] for row in split.test]
    predictions = {name: predict_all(one, tested) for name, one in models.items()}
    evaluations = evaluate_predictions(
        data.values[split.test], data.censor[split.test], predictions, endpoints=model.endpoints, seed=seed
    )
    heldout = heldout_table(data, split, predictions[settings.choice.model])
    return _Fitted(
        model, baselines, evaluations, heldout, dict(curves), choices, calibration_record(model, data, split)
    )


def _fit_network(
    data: AssayTable, split: Split, settings: Settings, *, seed: int, checkpoint: Path, curves: dict[str, list[float]]
) -> GraphEnsemble:

    def keep(record: EpochRecord) -> None:
        curves[f"network-{record.member}/train loss"].append(record.train_loss)
        curves[f"network-{record.member}/valid loss"].append(record.valid_loss)

    return fit_ensemble(
        data, split, network=settings.network, training=settings.training, seed=seed, checkpoint=checkpoint,
        on_epoch=keep,
    )  # fmt: skip


def _write_companions(
    folder: Path, data: AssayTable, fitted: _Fitted, *, settings: Settings, seed: int, kept: KeptCompounds | None
) -> None:
    if kept is not None:
        kept.write(folder)
    for name, baseline in fitted.baselines.items():
        if sum(array.nbytes for array in baseline.arrays().values()) <= _LARGEST_BASELINE:
            save_model(baseline, folder / "baselines" / name)
    rejects = pa.table({
        "row_id": pa.array([reject.row_id for reject in data.rejects], pa.int64()),
        "stage": pa.array([str(reject.stage) for reject in data.rejects], pa.string()),
        "reason": pa.array([reject.reason for reject in data.rejects], pa.string()),
    })  # fmt: skip
    with atomic_path(folder / "rejects.parquet") as draft:
        pq.write_table(rejects, draft)
    with atomic_path(folder / "report" / "heldout.parquet") as draft:
        pq.write_table(fitted.heldout, draft)
    write_training_report(folder, predictions=fitted.heldout, curves=fitted.curves)
    write_card(folder, folder / "report", heldout=fitted.heldout)
    counts = {"rows": data.n_in, "rejected": len(data.rejects), "compounds": len(data)}
    config = mask_secrets(settings.model_dump(mode="json"))
    Manifest(kind="train", seed=seed, config=config, counts=counts).write(folder / "manifest.json")


def _result(folder: Path, *, run_id: str = "") -> TrainResult:
    """The result as the model folder tells it."""
    trust = read_trust(folder)
    data, split = trust["data"], trust["split"]
    return TrainResult(
        folder=folder,
        fingerprint=open_scorer(folder).fingerprint,
        rows=data["rows"],
        rejected=data["rejected"],
        compounds=data["compounds"],
        parts={part: split[part] for part in ("train", "valid", "test")},
        figures=tuple(trust["metrics"]),
        report=folder / "report" / "report.html",
        run_id=run_id or trust["training"]["run_id"],
        choices=tuple(trust.get("choice") or ()),
    )


def _name(table: object) -> str:
    return Path(table).name if isinstance(table, str | Path) else type(table).__name__


__all__ = ["MODEL", "TrainResult", "predict_all", "train"]
