"""A scorer and compounds that do what bad molecules do to native code: crash, abort, never end, take all memory.

Every fault is fired inside a C call that holds Python's lock (:class:`ctypes.PyDLL`), so nothing in Python can stop it.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cheap_scorer import CheapScorer

from cinchona.records import CompoundBatch, Reject, Scores, Stage

SEGFAULT, ABORT, ENDLESS, HUGE = "[Xe]", "[Kr]", "[Ar]", "[Ne]"
"""Atoms that no screened compound has, and by which the scorer knows what to do."""
FAULTS = (SEGFAULT, ABORT, ENDLESS, HUGE)
_EIGHT_GIB = 8 << 30
_PATTERN, _NO_MATCH = r"^(a+)+$", "a" * 64 + "b"


def segfault() -> None:
    """Read address zero."""
    ctypes.PyDLL(None).strlen(None)


def abort() -> None:
    """Call abort()."""
    ctypes.PyDLL(None).abort()


def endless() -> None:
    """Match a pattern that takes longer than the age of the world, in C code that never lets go of Python's lock."""
    re.match(_PATTERN, _NO_MATCH)


def huge() -> None:
    """Allocate 8 GiB and write to all of it; without checking, as native code does."""
    libc = ctypes.PyDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    libc.memset(libc.malloc(ctypes.c_size_t(_EIGHT_GIB)), 1, _EIGHT_GIB)


_DOES = {SEGFAULT: segfault, ABORT: abort, ENDLESS: endless, HUGE: huge}


@dataclass(frozen=True)
class PoisonedScorer(CheapScorer):
    """Scores like the cheap one, and comes to grief at four kinds of atoms."""

    rejects_poison: bool = False
    """Reject such compounds instead, as a scorer that knows better would."""

    def score(self, batch: CompoundBatch) -> Scores:
        faulty = [(k, atom) for k, s in enumerate(batch.smiles) for atom in FAULTS if atom in s]
        if not self.rejects_poison:
            for _, atom in faulty:
                _DOES[atom]()
        at = np.array([k for k, _ in faulty], np.int64)
        scores = super().score(batch.take(np.setdiff1d(np.arange(len(batch)), at)))
        rejects = tuple(Reject(int(row), Stage.SCORE, "not this one") for row in batch.row_ids[at])
        return replace(scores, rejects=(*scores.rejects, *rejects))


_LINKS = ("C", "O", "N", "S", "C(C)", "C(F)", "C(Cl)", "C(=O)")


def poisoned_library(path: Path, rows: int, at: dict[int, str]) -> Path:
    """A library of up to 262,144 small distinct compounds, with the given atoms beside those of the given rows."""
    with path.open("w") as file:
        for row in range(rows):
            links = "".join(_LINKS[(row >> shift) & 7] for shift in (15, 12, 9, 6, 3, 0))
            file.write(f"BrC{links}CI{'.' + at[row] if row in at else ''} id{row}\n")
    return path
