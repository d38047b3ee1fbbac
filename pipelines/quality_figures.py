"""Pictures of how well a model ranks its held-out compounds and how honest its uncertainties are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.digests import digest_json
from cinchona.models.calibration_error import reliability_curve
from cinchona.models.folder import open_scorer
from cinchona.pipelines.figures import lines_svg, standalone
from cinchona.records import CompoundBatch, Direction, Endpoint, Scores

FEWEST: Final = 10
"""Compounds that a picture needs."""
BEST: Final = 0.1
"""Share of the compounds that count as actives of a regression: the best by measurement."""


def quality_pictures(folder: Path, heldout: pa.Table) -> dict[str, str]:
    """Enrichment and reliability of each target as standalone SVG files, by file name.

    Args:
        folder: Model folder.
        heldout: Held-out compounds, as :func:`cinchona.pipelines.train.train` writes them.
    """
    scorer = open_scorer(folder)
    endpoints = {endpoint.name: k for k, endpoint in enumerate(scorer.endpoints)}
    known = heldout if "censor" not in heldout.column_names else heldout.filter(pc.equal(heldout["censor"], 0))
    pictures: dict[str, str] = {}
    for target in dict.fromkeys(known["target"].to_pylist()):
        rows = known.filter(pc.equal(known["target"], target))
        if target in endpoints and len(rows) >= FEWEST:
            scores = scorer.score(CompoundBatch.of(rows["smiles"].to_pylist()))
            labels = rows["measured"].to_numpy()[scores.row_ids].astype(np.float64)
            mark = digest_json(target)[:8]
            for name, svg in _pictures(labels, scores, scorer.endpoints[endpoints[target]], endpoints[target]):
                pictures[f"{name}-{mark}.svg"] = standalone(svg)
    return pictures


def enrichment_svg(labels: np.ndarray, scores: np.ndarray, *, label: str) -> str:
    """Draw the share of actives found over the share of compounds looked at, best first; the diagonal is a guess.

    Args:
        labels: True for actives, bool, shape (n,).
        scores: Higher is better, float, shape (n,); equal scores are one step.
        label: Name of the target.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    found = np.append(0.0, np.cumsum(labels[order])[last_of_tie] / labels.sum())
    looked = np.append(0.0, (np.flatnonzero(last_of_tie) + 1) / len(labels))
    points = list(zip(looked.tolist(), found.tolist(), strict=True))
    return lines_svg(
        [(label, points)],
        y_range=(0.0, 1.0),
        x_label="share of compounds, best first",
        y_label="share of actives found",
        guide=((0, 0), (1, 1)),
    )


def reliability_svg(promised: np.ndarray, found: np.ndarray, *, kind: str, label: str) -> str:
    """Draw what was found over what was promised; an honest model lies on the diagonal."""
    order = np.argsort(promised, kind="stable")
    points = list(zip(promised[order].tolist(), found[order].tolist(), strict=True))
    names = ("share promised within the interval", "share found")
    if kind == "classification":
        names = ("predicted probability", "share of actives")
    return lines_svg([(label, points)], y_range=(0.0, 1.0), x_label=names[0], y_label=names[1], guide=((0, 0), (1, 1)))


def _pictures(labels: np.ndarray, scores: Scores, endpoint: Endpoint, column: int) -> Iterator[tuple[str, str]]:
    kept = np.isfinite(labels) & np.isfinite(scores.value[:, column])
    labels, value = labels[kept], scores.value[kept, column].astype(np.float64)
    spread = None if scores.uncertainty is None else scores.uncertainty[kept, column].astype(np.float64)
    if len(labels) < FEWEST:
        return
    actives = labels > 0.5 if endpoint.kind == "classification" else _best(labels, endpoint)
    sign = 1.0 if endpoint.direction is Direction.HIGHER else -1.0
    if 0 < actives.sum() < len(actives):
        yield "enrichment", enrichment_svg(actives, sign * value, label=endpoint.name)
    if endpoint.kind == "classification" or (spread is not None and np.isfinite(spread).all()):
        pair = np.column_stack([value, value if spread is None else spread])
        promised, found = reliability_curve(endpoint.kind, labels, pair)
        yield "reliability", reliability_svg(promised, found, kind=endpoint.kind, label=endpoint.name)


def _best(labels: np.ndarray, endpoint: Endpoint) -> np.ndarray:
    sign = 1.0 if endpoint.direction is Direction.HIGHER else -1.0
    count = max(1, round(BEST * len(labels)))
    best: np.ndarray = sign * labels >= np.sort(sign * labels)[-count]
    return best


__all__ = ["enrichment_svg", "quality_pictures", "reliability_svg"]
