"""Folds by which models are compared: alike in size, with whole scaffolds or clusters together, and something to learn in each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from cinchona.datasets.clusters import leader_clusters
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.scaffolds import scaffolds
from cinchona.datasets.splits import deal_groups
from cinchona.models.candidates import n_folds
from cinchona.models.classical.members import Labels
from cinchona.seeds import rng

logger = logging.getLogger(__name__)

_PARTS: Final = 5
"""Parts of which one is held out where a single one says enough."""
_SIMILARITY: Final = 0.4


def folds_of(smiles: Sequence[str], kind: str, *, seed: int, count: int | None = None) -> np.ndarray:
    """Fold of each compound, int64, shape (n,); -1 for those that are only fitted to.

    A group larger than a fold is dealt compound by compound, as those without a ring often are: as one, it would leave too little to
    learn from, and a split never tests a group of that size.

    Args:
        smiles: n compounds.
        kind: ``random``, ``scaffold`` or ``cluster``; whole scaffolds or clusters stay in one fold.
        seed: Seed of the folds.
        count: Number of folds; None: as many as :func:`~cinchona.models.candidates.n_folds` says.
    """
    n, k = len(smiles), count or n_folds(len(smiles))
    parts = max(2, min(k, n)) if k > 1 else _PARTS
    groups = _groups(smiles, kind, largest=n / parts)
    if len(np.unique(groups)) < parts:
        groups = np.arange(n)
    folds = deal_groups(groups, parts, seed=seed) if kind != "random" else rng(seed, "folds").permutation(n) % parts
    return np.where(folds == 0, 0, -1) if k == 1 else folds


def learnable_folds(smiles: Sequence[str], labels: Sequence[Labels], kind: str, *, seed: int) -> np.ndarray:
    """:func:`folds_of`; or where a fold holds more than half of a class, folds among which the rarest such class is dealt evenly.

    Members of a rare class often share a scaffold. With all of them in one fold there is nothing to learn them from, and every
    model would be as good as a coin.
    """
    folds = folds_of(smiles, kind, seed=seed)
    poor = [members for label in labels for members in _classes(label) if _is_in_one(folds[members])]
    if not poor:
        return folds
    rarest = min(poor, key=len)
    logger.info("a fold by %s holds most of a class of %d compounds: they are dealt evenly instead", kind, len(rarest))
    dealt = np.empty(len(smiles), np.int64)
    others = np.setdiff1d(np.arange(len(smiles)), rarest)
    draw = rng(seed, "folds", "dealt")
    parts = int(folds.max()) + 1 if folds.min() == 0 else _PARTS
    dealt[np.concatenate([draw.permutation(rarest), draw.permutation(others)])] = np.arange(len(smiles)) % parts
    return dealt if folds.min() == 0 else np.where(dealt == 0, 0, -1)


def _classes(label: Labels) -> list[np.ndarray]:
    """Compounds of each class, int64; nothing for a number."""
    return [np.flatnonzero(label.values == value) for value in (0.0, 1.0)] if label.task == "classification" else []


def _is_in_one(folds: np.ndarray) -> bool:
    """Whether more than half of some compounds, and more than one, are held out at once."""
    held_out = np.bincount(folds[folds >= 0], minlength=1)
    return bool(held_out.max() > max(1, len(folds) / 2))


def _groups(smiles: Sequence[str], kind: str, *, largest: float) -> np.ndarray:
    """Group of each compound, int64, shape (n,); members of one of more than ``largest`` are groups of their own."""
    if kind == "scaffold":
        groups = np.unique(np.array(scaffolds(list(smiles)), object).astype(str), return_inverse=True)[1]
    elif kind == "cluster":
        groups = leader_clusters(morgan_packed(list(smiles)), similarity=_SIMILARITY)
    else:
        return np.arange(len(smiles))
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    alone: np.ndarray = np.where(sizes[place] > largest, len(sizes) + np.arange(len(smiles)), place)
    return alone


__all__ = ["folds_of", "learnable_folds"]
