"""From links to groups: which cases are one, and which of them stands for the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cinchona.pharmacovigilance.linking import pair_kernels

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.linking.records import Records
    from cinchona.pharmacovigilance.linking.rules import Pairs


@dataclass(frozen=True, slots=True)
class Groups:
    """Cases that are linked to others."""

    members: np.ndarray
    """Cases, int64 (m,)."""
    group: np.ndarray
    """Smallest case of the group of each, int64 (m,)."""
    size: np.ndarray
    """Size of the group of each, int64 (m,)."""
    keep: np.ndarray
    """True for the case that stands for its group, and for all cases of groups above the cap, bool (m,)."""
    too_large: int
    """Groups above the cap."""


def group_cases(records: Records, pairs: Pairs, *, max_group: int) -> Groups:
    """Connect linked cases; of each group the most complete case stands for it, of equals the last received.

    Args:
        records: All cases.
        pairs: Links that count.
        max_group: Larger groups are not collapsed.
    """
    root = pair_kernels.union(len(records), pairs.left, pairs.right).astype(np.int64)
    sizes = np.bincount(root, minlength=len(records))
    members = np.flatnonzero(sizes[root] > 1)
    group, size = root[members], sizes[root[members]]
    order = np.lexsort((-members, -records.received[members], -_completeness(records)[members], group))
    first = np.zeros(len(members), bool)
    if len(members):
        ranked = group[order]
        first[order[np.concatenate([[True], ranked[1:] != ranked[:-1]])]] = True
    large = size > max_group
    return Groups(members, group, size, first | large, len(np.unique(group[large])))


def _completeness(records: Records) -> np.ndarray:
    known = (records.sex >= 0).astype(np.int64) + (records.age >= 0) + (records.country >= 0)
    known += 3 - records.precision.astype(np.int64)
    terms = np.diff(records.drugs.offsets) + np.diff(records.reactions.offsets)
    return np.asarray(10 * known + np.minimum(terms, 100))
