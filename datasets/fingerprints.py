"""Morgan fingerprints as arrays, and Tanimoto similarity on them in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.errors import InputError, ShapeError

RADIUS: Final = 2
"""Radius of the Morgan fingerprint unless asked otherwise; 2 is what others call ECFP4."""
SIZE: Final = 2_048
"""Bits of the fingerprint unless asked otherwise."""

_QUERY_BLOCK: Final = 512
_REFERENCE_BLOCK: Final = 4_096
_FEW: Final = 4


def morgan_bits(
    molecules: Sequence[str | Chem.Mol], *, radius: int = RADIUS, size: int = SIZE, chirality: bool = False
) -> np.ndarray:
    """Folded Morgan fingerprints (Rogers and Hahn 2010, doi:10.1021/ci100050t).

    Args:
        molecules: n SMILES or molecules.
        radius: Bonds from the centre.
        size: Number of bits, a multiple of 8.
        chirality: Whether stereocentres with a tag differ.

    Returns:
        0 or 1, uint8, shape (n, size).

    Raises:
        InputError: if a SMILES does not parse, naming its position.
    """
    generator = _generator(radius, size, chirality)
    rows = np.zeros((len(molecules), size), np.uint8)
    for row, mol in zip(rows, _molecules(molecules), strict=True):
        row[list(generator.GetFingerprint(mol).GetOnBits())] = 1
    return rows


def morgan_counts(
    molecules: Sequence[str | Chem.Mol], *, radius: int = RADIUS, size: int = SIZE, chirality: bool = False
) -> np.ndarray:
    """Folded Morgan fingerprints with counts.

    Args:
        molecules: n SMILES or molecules.
        radius: Bonds from the centre.
        size: Number of positions.
        chirality: Whether stereocentres with a tag differ.

    Returns:
        How often each environment occurs, capped at 65,535, uint16, shape (n, size).

    Raises:
        InputError: if a SMILES does not parse, naming its position.
    """
    generator = _generator(radius, size, chirality)
    rows = np.zeros((len(molecules), size), np.uint16)
    for row, mol in zip(rows, _molecules(molecules), strict=True):
        for position, count in generator.GetCountFingerprint(mol).GetNonzeroElements().items():
            row[position] = min(count, 65_535)
    return rows


def morgan_packed(
    molecules: Sequence[str | Chem.Mol], *, radius: int = RADIUS, size: int = SIZE, chirality: bool = False
) -> np.ndarray:
    """Folded Morgan fingerprints, eight bits a byte: what :func:`tanimoto` and :func:`nearest` take.

    Args:
        molecules: n SMILES or molecules.
        radius: Bonds from the centre.
        size: Number of bits, a multiple of 64.
        chirality: Whether stereocentres with a tag differ.

    Returns:
        uint8, shape (n, size / 8); bit k of the fingerprint is bit k % 8 of byte k // 8 (little-endian).

    Raises:
        InputError: if a SMILES does not parse, naming its position.
    """
    generator = _generator(radius, size, chirality)
    texts = [DataStructs.BitVectToBinaryText(generator.GetFingerprint(mol)) for mol in _molecules(molecules)]
    return np.frombuffer(b"".join(texts), np.uint8).reshape(len(molecules), size // 8)


def pack(bits: np.ndarray) -> np.ndarray:
    """Pack 0/1 rows (uint8, shape (n, size)) to bytes (uint8, shape (n, size / 8), little-endian bits)."""
    return np.packbits(bits, axis=1, bitorder="little")


def tanimoto(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Tanimoto similarity of all pairs; the caller keeps n * m small (see :func:`nearest` for many).

    Shared bits over bits in either; range [0, 1]; 1 for two fingerprints without any bit.

    Args:
        left: Packed fingerprints, uint8, shape (n, b).
        right: Packed fingerprints, uint8, shape (m, b).

    Returns:
        Similarities, float32, shape (n, m).

    Raises:
        ShapeError: if the widths differ.
    """
    if left.ndim != 2 or left.shape[1:] != right.shape[1:]:
        raise ShapeError.of("right", right.shape, f"(m, {left.shape[-1]}) as left has shape {left.shape}")
    if len(left) <= _FEW and left.shape[1] % 8 == 0:
        return (
            np.stack([_one_against(row, right) for row in left]) if len(left) else np.empty((0, len(right)), np.float32)
        )
    return _similarities(_floats(left), _floats(right))


def nearest(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most similar reference of each query, in blocks: memory stays below 100 MiB whatever n and m.

    Args:
        queries: Packed fingerprints, uint8, shape (n, b).
        references: Packed fingerprints, uint8, shape (m, b), m > 0.

    Returns:
        Highest Tanimoto similarity, float32, shape (n,), and the row of the reference that has it (the first among
        equals), int64, shape (n,).

    Raises:
        ShapeError: if there is no reference or the widths differ.
    """
    if not len(references) or queries.shape[1:] != references.shape[1:]:
        raise ShapeError.of("references", references.shape, f"(m > 0, {queries.shape[-1]})")
    best = np.full(len(queries), -1.0, np.float32)
    where = np.zeros(len(queries), np.int64)
    for start, block in _blocks(references, _REFERENCE_BLOCK):
        right = _floats(block)
        for first, part in _blocks(queries, _QUERY_BLOCK):
            similarity = _similarities(_floats(part), right)
            top = similarity.argmax(axis=1)
            value = similarity[np.arange(len(part)), top]
            here = slice(first, first + len(part))
            better = value > best[here]
            best[here] = np.where(better, value, best[here])
            where[here] = np.where(better, top + start, where[here])
    return best, where


def _one_against(row: np.ndarray, right: np.ndarray) -> np.ndarray:
    words, others = row.view(np.uint64), np.ascontiguousarray(right).view(np.uint64)
    shared = np.bitwise_count(words & others).sum(axis=1, dtype=np.int64)
    union = np.bitwise_count(words | others).sum(axis=1, dtype=np.int64)
    similarity: np.ndarray = np.divide(shared, union, out=np.ones(len(others)), where=union > 0)
    return similarity.astype(np.float32)


def _similarities(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    # Counts of bits are small integers, exact in float32, so BLAS gives exact intersections.
    shared = left @ right.T
    union = left.sum(axis=1)[:, None] + right.sum(axis=1)[None, :] - shared
    similarity: np.ndarray = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return similarity


def _floats(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed, axis=1, bitorder="little").astype(np.float32)


def _blocks(rows: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]


def _molecules(molecules: Sequence[str | Chem.Mol]) -> Iterator[Chem.Mol]:
    for position, molecule in enumerate(molecules):
        mol = parse_smiles(molecule) if isinstance(molecule, str) else molecule
        if isinstance(mol, Rejected):
            raise InputError(
                f"molecule {position} has no fingerprint: {mol.reason}",
                expected="valid SMILES",
                remedy="standardize the batch first; rows that do not parse become rejects there",
            )
        yield mol


@cache
def _generator(radius: int, size: int, chirality: bool) -> rdFingerprintGenerator.FingerprintGenerator64:  # noqa: FBT001 - cached by position
    return rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=size, includeChirality=chirality)


__all__ = ["RADIUS", "SIZE", "morgan_bits", "morgan_counts", "morgan_packed", "nearest", "pack", "tanimoto"]
