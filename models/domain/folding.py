"""Salted, folded fingerprints of coded molecules: what a model folder keeps of the compounds that it learned from.

An environment of an atom (radius 0 to 2) is hashed, the hash is mixed with the model's salt, and of the result only a
position below :attr:`Folding.size` is kept; that it is there is one bit. No structure, label or order of the training table
is stored. This is hashing, not encryption: the salt is in the folder too, so whoever has the folder can compute the bits of
a compound that they already think of, and compare. See ``docs/explanation/domain.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numba
import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.digests import digest_json
from cinchona.errors import ShapeError
from cinchona.models.atom_hashes import atom_hashes, mix, widen

GROUP: Final = 8
"""Positions are counted eight at a time; each molecule's list is filled up to a multiple of it."""
_RADIUS: Final = 2
_SIZE: Final = 2_048
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Folding:
    """How environments become bits."""

    salt: int
    """Enters every position, so that fingerprints of two models cannot be compared; unsigned, 64 bits."""
    radius: int = _RADIUS
    """Bonds from the centre of the largest environment."""
    size: int = _SIZE
    """Bits, a multiple of 64."""

    def __post_init__(self) -> None:
        if not 0 <= self.salt <= _MASK or not 0 <= self.radius <= 8 or not 64 <= self.size <= 1 << 16 or self.size % 64:
            raise ShapeError(
                f"no such fingerprint: radius {self.radius}, {self.size} bits",
                expected="a salt of 64 bits, radius 0 to 8, 64 to 65,536 bits in multiples of 64",
            )

    @classmethod
    def of(cls, *seeds: object) -> Self:
        """The folding whose salt comes from ``seeds`` (plain data), so that the same training gives the same folder."""
        return cls(int(digest_json(["domain salt", *seeds])[:16], 16))

    def bits(self, molecules: CodedMolecules) -> OnBits:
        """Bits of n molecules."""
        graph, first_atom = molecules.graph, molecules.atom_offsets.astype(np.int64)
        room = np.minimum(np.diff(first_atom) * (self.radius + 1), self.size)
        starts = np.zeros(len(molecules) + 1, np.int64)
        np.cumsum(-(-room // GROUP) * GROUP, out=starts[1:])
        positions = np.full(int(starts[-1]), self.size, np.int32)
        counts = _fold(
            (graph.atoms.astype(np.int64), graph.bonds.astype(np.int64), graph.ends.astype(np.int64)),
            first_atom, molecules.bond_offsets.astype(np.int64), (positions, starts),
            (np.uint64(self.salt), self.radius, self.size),
        )  # fmt: skip
        return OnBits(positions, starts, counts, self.size)

    def to_json(self) -> dict[str, Any]:
        """The folding as plain data; the salt in hex, since JSON readers round large integers."""
        return {"salt": f"{self.salt:016x}", "radius": self.radius, "size": self.size}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` gave."""
        return cls(int(record["salt"], 16), int(record["radius"]), int(record["size"]))


@dataclass(frozen=True, slots=True, eq=False)
class OnBits:
    """Fingerprints of n molecules as lists of the bits that are set."""

    positions: np.ndarray
    """Lists end to end, each filled up with ``size``, which is no position; int32, shape (L,)."""
    starts: np.ndarray
    """First place of each list and the end, multiples of :data:`GROUP`, int64, shape (n + 1,)."""
    counts: np.ndarray
    """Bits that are set, int64, shape (n,)."""
    size: int
    """Bits of a fingerprint."""

    def __len__(self) -> int:
        return len(self.counts)

    def packed(self) -> np.ndarray:
        """The fingerprints as words, bit k being bit k % 64 of word k // 64; uint64, shape (n, size / 64)."""
        bits = np.zeros((len(self), self.size + 1), np.uint8)
        owner = np.repeat(np.arange(len(self)), np.diff(self.starts))
        bits[owner, self.positions] = 1
        return np.packbits(bits[:, : self.size], axis=1, bitorder="little").view(np.uint64)

    @classmethod
    def of_packed(cls, words: np.ndarray) -> Self:
        """Read what :meth:`packed` gave."""
        size = words.shape[1] * 64
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
        rows, where = np.nonzero(bits)
        counts = bits.sum(axis=1, dtype=np.int64)
        starts = np.zeros(len(words) + 1, np.int64)
        np.cumsum(-(-counts // GROUP) * GROUP, out=starts[1:])
        positions = np.full(int(starts[-1]), size, np.int32)
        first = np.cumsum(counts) - counts
        positions[starts[rows] + np.arange(len(rows)) - first[rows]] = where
        return cls(positions, starts, counts, size)


@numba.njit(cache=True)
def _fold(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    first_atom: np.ndarray,
    first_bond: np.ndarray,
    out: tuple[np.ndarray, np.ndarray],
    how: tuple[np.uint64, int, int],
) -> np.ndarray:
    """Write the distinct positions of each molecule to its place; return how many there are, int64, shape (n,)."""
    atoms, bonds, ends = graph
    positions, starts = out
    salt, radius, size = how
    last_seen = np.full(size, -1, np.int64)
    counts = np.zeros(len(first_atom) - 1, np.int64)
    hashes = atom_hashes(atoms)
    for m in range(len(counts)):
        mine, of_bonds = hashes[first_atom[m] : first_atom[m + 1]], slice(first_bond[m], first_bond[m + 1])
        for r in range(radius + 1):
            for v in range(len(mine)):
                position = np.int64(mix(mix(mine[v] ^ salt) + salt) % np.uint64(size))
                if last_seen[position] != m:
                    last_seen[position] = m
                    positions[starts[m] + counts[m]] = position
                    counts[m] += 1
            if r < radius:
                widen(mine, bonds[of_bonds], ends[of_bonds], np.uint64(r + 1))
    return counts


__all__ = ["GROUP", "Folding", "OnBits"]
