"""GATv2: attention that ranks neighbours differently for different atoms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from cinchona.errors import ConfigError
from cinchona.models.architectures.atoms import atoms_through, bonds_through, into_atoms, over_neighbours
from cinchona.models.batching import GraphBatch
from cinchona.models.dropout import SeededDropout

_SLOPE = 0.2


class DynamicAttentionEncoder(nn.Module):
    r"""GATv2 with residual connections in place of loops at atoms.

    .. math::
        \alpha_{uv} &= \mathrm{softmax}_{u \in N(v)}\; a^\top \lambda(W_s h_u + W_t h_v + W_b e_{uv}) \\
        h'_v &= h_v + \tau\Big(\big\Vert_{k=1}^{K} \textstyle\sum_{u \in N(v)} \alpha^k_{uv} W_s^k h_u + b\Big)

    with K heads side by side, :math:`\lambda` = LeakyReLU of slope 0.2 and :math:`\tau` = ReLU.

    Args:
        d_atom: Width of the atom features.
        d_bond: Width of the bond features.
        hidden: Width of the states, a multiple of ``heads``.
        depth: Number of layers, at least 1.
        dropout: Share of attention and units dropped in training.
        heads: Attention heads K.

    Shapes:
        - input: a :class:`~cinchona.models.batching.GraphBatch` of V atoms
        - output: atom states, float32, (V, hidden)

    References:
        Brody et al., ICLR 2022, https://arxiv.org/abs/2105.14491
    """

    def __init__(self, d_atom: int, d_bond: int, *, hidden: int, depth: int, dropout: float, heads: int) -> None:
        super().__init__()
        require_multiple(hidden, heads)
        self.d_out = hidden
        self.embed = nn.Linear(d_atom, hidden)
        self.layers = nn.ModuleList(
            DynamicAttentionLayer(hidden, d_bond, heads=heads, dropout=dropout) for _ in range(depth)
        )
        self.dropout = SeededDropout(dropout)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, hidden)."""
        states = torch.relu(atoms_through(self.embed, batch))
        for layer in self.layers:
            states = states + self.dropout(torch.relu(layer(states, batch)))
        return states


class DynamicAttentionLayer(nn.Module):
    """One layer of :class:`DynamicAttentionEncoder`, before the residual connection."""

    def __init__(self, hidden: int, d_bond: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.sender = nn.Linear(hidden, hidden)
        self.receiver = nn.Linear(hidden, hidden, bias=False)
        self.bond = nn.Linear(d_bond, hidden, bias=False)
        self.attention = nn.Parameter(torch.zeros(heads, hidden // heads))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.dropout = SeededDropout(dropout)

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return updates of the atom states, (V, hidden)."""
        source, target = batch.edges
        sent = self.sender(states)[source]
        met = F.leaky_relu(sent + self.receiver(states)[target] + bonds_through(self.bond, batch), _SLOPE)
        logits = (met.unflatten(1, (self.heads, -1)) * self.attention).sum(-1)
        share = self.dropout(over_neighbours(logits, batch))
        weighted = (sent.unflatten(1, (self.heads, -1)) * share[:, :, None]).flatten(1)
        return into_atoms(weighted, batch) + self.bias


def require_multiple(hidden: int, heads: int) -> None:
    """Refuse a width that does not divide among the heads.

    Raises:
        ConfigError: naming both settings.
    """
    if hidden % heads:
        raise ConfigError(
            f"{hidden} units do not divide among {heads} heads", where="network.hidden, network.heads",
            expected="a width that is a multiple of the heads",
        )  # fmt: skip
