"""Exact inference of atom-centred networks (GIN, GINE) without repeated work.

One layer, Xu et al. 2019 (arXiv:1810.00826) and Hu et al. 2020 (arXiv:1905.12265), in the arrangement of PyTorch
Geometric's ``GINConv`` and ``GINEConv``::

    m_v = sum_{u in N(v)} h_u                       GIN
    m_v = sum_{u in N(v)} relu(h_u + W_e e_uv + b_e)  GINE
    h_v = W_2 relu(W_1 ((1 + eps) h_v + m_v) + b_1) + b_2

After t layers the state of an atom depends only on its environment of radius t, so each distinct one is computed once: atoms
are grouped by their own group one layer before and the multiset of (bond, neighbour's group).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.models.engine.directed import CodedGraphs
from cinchona.models.engine.gemm import Gemm
from cinchona.models.engine.grouping import Groups, Incidence, group_atoms, group_codes, incidence
from cinchona.models.engine.kernels import atom_sums, molecule_sums
from cinchona.models.engine.workspace import Workspace, workspace


@dataclass(frozen=True, slots=True)
class GinLayer:
    """Weights of one layer, transposed for row vectors; float32, C order."""

    w_1: np.ndarray
    """Shape (d_in, d_mid)."""
    b_1: np.ndarray
    """Shape (d_mid,)."""
    w_2: np.ndarray
    """Shape (d_mid, d_out)."""
    b_2: np.ndarray
    """Shape (d_out,)."""
    eps: float = 0.0
    """Weight of the atom itself, less 1."""
    w_edge: np.ndarray | None = None
    """Shape (d_bond, d_in) for GINE; None for GIN, which does not look at bonds."""
    b_edge: np.ndarray | None = None
    """Shape (d_in,)."""
    relu_after: bool = True
    """Whether ReLU follows the layer, as between layers."""


@dataclass(frozen=True, slots=True)
class GinPlan:
    """Which states a batch needs: made once, used by every network of the same depth."""

    into: Incidence
    levels: tuple[Groups, ...]
    """Groups of atoms by their environment of radius 0 to depth."""
    flows: tuple[Groups, ...]
    """Groups of directed bonds by (bond, group of the atom where it begins), one for each layer."""
    source: np.ndarray
    """Atom where each directed bond begins, int32, shape (2 n_bonds,)."""

    @property
    def most_atoms(self) -> int:
        """Groups of atoms that a wide batch of so many directed bonds has at most, as a rule: a fifth of them."""
        return len(self.source) // 5


def plan_gin(graphs: CodedGraphs, depth: int) -> GinPlan:
    """Group the atom environments of ``graphs`` for ``depth`` layers."""
    source = np.ascontiguousarray(graphs.ends.reshape(-1), dtype=np.int32)
    target = np.ascontiguousarray(graphs.ends[:, ::-1].reshape(-1), dtype=np.int32)
    into, bonds = incidence(target, len(graphs.atom_codes)), np.repeat(graphs.bond_codes, 2).astype(np.int64)
    levels, flows = [group_codes(graphs.atom_codes.astype(np.int64))], []
    for _ in range(depth):
        before = levels[-1].ids
        flows.append(group_codes((bonds << 32) | before[source].astype(np.int64)))
        levels.append(group_atoms(before, flows[-1].ids, into))
    return GinPlan(into, tuple(levels), tuple(flows), source)


def encode_gin(
    graphs: CodedGraphs, plan: GinPlan, layers: Sequence[GinLayer], multiply: Gemm, *, first: np.ndarray | None = None
) -> np.ndarray:
    """Sum of final atom states of each molecule, float32, shape (n_molecules, d_out).

    Args:
        graphs: The batch.
        plan: Its plan, made with as many layers.
        layers: The network.
        multiply: Matrix product to use.
        first: State of each feature row of atoms before the first layer, float32, shape (n_atom_codes, d_in); None for the
            feature rows themselves.
    """
    state = gin_states(graphs, plan, layers, multiply, first=first, space=workspace())
    return np.asarray(molecule_sums(state, plan.levels[-1].ids, graphs.offsets), dtype=np.float32)


def gin_states(
    graphs: CodedGraphs,
    plan: GinPlan,
    layers: Sequence[GinLayer],
    multiply: Gemm,
    *,
    first: np.ndarray | None = None,
    space: Workspace | None = None,
) -> np.ndarray:
    """Final state of each atom group of ``plan``, float32, shape (n_groups, d_out); arguments as of :func:`encode_gin`.

    They are the caller's own, unless they stand in the memory of a ``space``.
    """
    space = Workspace() if space is None else space
    rows = graphs.atom_rows if first is None else first
    state = np.ascontiguousarray(rows[graphs.atom_codes[plan.levels[0].representatives]], dtype=np.float32)
    for t, layer in enumerate(layers):
        before, now = plan.levels[t], plan.levels[t + 1]
        messages = _messages(graphs, plan, t, layer, state, multiply)
        inflow = space.matrix("inflow", len(now), messages.shape[1], expected=plan.most_atoms)
        atom_sums(inflow, messages, plan.flows[t].ids, now.representatives, plan.into.start, plan.into.bonds)
        own = state[before.ids[now.representatives]]
        own *= np.float32(1 + layer.eps)
        inflow += own
        hidden = space.matrix("hidden", len(now), layer.w_1.shape[1], expected=plan.most_atoms)
        hidden = _biased(multiply(inflow, layer.w_1, hidden), layer.b_1, relu=True)
        state = space.matrix(f"state {t % 2}", len(now), layer.w_2.shape[1], expected=plan.most_atoms)
        state = _biased(multiply(hidden, layer.w_2, state), layer.b_2, relu=layer.relu_after)
    return state


def _biased(product: np.ndarray, bias: np.ndarray, *, relu: bool) -> np.ndarray:
    """``product`` with ``bias`` added, and cut at 0 where ``relu`` says so, in place."""
    product += bias
    return np.maximum(product, np.float32(0), out=product) if relu else product


def _messages(
    graphs: CodedGraphs, plan: GinPlan, t: int, layer: GinLayer, state: np.ndarray, multiply: Gemm
) -> np.ndarray:
    """What each distinct directed bond carries, float32, shape (n_flows, d_in)."""
    bonds = plan.flows[t].representatives
    sent = state[plan.levels[t].ids[plan.source[bonds]]]
    if layer.w_edge is None:
        return np.ascontiguousarray(sent)
    edges = multiply(graphs.bond_rows, layer.w_edge)
    if layer.b_edge is not None:
        edges = edges + layer.b_edge
    sent += edges[graphs.bond_codes[bonds >> 1]]
    np.maximum(sent, np.float32(0), out=sent)
    return np.asarray(sent)


__all__ = ["GinLayer", "GinPlan", "encode_gin", "gin_states", "plan_gin"]
