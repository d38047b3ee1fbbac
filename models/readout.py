"""Atom states to one vector a molecule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import Tensor, nn

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


def build_readout(config: GraphNetConfig) -> SumReadout:
    """Build the readout that ``config`` names."""
    return _READOUTS[config.readout](config)


_READOUTS: Final[dict[str, Callable[[GraphNetConfig], SumReadout]]] = {
    "mean": lambda _: MeanReadout(),
    "sum": lambda _: SumReadout(),
    "norm": lambda config: NormReadout(config.norm),
}
