"""The plan of a run over a space, and the receipts of its units."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from cinchona.digests import digest_bytes, digest_json
from cinchona.errors import InputError
from cinchona.models.engine.gemm import GemmName
from cinchona.screening.config import SpaceConfig
from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import PlanModel
from cinchona.screening.publish import publish_first
from cinchona.screening.synthons.collect import Bins, Collected
from cinchona.screening.synthons.search import UnitResult

FORM: Final = "cinchona-space-1"
"""Version of the run folder's form."""


class SpacePlan(BaseModel):
    """What is scored, with which model and settings, in how many units. Never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["cinchona-space-1"] = FORM
    """Version of this form."""
    fingerprint: str
    """Digest of :attr:`identity`."""
    created: datetime
    """When it was made, UTC."""
    name: str
    """Name of the space file, for people."""
    path: str
    """The space file, absolute."""
    digest: str
    """Digest of the space file and all reagent files, hex."""
    compiled: str
    """Digest of what became of the reagents, hex."""
    offered: int
    """Combinations of all listed reagents."""
    numbered: int
    """Combinations of the usable ones; products are numbered below it."""
    units: int
    """Units of work."""
    model: PlanModel
    """The scorer."""
    objective: str | None = None
    """Objective in place of the model's own."""
    top_k: int
    """Hits to keep."""
    space: SpaceConfig
    """How the space is searched."""
    exponent: int
    """Histogram bins are ``2**exponent`` wide."""
    first: int
    """The lowest bin."""
    seed: int
    """Decides which products are audited."""
    versions: dict[str, str]
    """Versions of the code that decides scores."""
    product: GemmName = "torch"
    """Matrix product that all workers use."""
    notes: dict[str, Any] = Field(default_factory=dict)
    """Settings that decide no score."""

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that can change a result, as plain data."""
        return self.model_dump(
            mode="json", exclude={"fingerprint", "created", "name", "path", "product", "notes", "model"}
        ) | {"model": self.model.fingerprint}

    @property
    def bins(self) -> Bins:
        """Histogram bins."""
        return Bins(self.exponent, self.first)


def is_space_run(root: Path) -> bool:
    """Whether a folder holds a run over a space."""
    try:
        return bool(json.loads((root / "plan.json").read_bytes()).get("form") == FORM)
    except (OSError, ValueError, AttributeError):
        return False


def load_space_plan(folder: RunFolder) -> SpacePlan:
    """Read the plan of a run.

    Raises:
        InputError: if there is none, or it was altered.
    """
    try:
        plan = SpacePlan.model_validate_json(folder.plan.read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise InputError(
            "the folder holds no run over a space", where=str(folder.root), expected="plan.json"
        ) from error
    if digest_json(plan.identity) != plan.fingerprint:
        raise InputError("the plan was altered", where=str(folder.plan), expected="the plan as it was written",
                         remedy="restore the file from a copy, or begin again in another folder")  # fmt: skip
    return plan


def receipt_path(folder: RunFolder, unit: int) -> Path:
    """The one receipt of a unit; it holds the unit's result."""
    return folder.receipts / f"{unit % 256:02x}" / f"{unit:08d}.safetensors"


def commit_result(folder: RunFolder, plan: str, unit: int, result: UnitResult, seconds: float) -> None:
    """Write the result of a unit unless another attempt was first.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    arrays = _arrays(result)
    facts = {
        "plan": plan,
        "unit": str(unit),
        "seconds": f"{seconds:.3f}",
        "built": str(result.built),
        "divided": str(result.divided),
        "misjudged": str(result.misjudged),
        "rejects": json.dumps(result.rejects, sort_keys=True),
        "content": _content(arrays),
    }
    publish_first(
        receipt_path(folder, unit), save(arrays, facts), before_link=lambda: failpoint("receipt.before_link", unit)
    )
    failpoint("receipt.after_link", unit)


def read_result(folder: RunFolder, plan: SpacePlan, unit: int) -> tuple[UnitResult, float] | None:
    """The result of a unit and its seconds, or None if it is missing, torn, altered or another plan's."""
    path = receipt_path(folder, unit)
    try:
        with safe_open(path, "numpy") as file:
            facts: Mapping[str, str] = file.metadata() or {}
        arrays = load(path.read_bytes())
        same = facts.get("plan") == plan.fingerprint and facts.get("unit") == str(unit)
        if not same or facts.get("content") != _content(arrays):
            return None
        return _result(arrays, facts, plan), float(facts["seconds"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def finished_units(folder: RunFolder, plan: SpacePlan) -> Iterator[int]:
    """Units that have a valid receipt; bad receipts are moved aside so that their units are done again."""
    for unit in range(plan.units):
        path = receipt_path(folder, unit)
        if not path.exists():
            continue
        if read_result(folder, plan, unit) is not None:
            yield unit
        else:
            folder.quarantine.mkdir(exist_ok=True)
            path.replace(folder.quarantine / f"{path.name}.{len(list(folder.quarantine.iterdir()))}")


def _arrays(result: UnitResult) -> dict[str, np.ndarray]:
    arrays = {
        "audited": result.audited,
        "table_scores": result.table_scores,
        "built_scores": result.built_scores,
    }
    for assay, kept in result.collected.items():
        scores, ids = kept.ranked()
        arrays |= {f"{assay}.scores": scores, f"{assay}.ids": ids, f"{assay}.counts": kept.counts}
        arrays[f"{assay}.missing"] = np.array([kept.not_finite, kept.reached, kept.filtered, kept.skipped])
        for role, figures in enumerate(zip(kept.sums, kept.tops, kept.seen, strict=True)):
            arrays |= {f"{assay}.{n}.{role}": array for n, array in zip(("sums", "tops", "seen"), figures, strict=True)}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _content(arrays: Mapping[str, np.ndarray]) -> str:
    return digest_json([[n, str(arrays[n].dtype), digest_bytes(arrays[n].tobytes())] for n in sorted(arrays)])


def _result(arrays: Mapping[str, np.ndarray], facts: Mapping[str, str], plan: SpacePlan) -> UnitResult:
    result = UnitResult({}, arrays["audited"], arrays["table_scores"], arrays["built_scores"])
    result.rejects = json.loads(facts["rejects"])
    result.built, result.divided = int(facts["built"]), int(facts["divided"])
    result.misjudged = int(facts["misjudged"])
    for assay in sorted({int(name.split(".")[0]) for name in arrays if "." in name}):
        roles = range(sum(1 for name in arrays if name.startswith(f"{assay}.sums.")))
        sums = [arrays[f"{assay}.sums.{role}"] for role in roles]
        kept = Collected(plan.top_k, tuple(len(s) for s in sums), plan.bins, plan.space.threshold)
        kept.restore(
            (arrays[f"{assay}.scores"], arrays[f"{assay}.ids"]), arrays[f"{assay}.counts"], arrays[f"{assay}.missing"],
            (sums, [arrays[f"{assay}.tops.{role}"] for role in roles], [arrays[f"{assay}.seen.{role}"] for role in roles]),
        )  # fmt: skip
        result.collected[assay] = kept
    return result


__all__ = [
    "FORM",
    "SpacePlan",
    "commit_result",
    "finished_units",
    "is_space_run",
    "load_space_plan",
    "read_result",
    "receipt_path",
]
