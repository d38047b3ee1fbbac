"""Columns being read: dictionaries that grow, and maps from the ids of reports to their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from cinchona.pharmacovigilance.intake import dictionary_kernels, kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cinchona.pharmacovigilance.intake.textfile import Block

_SMALL: Final = 1 << 10


class TextCoder:
    """A growing dictionary of the texts of one column.

    ``codes`` gives each field the number of its text; :meth:`array` turns numbers back into an Arrow dictionary
    column, after ``clean`` (for example the privacy filter) has seen every distinct text once.
    """

    def __init__(self, clean: Callable[[pa.Array], pa.Array] | None = None) -> None:
        self._clean = clean
        self._slots = np.full(_SMALL, -1, np.int32)
        self._offsets = np.zeros(_SMALL, np.int64)
        self._data = np.zeros(_SMALL * 16, np.uint8)
        self._used = 0
        self._ready: pa.Array = pa.array([], pa.string())

    def __len__(self) -> int:
        return self._used

    def codes(self, block: Block, column: int) -> np.ndarray:
        """Numbers of the texts of a column, int32, -1 where empty."""
        codes = np.empty(len(block), np.int32)
        done = 0
        while True:
            done, self._used = dictionary_kernels.encode_text(
                block.data, block.starts, block.ends, column, codes, done,
                self._slots, self._offsets, self._data, self._used,
            )  # fmt: skip
            if done == len(block):
                return codes
            widest = int((block.ends[done, column] - block.starts[done]) if column >= 0 else 0)
            self._grow(widest)

    def _grow(self, room: int) -> None:
        self._data = np.concatenate([self._data, np.zeros(len(self._data) + room, np.uint8)])
        self._offsets = np.concatenate([self._offsets, np.zeros(len(self._offsets), np.int64)])
        self._slots = np.full(2 * len(self._slots), -1, np.int32)
        dictionary_kernels.place_texts(self._slots, self._offsets, self._data, self._used)

    def texts(self) -> pa.Array:
        """Distinct texts in the order of their numbers, cleaned."""
        known = len(self._ready)
        if known < self._used:
            start, stop = int(self._offsets[known]), int(self._offsets[self._used])
            offsets = (self._offsets[known : self._used + 1] - start).astype(np.int32)
            fresh = pa.StringArray.from_buffers(
                self._used - known, pa.py_buffer(offsets), pa.py_buffer(self._data[start:stop].copy())
            )
            self._ready = pa.concat_arrays([self._ready, self._clean(fresh) if self._clean else fresh])
        return self._ready

    def array(self, codes: np.ndarray) -> pa.DictionaryArray:
        """Arrow dictionary column of ``codes``; -1 becomes null."""
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), self.texts())

    def translate(self, meanings: Callable[[str], int]) -> np.ndarray:
        """Return ``meanings(text)`` of each number, int32, with a last entry -1 so that code -1 stays -1."""
        return np.array([*(meanings(t) for t in self.texts().to_pylist()), -1], np.int32)


def category(codes: np.ndarray, texts: Sequence[str]) -> pa.DictionaryArray:
    """Arrow dictionary column of ``codes`` into a fixed list; negative codes become null."""
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(texts, pa.string())
    )


def constant(text: str, n: int) -> pa.DictionaryArray:
    """Arrow dictionary column that holds ``text`` n times."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text], pa.string()))


class Ids(NamedTuple):
    """Report ids of the records of a block."""

    values: np.ndarray
    """int64, or objects for texts, shape (n,)."""
    usable: np.ndarray
    """bool, shape (n,)."""
    bad: dict[str, np.ndarray]
    """By reason: where there is no usable id, bool, shape (n,)."""


class NumberKeys:
    """Rows of reports whose ids are whole numbers."""

    def __init__(self) -> None:
        self._table = np.full(_SMALL, -1, np.int64)
        self._places = np.zeros(_SMALL, np.int32)
        self.used = 0

    def read(self, block: Block, column: int) -> Ids:
        """Ids of a block."""
        values, state = block.integers(column)
        bad = {"no_id": state == kernels.EMPTY, "bad_id": state == kernels.BAD}
        return Ids(values, state == kernels.OK, bad)

    def add(self, ids: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Give new ids the next places; return which of the ``usable`` (bool) rows were new."""
        needed = 2 * (self.used + len(ids)) + 2
        if needed > len(self._table):
            self._enlarge(needed)
        new = usable.astype(np.uint8)
        self.used = dictionary_kernels.add_ids(self._table, self._places, ids, new, self.used)
        return new.astype(bool)

    def _enlarge(self, needed: int) -> None:
        taken = self._table >= 0
        ids, places = self._table[taken], self._places[taken]
        order = np.argsort(places)
        size = 1 << (needed - 1).bit_length()
        self._table, self._places = np.full(size, -1, np.int64), np.zeros(size, np.int32)
        dictionary_kernels.add_ids(self._table, self._places, ids[order], np.ones(len(ids), np.uint8), 0)

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Places of ids, int64, -1 where unknown."""
        return np.asarray(dictionary_kernels.find_ids(self._table, self._places, ids))


class TextKeys:
    """Rows of reports whose ids are texts."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    @property
    def used(self) -> int:
        """Number of ids."""
        return len(self._places)

    def read(self, block: Block, column: int) -> Ids:
        """Ids of a block."""
        values = block.text(column).to_numpy(zero_copy_only=False)
        usable = np.array([v is not None for v in values], bool)
        return Ids(values, usable, {"no_id": ~usable})

    def add(self, ids: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Give new ids the next places; return which of the ``usable`` (bool) rows were new."""
        new = np.zeros(len(ids), bool)
        for i, name in enumerate(ids):
            if usable[i] and name is not None and name not in self._places:
                self._places[name] = len(self._places)
                new[i] = True
        return new

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Places of ids, int64, -1 where unknown."""
        places: dict[Any, int] = self._places
        return np.fromiter((places.get(name, -1) for name in ids), np.int64, len(ids))
