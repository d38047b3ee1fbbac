"""Exact inference of a directed message-passing network without repeated work.

Formulation of Yang et al. 2019, DOI 10.1021/acs.jcim.9b00237, in the arrangement of Chemprop v2::

    P(vw)   = W_i [x_v, e_vw]                                   radius 0
    H_0     = relu(P)
    H_t(vw) = relu(P(vw) + W_h sum_{u in N(v) without w} H_{t-1}(uv))
    O(v)    = relu(W_o [x_v, sum_{u in N(v)} H_T(uv)] + b_o)

``W_h`` is applied before the sum, so each distinct state is multiplied once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cinchona.models.engine.gemm import DeviceProduct, Gemm
from cinchona.models.engine.grouping import Groups, Incidence, group_atoms, group_bonds, group_codes, incidence
from cinchona.models.engine.kernels import add_rows_relu, atom_sums, atoms_into_molecules, bond_states, molecule_sums
from cinchona.models.engine.workspace import Workspace, workspace


@dataclass(frozen=True, slots=True)
class CodedGraphs:
    """Molecular graphs of a batch as integer codes; codes index tables of feature rows."""

    atom_codes: np.ndarray
    """Row of each atom in ``atom_rows``, int32, shape (n_atoms,)."""
    bond_codes: np.ndarray
    """Row of each bond in ``bond_rows``, int32, shape (n_bonds,)."""
    ends: np.ndarray
    """First and second atom of each bond in the batch, int32, shape (n_bonds, 2)."""
    offsets: np.ndarray
    """First atom of each molecule and the end, int32, shape (n_molecules + 1,)."""
    atom_rows: np.ndarray
    """Atom features by code, float32, shape (n_atom_codes, d_atom)."""
    bond_rows: np.ndarray
    """Bond features by code, float32, shape (n_bond_codes, d_bond)."""


@dataclass(frozen=True, slots=True)
class DirectedWeights:
    """Weights of one encoder, transposed for row vectors; float32, C order."""

    w_atom: np.ndarray
    """Atom part of W_i, shape (d_atom, d_hidden)."""
    w_bond: np.ndarray
    """Bond part of W_i, shape (d_bond, d_hidden)."""
    b_i: np.ndarray
    """Bias of W_i, shape (d_hidden,); zeros where the network has none."""
    w_h: np.ndarray
    """W_h, shape (d_hidden, d_hidden)."""
    b_h: np.ndarray
    """Bias of W_h, shape (d_hidden,)."""
    w_out_atom: np.ndarray
    """Atom part of W_o, shape (d_atom, d_hidden)."""
    w_out_message: np.ndarray
    """Message part of W_o, shape (d_hidden, d_hidden)."""
    b_o: np.ndarray
    """Bias of W_o, shape (d_hidden,)."""


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """Which states a batch needs: made once, used by every member of an ensemble."""

    into: Incidence
    source: np.ndarray
    """Atom where each directed bond begins, int32, shape (2 n_bonds,)."""
    levels: tuple[Groups, ...]
    """Groups of directed bonds at radius 0 to depth - 1."""
    atoms: Groups
    """Groups of final atom states."""

    @property
    def most_bonds(self) -> int:
        """Groups of directed bonds that a wide batch of so many bonds has at most, as a rule: a tenth."""
        return len(self.source) // 10

    @property
    def most_atoms(self) -> int:
        """The same for atoms: a fifth of the directed bonds."""
        return len(self.source) // 5

    def only(self, groups: np.ndarray) -> MessagePlan:
        """A plan that ends in the atom ``groups`` (int, shape (g,)) alone, in their order; ``atoms.ids`` stay."""
        return replace(self, atoms=Groups(self.atoms.ids, self.atoms.representatives[groups]))


def plan_messages(graphs: CodedGraphs, depth: int) -> MessagePlan:
    """Group the environments of ``graphs`` for a network of ``depth`` (number of bond states, at least 1)."""
    source = np.ascontiguousarray(graphs.ends.reshape(-1), dtype=np.int32)
    target = np.ascontiguousarray(graphs.ends[:, ::-1].reshape(-1), dtype=np.int32)
    into = incidence(target, len(graphs.atom_codes))
    codes = (graphs.atom_codes[source].astype(np.int64) << 32) | np.repeat(graphs.bond_codes, 2).astype(np.int64)
    own = group_codes(codes)
    levels = [own]
    for _ in range(1, depth):
        levels.append(group_bonds(own.ids, levels[-1].ids, source, into))
    return MessagePlan(into, source, tuple(levels), group_atoms(graphs.atom_codes, levels[-1].ids, into))


def encode(graphs: CodedGraphs, plan: MessagePlan, weights: DirectedWeights, multiply: Gemm) -> np.ndarray:
    """Sum of final atom states of each molecule, float32, shape (n_molecules, d_hidden).

    Args:
        graphs: The batch.
        plan: Its plan, made with the depth of the network.
        weights: One encoder.
        multiply: Matrix product to use.
    """
    if isinstance(multiply, DeviceProduct):
        from cinchona.models.engine.on_device import encode_on_device

        return encode_on_device(graphs, plan, weights, multiply.device)
    space = workspace()
    state = _bond_states(graphs, plan, weights, multiply, space)
    base, codes, last = _atom_base(graphs, weights, multiply), graphs.atom_codes, plan.levels[-1]
    if len(last) > len(plan.atoms):
        out = _atom_messages(state, plan, weights, multiply, space)
        add_rows_relu(out, base, codes[plan.atoms.representatives])
        return np.asarray(molecule_sums(out, plan.atoms.ids, graphs.offsets), np.float32)
    flow = multiply(state, weights.w_out_message, space.matrix("flow", *state.shape, expected=plan.most_bonds))
    out = space.matrix("atoms", len(plan.atoms), state.shape[1], expected=plan.most_atoms)
    atoms, into = (plan.atoms.ids, graphs.offsets), (plan.into.start, plan.into.bonds)
    return np.asarray(atoms_into_molecules(out, flow, last.ids, (base, codes), atoms, into), np.float32)


def atom_states(graphs: CodedGraphs, plan: MessagePlan, weights: DirectedWeights, multiply: Gemm) -> np.ndarray:
    """Final state of each atom group of ``plan``, float32, shape (len(plan.atoms), d_hidden); arguments as of :func:`encode`."""
    space = Workspace()
    out = _atom_messages(_bond_states(graphs, plan, weights, multiply, space), plan, weights, multiply, space)
    add_rows_relu(out, _atom_base(graphs, weights, multiply), graphs.atom_codes[plan.atoms.representatives])
    return out


def atom_inputs(graphs: CodedGraphs, plan: MessagePlan, weights: DirectedWeights, multiply: Gemm) -> np.ndarray:
    """What the last ReLU takes for each atom group: a sum over incoming bonds; shape and arguments as of :func:`atom_states`."""
    space = Workspace()
    out = _atom_messages(_bond_states(graphs, plan, weights, multiply, space), plan, weights, multiply, space)
    own = _atom_base(graphs, weights, multiply)[graphs.atom_codes[plan.atoms.representatives]]
    return np.asarray(out + own, np.float32)


def _atom_base(graphs: CodedGraphs, weights: DirectedWeights, multiply: Gemm) -> np.ndarray:
    """What each atom code adds of itself, float32, shape (n_atom_codes, d_hidden)."""
    return np.asarray(multiply(graphs.atom_rows, weights.w_out_atom) + weights.b_o, np.float32)


def _bond_states(
    graphs: CodedGraphs, plan: MessagePlan, weights: DirectedWeights, multiply: Gemm, space: Workspace
) -> np.ndarray:
    """Last state of each group of directed bonds, in ``space``, float32, shape (n_groups, d_hidden)."""
    own = plan.levels[0]
    atom_part = multiply(graphs.atom_rows, weights.w_atom)
    bond_part = multiply(graphs.bond_rows, weights.w_bond)
    first = own.representatives
    base = atom_part[graphs.atom_codes[plan.source[first]]] + bond_part[graphs.bond_codes[first >> 1]] + weights.b_i
    state = np.maximum(base, np.float32(0.0))
    base += weights.b_h
    graph = (plan.source, plan.into.start, plan.into.bonds)
    for previous, level in zip(plan.levels, plan.levels[1:], strict=False):
        flow = multiply(state, weights.w_h, space.matrix("flow", *state.shape, expected=plan.most_bonds))
        state = space.matrix("bonds", len(level), flow.shape[1], expected=plan.most_bonds)
        bond_states(state, (base, own.ids), flow, previous.ids, level.representatives, graph)
    return np.asarray(state, np.float32)


def _atom_messages(
    state: np.ndarray, plan: MessagePlan, weights: DirectedWeights, multiply: Gemm, space: Workspace
) -> np.ndarray:
    """What flows into each group of atoms, in ``space``, float32, shape (n_groups, d_hidden)."""
    last, atoms, into = plan.levels[-1], plan.atoms, plan.into
    out = space.matrix("atoms", len(atoms), state.shape[1], expected=plan.most_atoms)
    if len(last) <= len(atoms):  # the product runs over whichever rows are fewer
        flow = multiply(state, weights.w_out_message, space.matrix("flow", *state.shape, expected=plan.most_bonds))
        atom_sums(out, flow, last.ids, atoms.representatives, into.start, into.bonds)
        return out
    sums = space.matrix("sums", len(atoms), state.shape[1])
    atom_sums(sums, state, last.ids, atoms.representatives, into.start, into.bonds)
    return multiply(sums, weights.w_out_message, out)
