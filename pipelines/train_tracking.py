"""What a training leaves in the record of runs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import PARTS, Split
from cinchona.digests import digest_json
from cinchona.files import write_text
from cinchona.masking import mask_secrets
from cinchona.models.evaluation import Evaluation, evaluations_table
from cinchona.models.folder import read_trust
from cinchona.pipelines.card import HTML, JSON
from cinchona.pipelines.config import Settings
from cinchona.pipelines.figures import standalone
from cinchona.pipelines.quality_figures import quality_pictures
from cinchona.pipelines.reliability import reliabilities, reliability_figures
from cinchona.pipelines.report_training import target_figure
from cinchona.protocols import TrackedRun

_LEAD: Final = 2_000
"""Characters of the card that lead the description of a run."""


def tags_of(data: AssayTable, split: Split, seed: int) -> dict[str, str]:
    """Labels to search runs by."""
    return {"data_digest": data.digest, "split_kind": split.kind, "seed": str(seed)}


def log_begin(run: TrackedRun, data: AssayTable, split: Split, settings: Settings, name: str) -> None:
    """Record settings, and each part of the data with the digest of its compounds and labels."""
    run.log_params(_flat(mask_secrets(settings.model_dump(mode="json", exclude={"screen", "executor", "tracking"}))))
    for part in PARTS:
        rows = getattr(split, part).tolist()
        run.log_dataset(f"{name}, {part}", digest=digest_json([data.digest, rows]), source=name, context=part)


def log_end(
    run: TrackedRun,
    folder: Path,
    evaluations: Sequence[Evaluation],
    *,
    heldout: pa.Table,
    curves: Mapping[str, Sequence[float]],
) -> None:
    """Record curves, figures, a picture for each target, the report and the model."""
    for curve, values in curves.items():
        run.log_curve(curve, values)
    run.log_metrics({f"test {e.metric} {e.target} {e.model}": e.interval.estimate for e in evaluations if e.interval})
    trust = read_trust(folder)
    run.log_metrics(reliability_figures(trust))
    run.log_table("figures", evaluations_table(evaluations))
    for target in dict.fromkeys(heldout["target"].to_pylist()):
        picture = folder / "report" / f"heldout-{digest_json(target)[:8]}.svg"
        write_text(picture, target_figure(heldout, target))
        run.log_artifact(picture, folder="pictures")
    with tempfile.TemporaryDirectory(prefix="cinchona-") as scratch:
        for name, svg in (quality_pictures(folder, heldout) | _reliability_pictures(trust)).items():
            write_text(Path(scratch, name), svg)
            run.log_artifact(Path(scratch, name), folder="pictures")
    run.log_artifact(folder / "report" / "heldout.parquet", folder="heldout")
    for name in ("report.html", HTML, JSON):
        run.log_artifact(folder / "report" / name)
    run.set_tags({"description": _lead(folder)})
    run.log_model(folder, name="model")


def _lead(folder: Path) -> str:
    """What a reader of the run should know first: where the model stands, and its limits."""
    card = json.loads((folder / "report" / JSON).read_bytes())
    return " ".join([*card["standing"], *card["limits"]])[:_LEAD]


def _reliability_pictures(trust: Mapping[str, Any]) -> dict[str, str]:
    """Reliability of each endpoint that has intervals, by file name; they take the place of those of plain spreads."""
    return {f"reliability-{digest_json(one.target)[:8]}.svg": standalone(str(one.svg)) for one in reliabilities(trust)}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


__all__ = ["log_begin", "log_end", "tags_of"]
