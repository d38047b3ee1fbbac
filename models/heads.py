"""Molecule vector to predictions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from cinchona.models.dropout import SeededDropout


class FeedForwardHead(nn.Sequential):
    r"""Plain feed-forward network, :math:`y = W_L(\dots \tau(W_1 h + b_1) \dots) + b_L` with ReLU between layers.

    Regression outputs are in scaled units, classification outputs are logits; the ensemble turns both into natural
    units.

    Args:
        d_in: Width of the molecule vector.
        n_targets: Number of outputs t.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers; 0 is a linear map.
        dropout: Share of hidden units dropped in training.

    Shapes: (b, d_in) to (b, t).
    """

    def __init__(self, d_in: int, n_targets: int, *, hidden: int = 300, layers: int = 1, dropout: float = 0.0) -> None:
        widths = [d_in, *[hidden] * layers, n_targets]
        parts: list[nn.Module] = []
        for i, (width, after) in enumerate(pairwise(widths)):
            if i:
                parts += [nn.ReLU(), SeededDropout(dropout)]
            parts.append(nn.Linear(width, after))
        super().__init__(*parts)
        self.n_targets = n_targets

    def forward(self, vectors: Tensor) -> Tensor:
        """Return raw outputs, float32, shape (b, t)."""
        out: Tensor = super().forward(vectors)  # type: ignore[no-untyped-call] # torch
        return out
