"""GPS: a graph transformer with local messages and attention over the whole molecule, small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch_geometric.utils import to_dense_adj, to_dense_batch

from cinchona.models.architectures.atoms import atoms_through
from cinchona.models.architectures.gatv2 import require_multiple
from cinchona.models.architectures.gin import IsomorphismLayer
from cinchona.models.batching import GraphBatch
from cinchona.models.dropout import SeededDropout

WALKS: Final = 8
"""Lengths of the random walks whose chance to return describes an atom's place."""
_DENSE: Final = 1 << 21
"""Largest number of atom pairs in one dense block; a single larger molecule is a block of its own."""


class GraphTransformerEncoder(nn.Module):
    r"""GPS with GINE as local part, multi-head attention as global part and random-walk places.

    .. math::
        p_v &= \big[(D^{-1} A)^k_{vv}\big]_{k=1}^{8} \\
        h^0_v &= W_e x_v + W_p p_v + b_e \\
        l_v &= \mathrm{LN}(h_v + \mathrm{GINE}(h)_v), \qquad
        g_v = \mathrm{LN}(h_v + \mathrm{MHA}(h)_v) \\
        h'_v &= \mathrm{LN}(s_v + W_2\,\tau(W_1 s_v + b_1) + b_2), \quad s_v = l_v + g_v

    with attention over all atoms of a molecule, also those of other fragments, and :math:`\tau` = ReLU. Layer
    normalization stands in place of the paper's batch normalization, so that no molecule depends on its neighbours in the batch.

    Args:
        d_atom: Width of the atom features.
        d_bond: Width of the bond features.
        hidden: Width of the states, a multiple of ``heads``.
        depth: Number of layers, at least 1.
        dropout: Share of units dropped in training.
        heads: Attention heads.

    Shapes:
        - input: a :class:`~cinchona.models.batching.GraphBatch` of V atoms
        - output: atom states, float32, (V, hidden)

    References:
        Rampášek et al., NeurIPS 2022, https://arxiv.org/abs/2205.12454
    """

    def __init__(self, d_atom: int, d_bond: int, *, hidden: int, depth: int, dropout: float, heads: int) -> None:
        super().__init__()
        require_multiple(hidden, heads)
        self.d_out = hidden
        self.embed = nn.Linear(d_atom, hidden)
        self.place = nn.Linear(WALKS, hidden, bias=False)
        self.layers = nn.ModuleList(
            GraphTransformerLayer(hidden, d_bond, heads=heads, dropout=dropout) for _ in range(depth)
        )

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, hidden)."""
        blocks = list(_blocks(batch.sizes.squeeze(1).long()))
        states: Tensor = atoms_through(self.embed, batch) + self.place(walk_returns(batch, blocks))
        for layer in self.layers:
            states = layer(states, batch, blocks)
        return states


class GraphTransformerLayer(nn.Module):
    """One layer of :class:`GraphTransformerEncoder`."""

    def __init__(self, hidden: int, d_bond: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.local = IsomorphismLayer(hidden, d_bond)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.joined = nn.Linear(hidden, hidden)
        self.local_norm, self.global_norm, self.out_norm = (nn.LayerNorm(hidden) for _ in range(3))
        self.first, self.second = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)
        self.dropout = SeededDropout(dropout)

    def forward(self, states: Tensor, batch: GraphBatch, blocks: list[Tensor]) -> Tensor:
        """Return new atom states, (V, hidden)."""
        near = self.local_norm(states + self.dropout(self.local(states, batch)))
        far = self.global_norm(states + self.dropout(self._attention(states, batch, blocks)))
        both = near + far
        new: Tensor = self.out_norm(both + self.dropout(self.second(torch.relu(self.first(both)))))
        return new

    def _attention(self, states: Tensor, batch: GraphBatch, blocks: list[Tensor]) -> Tensor:
        asked = self.query_key_value(states)
        parts, order = [], []
        for molecules in blocks:
            atoms, number = _atoms_of(molecules, batch)
            dense, there = to_dense_batch(asked[atoms], number, batch_size=len(molecules))
            query, key, value = (
                part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in dense.chunk(3, dim=2)
            )  # each (b, heads, n, hidden / heads)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=there[:, None, None, :])
            parts.append(mixed.transpose(1, 2).flatten(2)[there])
            order.append(atoms)
        together = torch.cat(parts)[torch.argsort(torch.cat(order))]
        attended: Tensor = self.joined(together)
        return attended


def walk_returns(batch: GraphBatch, blocks: list[Tensor]) -> Tensor:
    """Chance that a random walk of 1 to 8 bonds ends at the atom where it began, float32, (V, 8); 0 without bonds."""
    source, target = batch.edges
    found = torch.zeros(len(batch.molecule), WALKS)
    for molecules in blocks:
        atoms, number = _atoms_of(molecules, batch)
        place = torch.full((len(batch.molecule),), -1, dtype=torch.int64)
        place[atoms] = torch.arange(len(atoms))
        here = place[source] >= 0
        edges = torch.stack([place[source[here]], place[target[here]]])
        adjacency = to_dense_adj(edges, number, batch_size=len(molecules))
        step = adjacency / adjacency.sum(2, keepdim=True).clamp(min=1)
        _, there = to_dense_batch(atoms, number, batch_size=len(molecules))
        walk = step
        for k in range(WALKS):
            found[atoms, k] = walk.diagonal(dim1=1, dim2=2)[there]
            walk = walk @ step
    return found


def _blocks(sizes: Tensor) -> Iterator[Tensor]:
    """Molecules of like size together, so that dense blocks hold little padding and have bounded size."""
    order = torch.argsort(sizes, stable=True)
    start = 0
    for position in range(len(order)):
        largest = int(sizes[order[position]])
        count = position - start
        if count and ((count + 1) * largest**2 > _DENSE or largest > 2 * int(sizes[order[start]]) + 8):
            yield order[start:position]
            start = position
    if len(order):
        yield order[start:]


def _atoms_of(molecules: Tensor, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Atoms of ``molecules``, one molecule after the other, and the place of each atom's molecule in the list."""
    place = torch.full((len(batch),), -1, dtype=torch.int64)
    place[molecules] = torch.arange(len(molecules))
    number = place[batch.molecule]
    atoms = torch.nonzero(number >= 0).squeeze(1)
    atoms = atoms[torch.argsort(number[atoms], stable=True)]
    return atoms, number[atoms]
