"""Message passing on directed bonds (D-MPNN)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch_geometric.nn.conv.message_passing import MessagePassing

from cinchona.errors import ShapeError
from cinchona.models.batching import GraphBatch, Step
from cinchona.models.dropout import SeededDropout


class DirectedMessagePassing(MessagePassing):
    r"""Encoder whose messages travel along directed bonds, never straight back.

    .. math::
        h^{0}_{vw} &= \tau(W_i\,[x_v \,\|\, e_{vw}]) \\
        m^{t+1}_{vw} &= \sum_{u \in N(v) \setminus w} h^{t}_{uv} \\
        h^{t+1}_{vw} &= \tau(W_i\,[x_v \,\|\, e_{vw}] + W_h\, m^{t+1}_{vw}), \quad t = 0 \dots T-2 \\
        h_v &= \tau(W_o\,[x_v \,\|\, \sum_{u \in N(v)} h^{T-1}_{uv}] + b_o)

    with atom features :math:`x`, bond features :math:`e`, :math:`\tau` = ReLU and T = ``depth``. ``W_i`` and ``W_h``
    have no bias. This is the formulation of Chemprop 2's ``BondMessagePassing`` with its defaults, so weights can be
    exchanged. Each row of a batch's :class:`~cinchona.models.batching.Program` is a directed bond with distinct
    surroundings, computed once for all bonds that share them; the products with ``x`` and ``e`` are made once a distinct
    feature row. Dropout then falls on equal surroundings of a batch alike.

    Args:
        d_atom: Width of the atom features.
        d_bond: Width of the bond features.
        hidden: Width of the states.
        depth: Number of steps T, at least 1.
        dropout: Share of units dropped in training.

    Shapes:
        - input: a :class:`~cinchona.models.batching.GraphBatch` of V atoms and E directed bonds
        - output: atom states, float32, (V, hidden)

    References:
        Yang et al., J. Chem. Inf. Model. 2019, 59, 3370, https://doi.org/10.1021/acs.jcim.9b00237
    """

    def __init__(self, d_atom: int, d_bond: int, *, hidden: int = 300, depth: int = 3, dropout: float = 0.0) -> None:
        super().__init__(aggr="sum")
        self.depth = depth
        self.d_atom, self.d_bond, self.d_out = d_atom, d_bond, hidden
        self.W_i = nn.Linear(d_atom + d_bond, hidden, bias=False)
        self.W_h = nn.Linear(hidden, hidden, bias=False)
        self.W_o = nn.Linear(d_atom + hidden, hidden)
        self.dropout = SeededDropout(dropout)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, hidden)."""
        program, atoms = batch.program, batch.atom_rows
        if program is None or len(program.steps) != self.depth - 1:
            found = 0 if program is None else len(program.steps)
            raise ShapeError.of("batch.program.steps", (found,), f"({self.depth - 1},), depth - 1")
        input_atom, input_bond = self.W_i.weight.split([self.d_atom, self.d_bond], dim=1)
        output_atom, output_bond = self.W_o.weight.split([self.d_atom, self.d_out], dim=1)
        start = F.linear(atoms, input_atom)[program.start[0]] + F.linear(batch.bond_rows, input_bond)[program.start[1]]
        states = torch.relu(start)
        for step in program.steps:
            message = self._gather(states, step)
            states = self.dropout(torch.relu(start.index_select(0, step.origin) + self.W_h(message)))
        message = self._gather(states, program.finish)
        own = F.linear(atoms, output_atom, self.W_o.bias).index_select(0, program.finish.origin)
        distinct = self.dropout(torch.relu(own + F.linear(message, output_bond)))
        atom_states: Tensor = distinct.index_select(0, program.atom)
        return atom_states

    def message(self, x_j: Tensor) -> Tensor:
        """Send each bond's state along its links, unchanged."""
        return x_j

    def propagate(self, edge_index: Tensor, size: tuple[int, int] | None = None, **kwargs: Any) -> Tensor:  # noqa: ANN401
        """Sum the states of the senders at each receiver.

        Overridden only because torch_geometric otherwise writes a generated module into the temporary folder in each
        process and leaves it there.
        """
        summed: Tensor = super().propagate(edge_index, size=size, **kwargs)
        return summed

    def _gather(self, states: Tensor, step: Step) -> Tensor:
        gathered: Tensor = self.propagate(step.links, size=(len(states), len(step.origin)), x=(states, None))
        return gathered
