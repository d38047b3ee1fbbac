"""Products put together from coded parts, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AtomField, BondField, GraphCodes
from cinchona.screening.synthons.fragments import Fragments, Joints
from cinchona.screening.synthons.routes import TEMPLATE

ABSENT = -1
"""Pick of a role that is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """Products, or as much of them as matters."""

    codes: CodedMolecules
    """Their graphs: the parts of the roles in order, then the reaction's own atoms."""
    starts: np.ndarray
    """First atom of each part within its product, int32, shape (n, roles + 1); the last column is the reaction's own."""


def assemble(parts: Sequence[Fragments], picks: np.ndarray, joints: Joints) -> Assembled:
    """Join parts.

    Args:
        parts: Parts of each role.
        picks: Which part of each role, int64, shape (n, roles); :data:`ABSENT` leaves a role and its bonds out.
        joints: What joins them.
    """
    pool, ports, base = _pool(parts, joints)
    wide = np.column_stack([np.where(picks == ABSENT, ABSENT, picks + base[:-1]), np.full(len(picks), base[-1])])
    bonded = _bonded(parts, joints)
    sizes, starts = _sizes(wide, pool.atom_offsets, pool.bond_offsets, bonded)
    n_atoms, n_bonds = _offsets(sizes[:, 0]), _offsets(sizes[:, 1])
    out = GraphCodes(
        np.empty((n_atoms[-1], len(AtomField)), np.int16),
        np.empty((n_bonds[-1], len(BondField)), np.uint8),
        np.empty((n_bonds[-1], 2), np.int16),
    )
    source = (pool.graph.atoms, pool.graph.bonds, pool.graph.ends, pool.atom_offsets, pool.bond_offsets)
    _fill(wide, source, (ports, bonded, joints.bonds), (n_atoms, n_bonds, starts), (out.atoms, out.bonds, out.ends))
    return Assembled(CodedMolecules(out, n_atoms, n_bonds), starts)


def _pool(parts: Sequence[Fragments], joints: Joints) -> tuple[CodedMolecules, np.ndarray, np.ndarray]:
    """All parts of all roles and the reaction's own atoms in one layout, their ports, and the first part of each role."""
    t = len(joints.atoms)
    graphs = [p.codes.graph for p in parts]
    graph = GraphCodes(
        np.concatenate([*(g.atoms for g in graphs), joints.atoms]),
        np.concatenate([g.bonds for g in graphs]),
        np.concatenate([g.ends for g in graphs]),
    )
    atoms = [*(np.diff(p.codes.atom_offsets) for p in parts), np.array([t])]
    bonds = [*(np.diff(p.codes.bond_offsets) for p in parts), np.array([0])]
    width = max(1, t, *(p.ports.shape[1] for p in parts))
    ports = np.full((sum(len(a) for a in atoms), width), ABSENT, np.int32)
    base = np.concatenate([[0], np.cumsum([len(p) for p in parts])])
    for p, first in zip(parts, base[:-1], strict=True):
        ports[first : first + len(p), : p.ports.shape[1]] = p.ports
    ports[-1, :t] = np.arange(t)
    return CodedMolecules(graph, _offsets(np.concatenate(atoms)), _offsets(np.concatenate(bonds))), ports, base


def _bonded(parts: Sequence[Fragments], joints: Joints) -> np.ndarray:
    """Role and port column of both ends of each joint, int64, shape (bonds, 4); the reaction is the last role."""

    def place(owner: int, label: int) -> tuple[int, int]:
        return (len(parts), label) if owner == TEMPLATE else (owner, parts[owner].labels.index(label))

    return np.array([[*place(*one), *place(*two)] for one, two in joints.ends], np.int64).reshape(-1, 4)


def _offsets(counts: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets


@numba.njit(cache=True)
def _sizes(
    picks: np.ndarray, atom_offsets: np.ndarray, bond_offsets: np.ndarray, bonded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n, roles = picks.shape
    sizes = np.zeros((n, 2), np.int64)
    starts = np.zeros((n, roles), np.int32)
    for i in range(n):
        for role in range(roles):
            starts[i, role] = sizes[i, 0]
            part = picks[i, role]
            if part >= 0:
                sizes[i, 0] += atom_offsets[part + 1] - atom_offsets[part]
                sizes[i, 1] += bond_offsets[part + 1] - bond_offsets[part]
        for b in range(len(bonded)):
            if picks[i, bonded[b, 0]] >= 0 and picks[i, bonded[b, 2]] >= 0:
                sizes[i, 1] += 1
    return sizes, starts


@numba.njit(cache=True)
def _fill(picks, source, joints, places, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    bond_offsets = source[4]
    atom_first, bond_first, starts = places
    bonded = joints[1]
    for i in range(len(picks)):
        bond = bond_first[i]
        for role in range(picks.shape[1]):
            part = picks[i, role]
            if part >= 0:
                _copy_part(part, source, (atom_first[i], starts[i, role], bond), out)
                bond += bond_offsets[part + 1] - bond_offsets[part]
        for b in range(len(bonded)):
            if picks[i, bonded[b, 0]] >= 0 and picks[i, bonded[b, 2]] >= 0:
                _join(b, picks[i], joints, starts[i], (bond, out))
                bond += 1


@numba.njit(cache=True)
def _copy_part(part, source, place, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    """Copy the atoms and bonds of a part into its product."""
    atoms, bonds, ends, atom_offsets, bond_offsets = source
    first, start, bond = place
    out_atoms, out_bonds, out_ends = out
    begin = atom_offsets[part]
    for a in range(begin, atom_offsets[part + 1]):
        for c in range(atoms.shape[1]):
            out_atoms[first + start + a - begin, c] = atoms[a, c]
    for b in range(bond_offsets[part], bond_offsets[part + 1]):
        for c in range(3):
            out_bonds[bond, c] = bonds[b, c]
        out_ends[bond, 0] = ends[b, 0] + start
        out_ends[bond, 1] = ends[b, 1] + start
        bond += 1


@numba.njit(cache=True)
def _join(joint, picks, joints, starts, target):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - compiled
    """Write one bond between parts of a product."""
    ports, bonded, codes = joints
    bond, (_, out_bonds, out_ends) = target
    role, port, other, other_port = bonded[joint]
    for c in range(3):
        out_bonds[bond, c] = codes[joint, c]
    out_ends[bond, 0] = ports[picks[role], port] + starts[role]
    out_ends[bond, 1] = ports[picks[other], other_port] + starts[other]


__all__ = ["ABSENT", "Assembled", "assemble"]
