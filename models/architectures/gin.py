"""Graph isomorphism networks: GIN, and GINE, which looks at bonds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cinchona.models.architectures.atoms import atoms_through, bonds_through, into_atoms
from cinchona.models.batching import GraphBatch
from cinchona.models.dropout import SeededDropout


class IsomorphismEncoder(nn.Module):
    r"""GIN or GINE: a sum over neighbours, which can tell multisets apart, and a perceptron.

    .. math::
        h^0_v &= W_e x_v + b_e \\
        m^{t}_v &= \sum_{u \in N(v)} h^{t}_u \quad \text{(GIN)}, \qquad
        \sum_{u \in N(v)} \tau(h^{t}_u + W_b e_{uv} + b_b) \quad \text{(GINE)} \\
        h^{t+1}_v &= W_2\,\tau(W_1((1 + \epsilon)\,h^{t}_v + m^{t}_v) + b_1) + b_2

    with :math:`\tau` = ReLU, which also stands between layers, and a learnt :math:`\epsilon` a layer that begins at 0.

    Args:
        d_atom: Width of the atom features.
        d_bond: Width of the bond features.
        hidden: Width of the states.
        depth: Number of layers, at least 1.
        dropout: Share of units dropped between layers in training.
        bonds: Whether bonds count (GINE).

    Shapes:
        - input: a :class:`~cinchona.models.batching.GraphBatch` of V atoms
        - output: atom states, float32, (V, hidden)

    References:
        Xu et al., ICLR 2019, https://arxiv.org/abs/1810.00826; Hu et al., ICLR 2020, https://arxiv.org/abs/1905.12265 (GINE)
    """

    def __init__(self, d_atom: int, d_bond: int, *, hidden: int, depth: int, dropout: float, bonds: bool) -> None:
        super().__init__()
        self.d_out = hidden
        self.embed = nn.Linear(d_atom, hidden)
        self.layers = nn.ModuleList(IsomorphismLayer(hidden, d_bond if bonds else None) for _ in range(depth))
        self.dropout = SeededDropout(dropout)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, hidden)."""
        states = atoms_through(self.embed, batch)
        for position, layer in enumerate(self.layers):
            states = layer(states, batch)
            if position + 1 < len(self.layers):
                states = self.dropout(torch.relu(states))
        return states


class IsomorphismLayer(nn.Module):
    """One layer of :class:`IsomorphismEncoder`; ``d_bond`` None for GIN."""

    def __init__(self, hidden: int, d_bond: int | None) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.bond = None if d_bond is None else nn.Linear(d_bond, hidden)
        self.first = nn.Linear(hidden, hidden)
        self.second = nn.Linear(hidden, hidden)

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return new atom states, (V, hidden)."""
        sent = states[batch.edges[0]]
        if self.bond is not None:
            sent = torch.relu(sent + bonds_through(self.bond, batch))
        mixed = (1 + self.eps) * states + into_atoms(sent, batch)
        new: Tensor = self.second(torch.relu(self.first(mixed)))
        return new
