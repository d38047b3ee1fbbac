"""Clusters of similar molecules in memory that grows with their number, not with its square."""

from __future__ import annotations

from typing import Final

import numpy as np

from cinchona.datasets.fingerprints import nearest, tanimoto

_BLOCK: Final = 2_048


def leader_clusters(packed: np.ndarray, *, similarity: float) -> np.ndarray:
    """Sphere exclusion in the order of the rows.

    A molecule joins the most similar leader that exists when its turn comes, if they are at least this similar, and
    becomes a leader otherwise. Time is rows times leaders, memory rows times fingerprint. Members of one cluster are at least ``similarity`` from
    their leader, and leaders are less similar than that among themselves. Ties go to the earlier leader.

    Args:
        packed: Fingerprints, uint8, shape (n, b), as :func:`~cinchona.datasets.fingerprints.morgan_packed` makes them.
        similarity: Tanimoto similarity in (0, 1).

    Returns:
        Number of the cluster of each row, int64, shape (n,), counted from 0 in the order of the leaders.

    References:
        Gobbi and Lee 2003, doi:10.1021/ci025554v.
    """
    cluster = np.empty(len(packed), np.int64)
    leaders: list[int] = []
    for start in range(0, len(packed), _BLOCK):
        block = packed[start : start + _BLOCK]
        best, number = _to_leaders(block, packed[leaders])
        for k in range(len(block)):
            if best[k] < similarity:
                # A new leader: later rows of the block see it too.
                later = tanimoto(block[k : k + 1], block[k:])[0]
                closer = later > best[k:]
                best[k:] = np.where(closer, later, best[k:])
                number[k:] = np.where(closer, len(leaders), number[k:])
                leaders.append(start + k)
        cluster[start : start + len(block)] = number
    return cluster


def _to_leaders(block: np.ndarray, leaders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(leaders):
        return nearest(block, leaders)
    return np.full(len(block), -1.0, np.float32), np.zeros(len(block), np.int64)


__all__ = ["leader_clusters"]
