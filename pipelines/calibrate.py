"""Calibrate a finished model: from a table that it has not seen, or for intervals of another level."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.errors import ConfigError
from cinchona.files import write_bytes
from cinchona.models.calibration.checking import at_level as checked_at
from cinchona.models.calibration.checking import check_trust
from cinchona.models.calibration.config import CalibrationConfig
from cinchona.models.calibration.endpoint import FEWEST
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.calibration.intervals import ConformalIntervals
from cinchona.models.explanation.neighbours import COMPOUNDS
from cinchona.models.folder import open_scorer, read_trust, save_model
from cinchona.models.scorers import ArrayScorer
from cinchona.pipelines.calibrating import exact_labels
from cinchona.pipelines.card import HELD_OUT, write_card
from cinchona.pipelines.config import Settings
from cinchona.pipelines.evaluate import columns_of
from cinchona.pipelines.predict import opened
from cinchona.records import CompoundBatch
from cinchona.seeds import rng

logger = logging.getLogger(__name__)

_KNOWN = 0.01
"""Share of compounds at distance 0 from the training compounds from which on a warning is given."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A model with new intervals."""

    folder: Path
    """Its folder, with a card in ``report/``."""
    fingerprint: str
    """Its fingerprint, which differs from that of the model as it was."""
    level: float
    """Level of its intervals."""
    compounds: int
    """Compounds that they were learnt from; 0 where only the level was changed."""
    known: int | None
    """Those of them that seem to be training compounds of the model, whose errors are too small; None where it is not known."""
    checks: tuple[dict[str, Any], ...]
    """What intervals learnt from one half of the table promise, and what the other half shows, for each endpoint."""


def calibrate(
    table: str | Path | pa.Table | pd.DataFrame,
    *,
    model: str | Path,
    targets: Sequence[str],
    out: str | Path,
    settings: Settings | None = None,
    seed: int = 0,
) -> Calibrated:
    """Learn intervals of ``model`` from measurements, and write the model with them to ``out``.

    For models that came without, such as imported ones, and for compounds of another kind than the training compounds. The
    weights stay as they are. Endpoints that the table does not name keep the calibration that they have.

    Args:
        table: Assay table of compounds that the model was not fitted to; nobody but you can know that.
        model: Model folder.
        targets: Measured columns, named as the model's endpoints, or one column for a model of one endpoint.
        out: Model folder: new or empty.
        settings: ``calibration`` decides how; reading and curation as in training.
        seed: Seed of the halves by which the promise is checked.

    Raises:
        ConfigError: if a target is no endpoint of the model, the table has too few labels, or the place is taken.
        InputError: if the table cannot be used.
        ModelFileError: if the model cannot be used.
    """
    chosen = settings or Settings()
    scorer, rules = opened(model, default=chosen.standardize)
    assert isinstance(scorer, ArrayScorer)
    data = read_assay_table(table, targets=targets, curation=chosen.curation, standardize=rules, reader=chosen.reader)
    truth = _labels(scorer, data)
    held = _held_out(scorer, data)
    known = None if held.distance is None else int((held.distance == 0).sum())
    if known is not None and known > _KNOWN * len(held):
        logger.warning(
            "%d of %d compounds may be training compounds of the model: their errors, and so the intervals, are too small",
            known, len(held),
        )  # fmt: skip
    fitted = _fit(scorer, held, truth, chosen.calibration)
    checks = _checked(scorer, data, held, truth, config=chosen.calibration, seed=seed)
    found = Calibrated(Path(out), "", fitted.level, len(held), known, checks)
    return _written(scorer, fitted, Path(model), found)


def with_level(model: str | Path, level: float, *, out: str | Path) -> Calibrated:
    """Write ``model`` with intervals of another level to ``out``; its quantiles are those that it came with.

    Raises:
        ConfigError: if the model has no intervals, the level is none of those kept, or the place is taken.
        ModelFileError: if the model cannot be used.
    """
    scorer = open_scorer(model)
    return _written(scorer, at_level(scorer, level), Path(model), Calibrated(Path(out), "", level, 0, None, ()))


def at_level(scorer: ArrayScorer, level: float) -> ConformalIntervals:
    """The intervals of a model at another level.

    Raises:
        ConfigError: if it has none, or no quantiles of that level.
    """
    conformal = scorer.trust.conformal
    if not isinstance(conformal, ConformalIntervals):
        raise ConfigError(
            "the model has no intervals", expected="a model that was calibrated in training or afterwards",
            remedy="calibrate it with measurements that it has not seen: cinchona calibrate",
        )  # fmt: skip
    return conformal.at_level(level)


