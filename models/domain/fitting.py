"""The domain of a model from its training compounds and, where there are some, its errors on compounds held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, take
from cinchona.errors import ShapeError
from cinchona.models.domain.folding import Folding, OnBits
from cinchona.models.domain.index import NearestIndex
from cinchona.models.domain.measure import BARS, DomainMeasure, histogram
from cinchona.models.domain.profile import Profile
from cinchona.models.domain.threshold import QUANTILE, Threshold, error_threshold, quantile_threshold
from cinchona.models.fingerprinting import parsed_molecules
from cinchona.models.intervals import bootstrap
from cinchona.records import CompoundBatch, Endpoint
from cinchona.seeds import rng

_LOOKED_AT: Final = 10_000
"""Compounds of a larger training set whose nearest neighbour is looked for."""
_FEWEST: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Errors on compounds that the model was not fitted to, at the distance that they had then."""

    distance: np.ndarray
    """Distance to the nearest compound that was fitted to, float, shape (k,)."""
    error: np.ndarray
    """Absolute error in the unit of each target, of a probability for classes; float64, (k, t), NaN where there is none."""


def fit_domain(  # noqa: PLR0913 - compounds, what is known of them, and how
    smiles: Sequence[str],
    *,
    endpoints: Sequence[Endpoint],
    folding: Folding,
    held_out: HeldOut | None = None,
    ids: Sequence[str] | None = None,
    quantile: float = QUANTILE,
    seed: int,
) -> DomainMeasure:
    """Remember the training compounds as fingerprints and find out what a distance means.

    Args:
        smiles: n curated compounds that the model was fitted to, n > 1.
        endpoints: The t targets.
        folding: How compounds become bits.
        held_out: Errors; without them the thresholds come from the distances between training compounds.
        ids: Ids of the compounds, if the model may tell them; None keeps none.
        quantile: Share of the training compounds within the threshold where errors do not tell one.
        seed: Seed of the shuffling and of samples of large sets.

    Raises:
        ShapeError: if a compound does not parse, or there are fewer than two.
    """
    bits = folding.bits(coded(smiles))
    words = bits.packed()
    if len(words) < 2:
        raise ShapeError.of("training compounds", (len(words),), "at least two")
    order = _canonical_order(words)
    own = _own_distances(bits, words, seed=seed)
    plain = quantile_threshold(own, quantile=quantile)
    thresholds = tuple(_threshold(held_out, column, seed=seed) or plain for column in range(len(endpoints)))
    return DomainMeasure(
        folding, words[order], thresholds, histogram(own), Profile.of(smiles, salt=folding.salt),
        None if ids is None else tuple(ids[row] for row in order), _evidence(held_out, endpoints, seed=seed),
    )  # fmt: skip


def fold_distances(smiles: Sequence[str], folds: np.ndarray, *, folding: Folding) -> np.ndarray:
    """Distance of each compound to the nearest one outside its own fold, float32, shape (n,); NaN where the fold is negative.

    Args:
        smiles: n compounds.
        folds: Fold of each, int, shape (n,); negative for those that every model was fitted to.
        folding: How compounds become bits.
    """
    molecules = coded(smiles)
    distance = np.full(len(smiles), np.nan, np.float32)
    for fold in np.unique(folds[folds >= 0]):
        inside, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(rest):
            distance[inside] = distances_between(molecules, inside, rest, folding=folding)
    return distance


def distances_between(
    molecules: CodedMolecules, queries: np.ndarray, references: np.ndarray, *, folding: Folding
) -> np.ndarray:
    """Distance of the molecules ``queries`` to the nearest of ``references`` (int arrays), float32, shape (len(queries),)."""
    index = NearestIndex.of(folding.bits(take(molecules, references)))
    return index.nearest(folding.bits(take(molecules, queries)))[0]


def coded(smiles: Sequence[str]) -> CodedMolecules:
    """Graph codes of compounds that must all be valid.

    Raises:
        ShapeError: naming how many are not.
    """
    molecules, kept, _ = parsed_molecules(CompoundBatch.of(list(smiles)))
    if not kept.all():
        raise ShapeError(f"{int((~kept).sum())} compounds do not parse", expected="curated SMILES")
    return codes_of_many(molecules)


def _canonical_order(words: np.ndarray) -> np.ndarray:
    """First row of each distinct fingerprint by number of bits and then bits, int64."""
    _, first = np.unique(words, axis=0, return_index=True)
    found: np.ndarray = first[np.argsort(np.bitwise_count(words[first]).sum(axis=1), kind="stable")]
    return found


def _own_distances(bits: OnBits, words: np.ndarray, *, seed: int) -> np.ndarray:
    rows = np.arange(len(bits))
    if len(rows) > _LOOKED_AT:
        rows = np.sort(rng(seed, "own distances").choice(rows, _LOOKED_AT, replace=False))
    return NearestIndex(words).nearest(OnBits.of_packed(words[rows]), skipped=rows)[0]


def _threshold(held_out: HeldOut | None, column: int, *, seed: int) -> Threshold | None:
    return None if held_out is None else error_threshold(held_out.distance, held_out.error[:, column], seed=seed)


def _evidence(held_out: HeldOut | None, endpoints: Sequence[Endpoint], *, seed: int) -> dict[str, Any]:
    if held_out is None:
        return {}
    return {
        "targets": [
            {"target": endpoint.name} | error_by_distance(held_out.distance, held_out.error[:, column], seed=seed)
            for column, endpoint in enumerate(endpoints)
        ]
    }


def error_by_distance(distance: np.ndarray, error: np.ndarray, *, seed: int) -> dict[str, Any]:
    """How errors grow with distance, as plain data.

    Args:
        distance: float, shape (n,).
        error: Absolute errors, float, shape (n,); NaN where there is none.
        seed: Seed of the bootstrap.

    Returns:
        ``n``; Spearman's rank correlation with its 95 % bootstrap interval (``spearman``, ``lower``, ``upper``; null where it is
        not defined; 0 is a random guess); for each of 20 bars of the distance the compounds (``counts``) and their mean error
        (``errors``, null in an empty one).
    """
    from scipy.stats import spearmanr

    known = np.isfinite(distance) & np.isfinite(error)
    far, wrong = np.asarray(distance, np.float64)[known], np.asarray(error, np.float64)[known]
    bar = np.minimum((far * BARS).astype(np.int64), BARS - 1)
    counts = np.bincount(bar, minlength=BARS)
    sums = np.bincount(bar, weights=wrong, minlength=BARS)
    figures: tuple[float | None, ...] = (None, None, None)
    if len(far) >= _FEWEST and np.ptp(far) > 0 and np.ptp(wrong) > 0:
        found = bootstrap(lambda a, b: float(spearmanr(a, b).statistic), far, wrong, seed=seed, samples=500)
        figures = tuple(x if math.isfinite(x) else None for x in (found.estimate, found.lower, found.upper))
    return {
        "n": len(far), "spearman": figures[0], "lower": figures[1], "upper": figures[2], "counts": counts.tolist(),
        "errors": [float(s / c) if c else None for s, c in zip(sums, counts, strict=True)],
    }  # fmt: skip


__all__ = ["HeldOut", "coded", "distances_between", "error_by_distance", "fit_domain", "fold_distances"]
