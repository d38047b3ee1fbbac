"""AttentiveFP: attention over neighbours, remembered by gated recurrent units."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from cinchona.models.architectures.atoms import SLOPE, atoms_through, bonds_through, into_atoms, over_neighbours
from cinchona.models.batching import GraphBatch
from cinchona.models.dropout import SeededDropout


class AttentiveEncoder(nn.Module):
    r"""The atom part of AttentiveFP.

    .. math::
        h^0_v &= \lambda(W_e x_v + b_e) \\
        s_{uv} &= \lambda(W_1 h^0_u + W_b e_{uv}) \;\text{ in the first layer}, \qquad W_t h^t_u \;\text{ later} \\
        \alpha_{uv} &= \mathrm{softmax}_u\,\lambda(a^\top s_{uv} + c^\top q_v), \quad
        q_v = h^0_v \;\text{ or }\; W_t h^t_v \\
        h^{t+1}_v &= \tau\Big(\mathrm{GRU}\big(\mathrm{ELU}(\textstyle\sum_u \alpha_{uv} W'_t h^t_u + b_t),\, h^t_v\big)\Big)

    with :math:`\lambda` = LeakyReLU, :math:`\tau` = ReLU and :math:`W'_t = W_t` but for the first layer: the arrangement of
    PyTorch Geometric's ``AttentiveFP``. Its molecule part is the readout ``attentive``.

    Args:
        d_atom: Width of the atom features.
        d_bond: Width of the bond features.
        hidden: Width of the states.
        depth: Number of layers, at least 1.
        dropout: Share of units dropped in training.

    Shapes:
        - input: a :class:`~cinchona.models.batching.GraphBatch` of V atoms
        - output: atom states, float32, (V, hidden)

    References:
        Xiong et al., J. Med. Chem. 2020, 63, 8749, https://doi.org/10.1021/acs.jmedchem.9b00959
    """

    def __init__(self, d_atom: int, d_bond: int, *, hidden: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.d_out = hidden
        self.embed = nn.Linear(d_atom, hidden)
        self.bond = nn.Linear(d_bond, hidden, bias=False)
        self.layers = nn.ModuleList(AttentiveLayer(hidden, first=k == 0, dropout=dropout) for k in range(depth))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, hidden)."""
        states = F.leaky_relu(atoms_through(self.embed, batch), SLOPE)
        bonds = bonds_through(self.bond, batch)
        for layer in self.layers:
            states = layer(states, bonds, batch)
        return states


class AttentiveLayer(nn.Module):
    """One layer of :class:`AttentiveEncoder`; the ``first`` one looks at bonds."""

    def __init__(self, hidden: int, *, first: bool, dropout: float) -> None:
        super().__init__()
        self.through = nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden, bias=False) if first else None
        self.sender = nn.Linear(hidden, 1, bias=False)
        self.receiver = nn.Linear(hidden, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.memory = nn.GRUCell(hidden, hidden)
        self.dropout = SeededDropout(dropout)

    def forward(self, states: Tensor, bonds: Tensor, batch: GraphBatch) -> Tensor:
        """Return new atom states, (V, hidden)."""
        source, target = batch.edges
        turned = self.through(states)
        sent = turned[source] if self.value is None else F.leaky_relu(turned[source] + bonds, SLOPE)
        asking = turned if self.value is None else states
        share = over_neighbours(F.leaky_relu(self.sender(sent) + self.receiver(asking)[target], SLOPE), batch)
        carried = sent if self.value is None else self.value(states)[source]
        context = F.elu(into_atoms(self.dropout(share) * carried, batch) + self.bias)
        return torch.relu(self.memory(self.dropout(context), states))
