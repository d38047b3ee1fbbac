"""``trust.json``: what a model learned from and how far it was right, kept inside its folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.leakage import LeakageReport
from cinchona.datasets.splits import Split
from cinchona.digests import digest_json
from cinchona.models.evaluation import Evaluation

TRUST_VERSION: Final = "cinchona-trust-1"
"""Version of the layout."""


def trust_record(
    table: AssayTable,
    split: Split,
    *,
    evaluations: Sequence[Evaluation],
    leakage: LeakageReport,
    seed: int,
    name: str,
) -> dict[str, Any]:
    """Put together the content of ``trust.json``.

    ``calibration``, ``conformal`` and ``domain`` are null until something fills them; a reader must take null for "not
    known", never for "not needed".

    Args:
        table: Curated compounds.
        split: How they were divided.
        evaluations: Metrics on the test part, of the model and of the baselines.
        leakage: Overlap between the parts.
        seed: Seed of the training.
        name: Name of the data, without folders.
    """
    return {
        "schema_version": TRUST_VERSION,
        "seed": seed,
        "data": {
            "name": name,
            "digest": table.digest,
            "rows": table.n_in,
            "rejected": len(table.rejects),
            "compounds": len(table),
            "targets": [_target(table, position) for position in range(len(table.targets))],
            "decisions": list(table.decisions),
        },
        "split": {
            "kind": split.kind,
            "seed": split.seed,
            "train": len(split.train),
            "valid": len(split.valid),
            "test": len(split.test),
            "digest": digest_json([part.tolist() for part in (split.train, split.valid, split.test)]),
            "notes": list(split.notes),
        },
        "leakage": _plain(leakage.to_json()),
        "metrics": [evaluation.to_json() for evaluation in evaluations],
        "calibration": None,
        "conformal": None,
        "domain": None,
    }


def _target(table: AssayTable, position: int) -> dict[str, Any]:
    target, values = table.targets[position], table.values[:, position]
    known = values[~np.isnan(values)]
    return {
        "name": target.name,
        "unit": target.unit,
        "kind": target.kind,
        "labels": len(known),
        "bounds": int(((table.censor[:, position] != 0) & ~np.isnan(values)).sum()),
        "mean": float(known.mean()),
        "lowest": float(known.min()),
        "highest": float(known.max()),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    """Replace numbers that JSON does not know by null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
