"""Atom states to one vector a molecule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch_geometric.utils import scatter

from cinchona.models.architectures.atoms import SLOPE, over_molecule
from cinchona.models.batching import GraphBatch
from cinchona.models.config import GraphNetConfig


class SumReadout(nn.Module):
    r"""Sum of the atom states, :math:`h = \sum_v h_v`; grows with the molecule.

    Shapes: atom states (V, d) to molecule vectors (b, d).
    """

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, d)."""
        pooled = states.new_zeros(len(batch), states.shape[1])
        return pooled.index_add_(0, batch.molecule, states)


class MeanReadout(SumReadout):
    r"""Mean of the atom states, :math:`h = \frac{1}{|V|} \sum_v h_v`.

    Shapes: atom states (V, d) to molecule vectors (b, d). A molecule without atoms has the zero vector.
    """

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, d)."""
        return super().forward(states, batch) / batch.sizes.clamp(min=1)


class NormReadout(SumReadout):
    r"""Sum of the atom states divided by a constant, :math:`h = \frac{1}{c} \sum_v h_v`.

    Keeps the size of the molecule, as the sum does, with values that a head trains well on.

    Args:
        norm: The constant c.
    """

    def __init__(self, norm: float = 100.0) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, d)."""
        return super().forward(states, batch) / self.norm


class MaxReadout(nn.Module):
    r"""Largest value of each unit, :math:`h = \max_v h_v`.

    Shapes: atom states (V, d) to molecule vectors (b, d).
    """

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, d)."""
        pooled: Tensor = scatter(states, batch.molecule, dim=0, dim_size=len(batch), reduce="max")
        return pooled


class AttentionReadout(nn.Module):
    r"""Sum weighted by a learnt gate, :math:`h = \sum_v \mathrm{softmax}_v(a^\top h_v + c)\, h_v`.

    Args:
        hidden: Width d of the atom states.

    Shapes: atom states (V, d) to molecule vectors (b, d).

    References:
        Li et al., ICLR 2016, https://arxiv.org/abs/1511.05493
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(hidden, 1, bias=False)

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, d)."""
        return _pooled(over_molecule(self.gate(states), batch) * states, batch)


class AttentiveReadout(nn.Module):
    r"""The molecule part of AttentiveFP: a vector that looks at the atoms and remembers, T = 2 times.

    .. math::
        m^0 &= \tau\big(\textstyle\sum_v h_v\big) \\
        \alpha_v &= \mathrm{softmax}_v\,\lambda(a^\top W h_v + c^\top W m^t) \\
        m^{t+1} &= \tau\big(\mathrm{GRU}(\mathrm{ELU}(\textstyle\sum_v \alpha_v W h_v + b),\, m^t)\big)

    with :math:`\lambda` = LeakyReLU and :math:`\tau` = ReLU.

    Args:
        hidden: Width d of the atom states.
        steps: Number of looks T.

    Shapes: atom states (V, d) to molecule vectors (b, d).

    References:
        Xiong et al., J. Med. Chem. 2020, 63, 8749, https://doi.org/10.1021/acs.jmedchem.9b00959
    """

    def __init__(self, hidden: int, *, steps: int = 2) -> None:
        super().__init__()
        self.steps = steps
        self.through = nn.Linear(hidden, hidden, bias=False)
        self.atom = nn.Linear(hidden, 1, bias=False)
        self.whole = nn.Linear(hidden, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.memory = nn.GRUCell(hidden, hidden)

    def forward(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, d)."""
        turned = self.through(states)
        whole = torch.relu(_pooled(states, batch))
        for _ in range(self.steps):
            asking = self.whole(self.through(whole))[batch.molecule]
            share = over_molecule(F.leaky_relu(self.atom(turned) + asking, SLOPE), batch)
            context = F.elu(_pooled(share * turned, batch) + self.bias)
            whole = torch.relu(self.memory(context, whole))
        return whole


def _pooled(states: Tensor, batch: GraphBatch) -> Tensor:
    return states.new_zeros(len(batch), states.shape[1]).index_add_(0, batch.molecule, states)


def build_readout(config: GraphNetConfig) -> nn.Module:
    """Build the readout that ``config`` names."""
    return _READOUTS[config.readout](config)


_READOUTS: Final[dict[str, Callable[[GraphNetConfig], nn.Module]]] = {
    "mean": lambda _: MeanReadout(),
    "sum": lambda _: SumReadout(),
    "norm": lambda config: NormReadout(config.norm),
    "max": lambda _: MaxReadout(),
    "attention": lambda config: AttentionReadout(config.hidden),
    "attentive": lambda config: AttentiveReadout(config.hidden),
}