def _labels(scorer: ArrayScorer, data: AssayTable) -> np.ndarray:
    """Exact labels in the columns of the model's endpoints, float64, shape (n, t); NaN where there are none."""
    truth = np.full((len(data), len(scorer.endpoints)), np.nan)
    columns = columns_of(scorer.endpoints, [target.name for target in data.targets])
    truth[:, columns] = exact_labels(data, np.arange(len(data)))
    return truth


def _held_out(scorer: ArrayScorer, data: AssayTable) -> HeldOut:
    batch = CompoundBatch.of(list(data.smiles))
    found = scorer.predict(batch)
    shape = (len(data), len(scorer.endpoints))
    value, spread, distance = np.full(shape, np.nan), None, None
    value[found.kept] = found.value
    if found.uncertainty is not None:
        spread = np.full(shape, np.nan)
        spread[found.kept] = found.uncertainty
    if scorer.trust.domain is not None:
        distance = np.full(len(data), np.nan)
        distance[found.kept] = scorer.trust.domain.locate(batch, found).distance
    rows = np.arange(len(data))
    return HeldOut(
        rows, np.zeros_like(rows), value, spread=spread, distance=distance, how=f"{len(data):,} compounds of a table"
    ).take(found.kept)


def _fit(scorer: ArrayScorer, held: HeldOut, truth: np.ndarray, config: CalibrationConfig) -> ConformalIntervals:
    fitted = ConformalIntervals.fit(held, truth[held.rows], endpoints=scorer.endpoints, config=config)
    if fitted is None:
        raise ConfigError(
            "nothing could be calibrated", where="calibration.intervals, TABLE",
            expected=f"{FEWEST} or more exact labels of an endpoint, and calibration.intervals other than none",
        )  # fmt: skip
    before = scorer.trust.conformal
    if not isinstance(before, ConformalIntervals):
        return fitted
    kept = [
        old if new is None and old is not None and fitted.level in old.levels else new
        for new, old in zip(fitted.endpoints, before.endpoints, strict=True)
    ]
    return replace(fitted, endpoints=tuple(kept))


def _checked(
    scorer: ArrayScorer, data: AssayTable, held: HeldOut, truth: np.ndarray, *, config: CalibrationConfig, seed: int
) -> tuple[dict[str, Any], ...]:
    half = rng(seed, "calibrate", "halves").permutation(len(held)) % 2 == 0
    part = ConformalIntervals.fit(held.take(half), truth[held.rows[half]], endpoints=scorer.endpoints, config=config)
    if part is None or not (~half).any():
        return ()
    whole = scorer.trust
    scorer.trust = replace(whole, conformal=part)
    try:
        rest = held.rows[~half]
        return tuple(check_trust(scorer, [data.smiles[row] for row in rest], truth[rest]))
    finally:
        scorer.trust = whole


def _written(scorer: ArrayScorer, conformal: ConformalIntervals, model: Path, found: Calibrated) -> Calibrated:
    """Save the model with its new intervals where ``found`` says, and complete ``found``."""
    trust = read_trust(model)
    if found.compounds:
        trust["calibration"] = {"part": "half of the table", "endpoints": list(found.checks)}
    elif isinstance(record := trust.get("calibration"), dict):
        entries = [checked_at(entry, found.level) for entry in record.get("endpoints") or ()]
        trust["calibration"] = {**record, "endpoints": entries}
    scorer.trust = replace(scorer.trust, conformal=conformal)
    save_model(scorer, found.folder, trust=trust)
    measured = all(endpoint.kind == "regression" for endpoint in scorer.endpoints)
    _copy_companions(model, found.folder, values_stay=measured or not found.compounds)
    write_card(found.folder, found.folder / HELD_OUT.parent)
    return replace(found, fingerprint=scorer.fingerprint)


def _copy_companions(model: Path, folder: Path, *, values_stay: bool) -> None:
    """Take over what stands beside a model: its training compounds, and the held-out predictions that its card is made from.

    Probabilities of classes change where they are calibrated anew, so predictions of before would tell of another model.
    """
    if (model / COMPOUNDS).is_file():
        write_bytes(folder / COMPOUNDS, (model / COMPOUNDS).read_bytes())
    if values_stay and (model / HELD_OUT).is_file():
        write_bytes(folder / HELD_OUT, (model / HELD_OUT).read_bytes())


__all__ = ["at_level", "calibrate", "Calibrated", "with_level"]
