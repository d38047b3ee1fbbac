"""Tables that are kept for later: other pieces of a space and other fixed reagents need many of them again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

CACHE_BYTES: Final = 1_200_000_000
"""Tables kept, bytes."""

Key = tuple[str, *tuple[int, ...]]
"""Digest of what a table is made of, and the classes of the fixed reagents."""


class TableStore:
    """Tables of one model by what they are made of; the ones that were not used for longest make room.

    Args:
        most: Bytes to keep.
    """

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most = most
        self._tables: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._held = 0

    def table(self, key: Key, size: int, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The table under ``key``, made and kept if it is not there; ``size``: its bytes."""
        if key not in self._tables:
            while self._tables and self._held + size > self._most:
                self._held -= self._tables.popitem(last=False)[1].nbytes
            self._tables[key] = make()
            self._held += self._tables[key].nbytes
        self._tables.move_to_end(key)
        return self._tables[key]


def digest_of(arrays: Sequence[np.ndarray], *facts: object) -> str:
    """Digest of arrays with their types and shapes, and of what else ``repr`` tells apart."""
    found = hashlib.blake2b(repr(facts).encode(), digest_size=16)
    for array in arrays:
        found.update(repr((array.dtype.str, array.shape)).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


__all__ = ["CACHE_BYTES", "Key", "TableStore", "digest_of"]
