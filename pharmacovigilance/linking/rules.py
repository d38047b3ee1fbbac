"""Links by rule: cases equal in everything, and cases with one manufacturer's number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cinchona.pharmacovigilance.linking import pair_kernels
from cinchona.pharmacovigilance.linking.records import DAY

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.linking.records import Records, TermLists

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_EXACT_CAP: Final = 1000
_FAR_AGE: Final = 5


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of cases."""

    left: np.ndarray
    """First case, int32 (n,), smaller than the second."""
    right: np.ndarray
    """Second case, int32 (n,)."""

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: np.ndarray) -> Pairs:
        """Pairs for which ``mask`` (bool, (n,)) holds."""
        return Pairs(self.left[mask], self.right[mask])


def exact_pairs(records: Records, *, min_known: int) -> Pairs:
    """Cases with the same sex, age, country, day, drugs and reactions, of which ``min_known`` of the first four known.

    In a run of more than two equal cases each is paired with the first, which links them all.
    """
    known = (records.sex >= 0).astype(int) + (records.age >= 0) + (records.country >= 0) + (records.precision == DAY)
    key = np.full(len(records), 11, np.uint64)
    parts = (records.sex, records.age, records.country, records.precision, records.day * (records.precision < 3))
    for part in (*parts, _list_hash(records.drugs), _list_hash(records.reactions)):
        key = (key ^ part.astype(np.uint64)) * _MIX
        key ^= key >> np.uint64(29)
    sizes = np.minimum(np.diff(records.drugs.offsets), np.diff(records.reactions.offsets))
    key[(known < min_known) | (sizes == 0)] = 0
    return _chain(key)


def _list_hash(lists: TermLists) -> np.ndarray:
    mixed = (lists.values.astype(np.uint64) + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    total = np.concatenate([[np.uint64(0)], np.cumsum(mixed, dtype=np.uint64)])
    return np.asarray(total[lists.offsets[1:]] - total[lists.offsets[:-1]])


def _chain(key: np.ndarray) -> Pairs:
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    begin = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(ranked) else np.zeros(0, bool)
    first = np.maximum.accumulate(np.where(begin, np.arange(len(ranked)), 0))
    later = ~begin & (ranked != 0)
    a, b = order[first[later]], order[later]
    return Pairs(np.minimum(a, b).astype(np.int32), np.maximum(a, b).astype(np.int32))


def number_pairs(records: Records, *, cap: int) -> tuple[Pairs, int]:
    """Cases with the same manufacturer's number that do not contradict each other in sex or age.

    Returns:
        The pairs, and how many cases carry a number that more than ``cap`` cases share.
    """
    key = (records.number.astype(np.int64) + 1).astype(np.uint64)
    order = np.argsort(key, kind="stable").astype(np.int32)
    left, right, skipped = pair_kernels.pairs_of_runs(order, key[order], cap)
    pairs = Pairs(left, right)
    sexes = (records.sex[left] >= 0) & (records.sex[right] >= 0) & (records.sex[left] != records.sex[right])
    ages = (records.age[left] >= 0) & (records.age[right] >= 0)
    ages &= np.abs(records.age[left].astype(int) - records.age[right]) > _FAR_AGE
    return pairs.where(~(sexes | ages)), int(skipped)
