"""The few-shot workflow: a few actives and a background library in; a model folder that ranks libraries out."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.sources import open_library
from cinchona.datasets.standardize import standardize_batch
from cinchona.digests import digest_json
from cinchona.errors import ConfigError, NoUsableRowsError
from cinchona.files import atomic_path
from cinchona.manifest import Manifest
from cinchona.masking import mask_secrets
from cinchona.models.fewshot import FewShotScorer, ranks_without
from cinchona.models.folder import is_model_folder, open_scorer, read_trust, save_model
from cinchona.models.trust import TRUST_VERSION
from cinchona.pipelines.config import Settings
from cinchona.pipelines.pretrain_corpus import draw
from cinchona.records import CompoundBatch, Reject

logger = logging.getLogger(__name__)

BACKGROUND: Final = ("catalogue:nci5k",)
"""Library that stands for inactives where none is named; one like the library that will be screened does better."""
_FEWEST: Final = 50
_MANY: Final = 200
_STEP: Final = 20_000


@dataclass(frozen=True, slots=True)
class FewShotResult:
    """A ranker and how well it finds its own actives again."""

    folder: Path
    """Model folder; ``cinchona screen`` takes it like any other."""
    fingerprint: str
    """Fingerprint of the model, hex."""
    rows: int
    """Records of the actives."""
    rejected: int
    """Those without a usable structure; ``rejects.parquet`` in the folder says why."""
    actives: int
    """Distinct actives that it learnt from."""
    background: int
    """Distinct background molecules, without the actives."""
    held_out_rank: float | None
    """Share of the background behind an active that was held out, mean over the actives; a random guess gets 0.5. None for one active."""
    first_percent: float | None
    """Share of the held-out actives that stand in the first 1 %; a random guess gets 0.01."""


def fewshot(
    actives: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    background: Sequence[str | Path] = BACKGROUND,
    sample: int = 2_000,
    settings: Settings | None = None,
    seed: int = 0,
) -> FewShotResult:
    """Make a ranker from a few actives. The same call on a finished folder gives the model that is there.

    Args:
        actives: File or files with known actives: five to ten are enough.
        out: Model folder: new or empty, or that of the same call.
        background: Library of other molecules, best the one that will be screened.
        sample: Molecules to draw from each of its files at random.
        settings: Settings for reading and standardization.
        seed: Seed of the draw.

    Raises:
        ConfigError: if the folder holds something else.
        InputError: if a file cannot be read.
        NoUsableRowsError: if no active, or fewer than 50 background molecules, are left.
        RetryableError: if the disk is full or failing.
    """
    chosen, folder = settings or Settings(), Path(out).absolute()
    names = [actives] if isinstance(actives, str | Path) else list(actives)
    rules = chosen.standardize
    found, rows, rejects = _actives(names, chosen)
    others = sorted(set(_background(background, chosen, sample=sample, seed=seed)) - set(found))
    if len(others) < _FEWEST:
        raise NoUsableRowsError(
            f"{len(others)} background molecules are left", where=", ".join(map(str, background)),
            expected=f"{_FEWEST} or more besides the actives", remedy="name a larger library with --background",
        )  # fmt: skip
    if len(found) > _MANY:
        logger.warning("%d actives are many: with inactives beside them, cinchona train learns more", len(found))
    told = digest_json([found, others])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _there(folder, told)
    model = FewShotScorer.fit(found, others)
    record = {
        "rows": rows,
        "rejected": len(rejects),
        "actives": len(found),
        "background": len(others),
        **_ranks(found, others),
    }
    trust = _trust(record, rules, digest=told, seed=seed, inputs=[Path(name).name for name in names])
    save_model(model, folder, trust=trust, beside=lambda draft: _companions(draft, rejects, chosen, record, seed))
    return _result(folder, model.fingerprint, record)


def _actives(names: Sequence[str | Path], settings: Settings) -> tuple[list[str], int, list[Reject]]:
    """Distinct standardized structures in order, records in all, and the rejects."""
    kept: dict[str, None] = {}
    rejects: list[Reject] = []
    with tempfile.TemporaryDirectory(prefix="cinchona-staged-") as staging:
        library = open_library(names, staging=Path(staging), reader=settings.reader)
        for batch, unreadable in library.batches(_STEP):
            standard = standardize_batch(batch, settings.standardize)
            kept |= dict.fromkeys(standard.batch.smiles)
            rejects += [*unreadable, *standard.rejects]
        if not kept:
            raise NoUsableRowsError(
                "no active has a usable structure", where=", ".join(map(str, names)), expected="SMILES or records of an SDF",
                remedy="look at them with: cinchona data check",
            )  # fmt: skip
        return list(kept), library.n_rows, rejects


def _background(names: Sequence[str | Path], settings: Settings, *, sample: int, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="cinchona-background-") as scratch:
        library = open_library(names, staging=Path(scratch), reader=settings.reader)
        drawn = draw(library, Path(scratch), limit=sample, seed=seed, key="background")
    return standardize_batch(CompoundBatch.of(drawn.smiles), settings.standardize).batch.smiles


def _ranks(actives: Sequence[str], background: Sequence[str]) -> dict[str, float | None]:
    if len(actives) < 2:
        return {"held_out_rank": None, "first_percent": None}
    ranks = ranks_without(actives, background)
    return {"held_out_rank": float(ranks.mean()), "first_percent": float((ranks >= 0.99).mean())}


def _trust(
    record: dict[str, Any], rules: StandardizeConfig, *, digest: str, seed: int, inputs: list[str]
) -> dict[str, Any]:
    return {
        "schema_version": TRUST_VERSION, "seed": seed, "calibration": None, "conformal": None, "domain": None,
        "data": {
            "name": ", ".join(inputs), "digest": digest, "rows": record["rows"], "rejected": record["rejected"],
            "compounds": record["actives"], "targets": [], "decisions": [],
        },
        "training": {"digest": digest, "standardize": rules.model_dump(mode="json")},
        "few_shot": {"inputs": inputs, **record},
    }  # fmt: skip


def _companions(folder: Path, rejects: Sequence[Reject], settings: Settings, record: dict[str, Any], seed: int) -> None:
    table = pa.table({
        "row_id": pa.array([reject.row_id for reject in rejects], pa.int64()),
        "stage": pa.array([str(reject.stage) for reject in rejects], pa.string()),
        "reason": pa.array([reject.reason for reject in rejects], pa.string()),
    })  # fmt: skip
    with atomic_path(folder / "rejects.parquet") as draft:
        pq.write_table(table, draft)
    counts = {name: record[name] for name in ("rows", "rejected", "actives", "background")}
    config = mask_secrets(settings.model_dump(mode="json"))
    Manifest(kind="fewshot", seed=seed, config=config, counts=counts).write(folder / "manifest.json")


def _there(folder: Path, digest: str) -> FewShotResult:
    if is_model_folder(folder):
        trust = read_trust(folder)
        if (trust.get("training") or {}).get("digest") == digest and "few_shot" in trust:
            logger.info("%s holds this model already; nothing was learnt", folder)
            return _result(folder, open_scorer(folder).fingerprint, trust["few_shot"])
    raise ConfigError(
        "the folder is taken by something else", where=str(folder),
        expected="a new or empty folder, or the model of the same actives and background",
        remedy="choose another folder with --out, or remove this one",
    )  # fmt: skip


def _result(folder: Path, fingerprint: str, record: dict[str, Any]) -> FewShotResult:
    figures = {name: value for name, value in record.items() if name != "inputs"}
    return FewShotResult(folder=folder, fingerprint=fingerprint, **figures)


__all__ = ["BACKGROUND", "fewshot", "FewShotResult"]
