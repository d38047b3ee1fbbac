"""Folds that resemble the test part, so that errors on them foretell errors on it.

A split by scaffold or cluster never tests large groups: they go to training. Folds that left them out would be harder than the
test, and errors of their members say nothing of it. So groups too large for a test part are always fitted to and never
counted, and the small ones are dealt at random, as the split deals them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cinchona.datasets.clusters import leader_clusters
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.scaffolds import scaffolds
from cinchona.datasets.splits import Split
from cinchona.seeds import rng

FEWEST: Final = 30
"""Compounds in small groups below which large groups are dealt too: better a harder estimate than none."""
_SIMILARITY: Final = 0.4


def largest_tested(split: Split) -> float:
    """Compounds of the largest group that the split may put into its test part: half of the smaller held-out part."""
    sizes = [len(part) for part in (split.valid, split.test) if len(part)]
    return min(sizes) / 2 if sizes else np.inf


def groups_of(smiles: Sequence[str], kind: str) -> np.ndarray:
    """Group of each compound as a split of ``kind`` keeps them together, int64, shape (n,)."""
    if kind == "scaffold":
        found: np.ndarray = np.unique(np.array(scaffolds(list(smiles)), object).astype(str), return_inverse=True)[1]
        return found
    if kind == "cluster":
        order = np.argsort(np.array(smiles))
        clusters = np.empty(len(smiles), np.int64)
        clusters[order] = leader_clusters(morgan_packed([smiles[k] for k in order]), similarity=_SIMILARITY)
        return clusters
    return np.arange(len(smiles))


def in_small_groups(groups: np.ndarray, *, largest: float) -> np.ndarray:
    """Which compounds are in groups of at most ``largest`` members, bool, shape (n,)."""
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    small: np.ndarray = sizes[place] <= largest
    return small


def like_test_part(groups: np.ndarray, *, largest: float) -> np.ndarray:
    """Compounds that a test part could hold, :func:`in_small_groups`, or all if those are too few; bool, shape (n,)."""
    small = in_small_groups(groups, largest=largest)
    return small if small.sum() >= min(FEWEST, len(groups)) else np.ones(len(groups), bool)


def alike_folds(groups: np.ndarray, k: int, *, largest: float, seed: int) -> np.ndarray:
    """Fold of each compound from 0 to k - 1, or -1 where it is always fitted to; int64, shape (n,).

    Args:
        groups: Group of each compound, any integers, shape (n,); kept together.
        k: Number of folds.
        largest: Members of the largest group that is left out.
        seed: Seed of the dealing.
    """
    kept = np.flatnonzero(like_test_part(groups, largest=largest))
    _, place, sizes = np.unique(groups[kept], return_inverse=True, return_counts=True)
    fold, filled = np.zeros(len(sizes), np.int64), np.zeros(k, np.int64)
    for group in rng(seed, "calibration", "folds").permutation(len(sizes)):
        fold[group] = np.argmin(filled)
        filled[fold[group]] += sizes[group]
    folds = np.full(len(groups), -1, np.int64)
    folds[kept] = fold[place]
    return folds


__all__ = ["alike_folds", "FEWEST", "groups_of", "in_small_groups", "largest_tested", "like_test_part"]
