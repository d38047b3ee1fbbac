"""Candidate pairs: cases that share a rare combination of two or three values, never all pairs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from cinchona.pharmacovigilance.linking import pair_kernels
from cinchona.pharmacovigilance.linking.records import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cinchona.pharmacovigilance.linking.records import Records, TermLists

log = logging.getLogger(__name__)

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_RAREST: Final = 3
"""So many of the rarest terms of a case take part in its keys."""


def candidate_pairs(records: Records, *, cap: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs (left < right, int32) by kind of key; one pair may come several times.

    Keys are: day of the event with age, and with each of the three rarest drugs and reactions; pairs of the three
    rarest drugs with the three rarest reactions; the two rarest drugs, the two rarest reactions; the rarest drug or
    reaction with age, sex and country. Keys shared by more than ``cap`` cases are common combinations and are skipped.

    Args:
        records: All cases.
        cap: Most cases of a key.
    """
    for name, keys in _keys(records):
        order = np.argsort(keys, kind="stable").astype(np.int32)
        left, right, skipped = pair_kernels.pairs_of_runs(order, keys[order], cap)
        log.debug("blocking by %s: %d pairs, %d cases in combinations that are too common", name, len(left), skipped)
        if len(left):
            yield left, right


def _keys(records: Records) -> Iterator[tuple[str, np.ndarray]]:
    drugs, reactions = _rarest(records.drugs), _rarest(records.reactions)
    day = np.where(records.precision == DAY, records.day.astype(np.int64), -1)
    age, sex, country = (c.astype(np.int64) for c in (records.age, records.sex, records.country))
    yield "day, age", _join(1, day, age)
    for k in range(_RAREST):
        yield f"day, drug {k}", _join(2, day, drugs[:, k])
        yield f"day, reaction {k}", _join(3, day, reactions[:, k])
    for k in range(_RAREST):
        for m in range(_RAREST):
            yield f"drug {k}, reaction {m}", _join(4, drugs[:, k], reactions[:, m])
    yield "two drugs", _join(5, drugs[:, 0], drugs[:, 1])
    yield "two reactions", _join(6, reactions[:, 0], reactions[:, 1])
    for k in range(_RAREST - 1):
        yield f"drug {k}, age, sex", _join(7, drugs[:, k], age, sex)
        yield f"reaction {k}, age, sex", _join(8, reactions[:, k], age, sex)
    yield "drug, age, country", _join(9, drugs[:, 0], age, country)


def _rarest(lists: TermLists) -> np.ndarray:
    """Codes of the rarest terms of each case, -1 where it has fewer, int64, shape (n, 3)."""
    n = len(lists.offsets) - 1
    sizes = np.diff(lists.offsets)
    out = np.full((n, _RAREST), -1, np.int64)
    for k in range(_RAREST):
        has = sizes > k
        out[has, k] = lists.values[lists.offsets[:-1][has] + k]
    return out


def _join(kind: int, *parts: np.ndarray) -> np.ndarray:
    """Hash of the parts, uint64; 0 where any part is missing."""
    key = np.full(len(parts[0]), kind, np.uint64)
    missing = np.zeros(len(parts[0]), bool)
    for part in parts:
        missing |= part < 0
        key = (key ^ part.astype(np.uint64)) * _MIX
        key ^= key >> np.uint64(29)
    key[key == 0] = 1
    key[missing] = 0
    return key
