"""What each reagent leaves in a product, as graph codes, and what joins the parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numba
import numpy as np

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AtomField, BondField, GraphCodes
from cinchona.screening.synthons.routes import TEMPLATE, Built

FAR: Final = 255
"""Distance of an atom that cannot be reached."""

End = tuple[int, int]
"""Owner (role, or -1 for the reaction's own atoms) and label of an atom that joins."""


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """Parts of n reagents of one role, laid end to end, with the codes that they have in products."""

    codes: CodedMolecules
    """Atoms and bonds of each part."""
    ports: np.ndarray
    """Atoms that are bonded to other parts, counted within the part, in the order of ``labels``, int32, shape (n, p)."""
    labels: tuple[int, ...]
    """Labels of the ports."""
    origin: np.ndarray
    """Index of each atom in its reagent, int32, shape (n_atoms,)."""
    distance: np.ndarray
    """Bonds from each port to each atom within the part, :data:`FAR` if none lead there, uint8, shape (n_atoms, p)."""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def atom_counts(self) -> np.ndarray:
        """Atoms of each part, int64, shape (n,)."""
        return np.diff(self.codes.atom_offsets).astype(np.int64)

    def members(self) -> np.ndarray:
        """Part of each atom, int64, shape (n_atoms,)."""
        return np.repeat(np.arange(len(self)), self.atom_counts)

    def take(self, places: np.ndarray) -> Fragments:
        """The parts at ``places`` (int, shape (m,)), in that order."""
        return self.keep(places, np.ones(len(self.origin), bool))

    def keep(self, places: np.ndarray, atoms: np.ndarray) -> Fragments:
        """The parts at ``places`` with only those atoms for which ``atoms`` (bool, shape (n_atoms,)) says so."""
        rows, counts, local = _kept_atoms(self.codes.atom_offsets, places, atoms)
        graph = self.codes.graph
        at, n_bonds, ends = _kept_bonds(self.codes.bond_offsets, graph.ends, places, self.codes.atom_offsets, local)
        codes = CodedMolecules(
            GraphCodes(graph.atoms[rows], graph.bonds[at], ends), _offsets(counts), _offsets(n_bonds)
        )
        ports = self.ports[places]
        kept_ports = np.where(ports < 0, -1, local[np.maximum(ports, 0) + self.codes.atom_offsets[places][:, None]])
        return Fragments(codes, kept_ports.astype(np.int32), self.labels, self.origin[rows], self.distance[rows])

    def keep_marks(self, places: np.ndarray, atoms: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """What ``marks`` (shape (n_atoms,)) become under :meth:`keep` with the same arguments."""
        return np.asarray(marks[_kept_atoms(self.codes.atom_offsets, places, atoms)[0]])

    def near(self, places: np.ndarray, radius: int) -> Fragments:
        """The parts at ``places`` cut off beyond ``radius`` bonds from the ports."""
        return self.keep(places, self.distance.min(axis=1, initial=FAR) <= radius)


@dataclass(frozen=True, slots=True, eq=False)
class Joints:
    """What holds the parts of a product together: atoms of the reaction, and bonds between owners."""

    atoms: np.ndarray
    """Codes of the reaction's own atoms in their order, int16, shape (t, 8)."""
    ends: tuple[tuple[End, End], ...]
    """The two ends of each bond between owners or among the reaction's own atoms."""
    bonds: np.ndarray
    """Codes of these bonds, uint8, shape (len(ends), 3)."""

    def same_as(self, other: Joints) -> bool:
        """Whether both hold parts together alike."""
        return (
            self.ends == other.ends
            and np.array_equal(self.atoms, other.atoms)
            and np.array_equal(self.bonds, other.bonds)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The part of one product that one reagent left."""

    codes: GraphCodes
    """Codes; ends count within the part."""
    origin: np.ndarray
    """Index of each atom in the reagent."""
    ports: tuple[tuple[int, int], ...]
    """Label and atom of each port, by label."""


@dataclass(frozen=True, slots=True, eq=False)
class Dissected:
    """A product taken apart."""

    parts: tuple[Part, ...]
    """One for each role."""
    joints: Joints
    """What held them."""


def dissect(built: Sequence[Built]) -> list[Dissected]:
    """Take products apart by the origin of their atoms."""
    coded = codes_of_many([one.mol for one in built])
    return [_dissect(one, coded.molecule(k)) for k, one in enumerate(built)]


def lay_out(parts: Sequence[Part]) -> Fragments:
    """Lay parts with equal port labels end to end."""
    labels = tuple(label for label, _ in parts[0].ports) if parts else ()
    atoms = np.concatenate([p.codes.atoms for p in parts]) if parts else np.empty((0, len(AtomField)), np.int16)
    bonds = np.concatenate([p.codes.bonds for p in parts]) if parts else np.empty((0, len(BondField)), np.uint8)
    ends = np.concatenate([p.codes.ends for p in parts]) if parts else np.empty((0, 2), np.int16)
    codes = CodedMolecules(
        GraphCodes(atoms, bonds, ends),
        _offsets(np.array([len(p.codes.atoms) for p in parts], np.int64)),
        _offsets(np.array([len(p.codes.bonds) for p in parts], np.int64)),
    )
    ports = np.array([[atom for _, atom in p.ports] for p in parts], np.int32).reshape(len(parts), len(labels))
    origin = np.concatenate([p.origin for p in parts]).astype(np.int32) if parts else np.empty(0, np.int32)
    distance = _distances(codes.atom_offsets, codes.bond_offsets, ends, ports)
    return Fragments(codes, ports, labels, origin, distance)


def joined(parts: Sequence[Fragments]) -> Fragments:
    """Parts of several layouts with equal labels, one after another."""
    first = parts[0]
    if len(parts) == 1:
        return first
    graphs = [p.codes.graph for p in parts]
    graph = GraphCodes(*(np.concatenate([getattr(g, name) for g in graphs]) for name in ("atoms", "bonds", "ends")))
    counts = [np.concatenate([np.diff(getattr(p.codes, n)) for p in parts]) for n in ("atom_offsets", "bond_offsets")]
    codes = CodedMolecules(graph, *(_offsets(c) for c in counts))
    columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ports", "origin", "distance"))
    ports, origin, distance = columns
    return replace(first, codes=codes, ports=ports, origin=origin, distance=distance)


def _dissect(built: Built, graph: GraphCodes) -> Dissected:
    roles = len(built.sites)
    local = np.zeros(len(built.slot), np.int64)
    order = []
    for slot in range(roles):
        own = np.flatnonzero(built.slot == slot)
        own = own[np.argsort(built.atom[own], kind="stable")]
        local[own] = np.arange(len(own))
        order.append(own)
    owners = built.slot[graph.ends.astype(np.int64)]
    inner = (owners[:, 0] == owners[:, 1]) & (owners[:, 0] != TEMPLATE)
    outer = np.flatnonzero(~inner)
    touched = graph.ends[outer].astype(np.int64).ravel()
    parts = []
    for slot, own in enumerate(order):
        chosen = np.flatnonzero(inner & (owners[:, 0] == slot))
        ends = np.sort(local[graph.ends[chosen].astype(np.int64)], axis=1).reshape(-1, 2)
        order_of_bonds = np.lexsort((ends[:, 1], ends[:, 0]))  # RDKit's own order depends on the partners
        chosen, ends = chosen[order_of_bonds], ends[order_of_bonds]
        codes = GraphCodes(graph.atoms[own], graph.bonds[chosen], ends.astype(np.int16))
        at_ports = np.unique(touched[built.slot[touched] == slot])
        ports = sorted((int(built.label[a]), int(local[a])) for a in at_ports)
        parts.append(Part(codes, built.atom[own], tuple(ports)))
    return Dissected(tuple(parts), _joints(built, graph, outer))


def _joints(built: Built, graph: GraphCodes, bonds: np.ndarray) -> Joints:
    own = np.flatnonzero(built.slot == TEMPLATE)
    own = own[np.argsort(built.atom[own], kind="stable")]

    def end(atom: int) -> End:
        slot = int(built.slot[atom])
        return slot, int(built.atom[atom] if slot == TEMPLATE else built.label[atom])

    ends = [sorted((end(int(u)), end(int(v)))) for u, v in graph.ends[bonds].tolist()]
    order = sorted(range(len(bonds)), key=lambda k: ends[k])
    return Joints(graph.atoms[own], tuple((ends[k][0], ends[k][1]) for k in order), graph.bonds[bonds[order]])


def _offsets(counts: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _kept_atoms(
    offsets: np.ndarray, places: np.ndarray, atoms: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of kept atoms in the order of ``places``, their number in each, and the new place of each old atom, or -1."""
    before = np.concatenate([[0], np.cumsum(atoms)]).astype(np.int64)
    local = np.where(atoms, before[:-1] - np.repeat(before[offsets[:-1]], np.diff(offsets)), -1)
    counts = before[offsets[places + 1]] - before[offsets[places]]
    rows = np.flatnonzero(atoms)[_ranges(before[offsets[places]], counts)]
    return rows, counts, local


def _kept_bonds(
    offsets: np.ndarray, ends: np.ndarray, places: np.ndarray, atom_offsets: np.ndarray, local: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of bonds whose two atoms are kept, their number in each part, and their new ends."""
    first = np.repeat(atom_offsets[:-1].astype(np.int64), np.diff(offsets))
    moved = local[ends.astype(np.int64) + first[:, None]]
    whole = (moved >= 0).all(axis=1)
    before = np.concatenate([[0], np.cumsum(whole)]).astype(np.int64)
    counts = before[offsets[places + 1]] - before[offsets[places]]
    rows = np.flatnonzero(whole)[_ranges(before[offsets[places]], counts)]
    return rows, counts, moved[rows].astype(np.int16)


def _ranges(begin: np.ndarray, counts: np.ndarray) -> np.ndarray:
    first = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(begin - first, counts))


@numba.njit(cache=True)
def _distances(atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, ports: np.ndarray) -> np.ndarray:
    """Bonds between each atom and each port of its part, relaxed bond by bond."""
    found = np.full((atoms[-1], ports.shape[1]), np.uint8(255))
    for k in range(len(atoms) - 1):
        first = atoms[k]
        for p in range(ports.shape[1]):
            if ports[k, p] < 0:
                continue
            found[first + ports[k, p], p] = 0
            changed = True
            while changed:
                changed = False
                for b in range(bonds[k], bonds[k + 1]):
                    u, v = first + ends[b, 0], first + ends[b, 1]
                    if found[u, p] < 254 and found[u, p] + 1 < found[v, p]:
                        found[v, p] = found[u, p] + 1
                        changed = True
                    elif found[v, p] < 254 and found[v, p] + 1 < found[u, p]:
                        found[u, p] = found[v, p] + 1
                        changed = True
    return found


__all__ = ["FAR", "Dissected", "End", "Fragments", "Joints", "Part", "dissect", "joined", "lay_out"]
