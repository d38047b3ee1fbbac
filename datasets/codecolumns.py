"""Graph codes of many molecules as columns of a table: written once, read back without a loop over molecules."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AtomField, BondField, GraphCodes
from cinchona.errors import ShapeError

CODE_COLUMNS: Final = ("atom_codes", "bond_codes", "bond_ends")
"""Columns of binary cells: little-endian int16 (atoms x 8), uint8 (bonds x 3), int16 (bonds x 2); null where there are no codes."""
_ROW_BYTES: Final = (2 * len(AtomField), len(BondField), 4)


def code_columns(molecules: CodedMolecules, places: np.ndarray, n: int) -> dict[str, pa.Array]:
    """Columns of ``n`` rows.

    Args:
        molecules: Codes of m molecules.
        places: Row of each molecule, ascending, int, shape (m,); the other rows are null.
        n: Number of rows.
    """
    graph = molecules.graph
    atoms, bonds = np.diff(molecules.atom_offsets), np.diff(molecules.bond_offsets)
    data = (graph.atoms.astype("<i2"), graph.bonds, graph.ends.astype("<i2"))
    present = np.zeros(n, bool)
    present[places] = True
    return {
        name: _binary(values.tobytes(), counts * width, places, present)
        for name, values, counts, width in zip(CODE_COLUMNS, data, (atoms, bonds, bonds), _ROW_BYTES, strict=True)
    }


def coded_molecules(batch: pa.RecordBatch) -> tuple[CodedMolecules, np.ndarray]:
    """Read the columns that :func:`code_columns` made.

    Returns:
        Codes of the m rows that have them, and which rows these are (bool, shape (n,)).

    Raises:
        ShapeError: if cells do not hold whole atoms and bonds.
    """
    columns = [batch.column(name) for name in CODE_COLUMNS]
    present = np.asarray(columns[0].is_valid())
    (atoms, n_atoms), (bonds, n_bonds), (ends, n_ends) = (
        _rows(column, width, name) for column, width, name in zip(columns, _ROW_BYTES, CODE_COLUMNS, strict=True)
    )
    if not np.array_equal(n_bonds, n_ends):
        raise ShapeError.of("bond_ends", ends.shape, "two ends a bond")
    graph = GraphCodes(
        atoms.view("<i2").reshape(-1, len(AtomField)).astype(np.int16),
        bonds.reshape(-1, len(BondField)).copy(),
        ends.view("<i2").reshape(-1, 2).astype(np.int16),
    )
    return CodedMolecules(graph, _offsets(n_atoms[present]), _offsets(n_bonds[present])), present


def _binary(data: bytes, lengths: np.ndarray, places: np.ndarray, present: np.ndarray) -> pa.Array:
    sizes = np.zeros(len(present), np.int64)
    sizes[places] = lengths
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    valid = pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
    buffers = [valid, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(present), buffers)


def _rows(column: pa.Array, width: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All bytes of a column, uint8, and rows of ``width`` bytes in each cell, int64, shape (n,)."""
    column = column.cast(pa.large_binary())
    buffers = column.buffers()
    offsets = np.frombuffer(buffers[1], np.int64)[column.offset : column.offset + len(column) + 1]
    if not len(column):
        return np.empty(0, np.uint8), np.empty(0, np.int64)
    data = np.frombuffer(buffers[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    if (lengths % width).any():
        raise ShapeError.of(name, (int(lengths[np.flatnonzero(lengths % width)[0]]),), f"a multiple of {width} bytes")
    return data, lengths // width


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


__all__ = ["CODE_COLUMNS", "code_columns", "coded_molecules"]
