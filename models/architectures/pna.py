"""Principal neighbourhood aggregation (PNA): several statistics of the neighbours, scaled by their number."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from cinchona.models.architectures.atoms import atoms_through, bonds_through, into_atoms
from cinchona.models.batching import GraphBatch
from cinchona.models.dropout import SeededDropout

LOG_DEGREE: Final = 1.12
"""Mean of log(degree + 1) over the atoms of drug-like molecules (1.118 in MOSES): a constant, so that a model does not
depend on the molecules that it was shown first."""
_TINY: Final = 1e-5


class PrincipalEncoder(nn.Module):
    r"""PNA with residual connections.

    .. math::
        m_{uv} &= W_s h_u + W_t h_v + W_b e_{uv} + b \\
        a_v &= \begin{bmatrix} 1 \\ \log(d_v + 1) / \delta \\ \delta / \log(d_v + 1) \end{bmatrix} \otimes
        \begin{bmatrix} \mathrm{mean} \\ \mathrm{std} \\ \max \\ \min \end{bmatrix}_{u \in N(v)} m_{uv} \\
        h'_v &= h_v + \tau(W_o\,[h_v \,\|\, a_v] + b_o)

    with the degree :math:`d_v` (at least 1 in the scalers), :math:`\delta` = :data:`LOG_DEGREE` and :math:`\tau` = ReLU.

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
        Corso et al., NeurIPS 2020, https://arxiv.org/abs/2004.05718
    """

    def __init__(self, d_atom: int, d_bond: int, *, hidden: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.d_out = hidden
        self.embed = nn.Linear(d_atom, hidden)
        self.layers = nn.ModuleList(PrincipalLayer(hidden, d_bond) for _ in range(depth))
        self.dropout = SeededDropout(dropout)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, hidden)."""
        states = torch.relu(atoms_through(self.embed, batch))
        for layer in self.layers:
            states = states + self.dropout(torch.relu(layer(states, batch)))
        return states


class PrincipalLayer(nn.Module):
    """One layer of :class:`PrincipalEncoder`, before the residual connection."""

    def __init__(self, hidden: int, d_bond: int) -> None:
        super().__init__()
        self.sender = nn.Linear(hidden, hidden)
        self.receiver = nn.Linear(hidden, hidden, bias=False)
        self.bond = nn.Linear(d_bond, hidden, bias=False)
        self.out = nn.Linear(13 * hidden, hidden)

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return updates of the atom states, (V, hidden)."""
        source, target = batch.edges
        message = self.sender(states)[source] + self.receiver(states)[target] + bonds_through(self.bond, batch)
        mean = into_atoms(message, batch, how="mean")
        spread = into_atoms(message * message, batch, how="mean") - mean * mean
        most, least = (into_atoms(message, batch, how=how) for how in ("max", "min"))
        statistics = torch.cat([mean, torch.sqrt(torch.relu(spread) + _TINY), most, least], dim=1)
        degree = into_atoms(torch.ones(len(target), 1), batch).clamp(min=1)
        more = torch.log(degree + 1) / LOG_DEGREE
        new: Tensor = self.out(torch.cat([states, statistics, statistics * more, statistics / more], dim=1))
        return new
