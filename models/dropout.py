"""Dropout that draws from a generator of its own, so that no global random state is read or moved."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SeededDropout(nn.Module):
    """Zero a share of the units in training and scale the rest by ``1 / (1 - share)``.

    The generator is set by the training loop, which also saves its state in checkpoints; without one the module is
    the identity.

    Args:
        share: Probability that a unit is dropped, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` with dropped units, same shape; the identity in evaluation."""
        if not self.training or not self.share or self.generator is None:
            return values
        keep = torch.empty_like(values).bernoulli_(1 - self.share, generator=self.generator)
        return values * keep / (1 - self.share)


def seed_dropout(network: nn.Module, generator: torch.Generator | None) -> None:
    """Let every dropout layer of ``network`` draw from ``generator``."""
    for module in network.modules():
        if isinstance(module, SeededDropout):
            module.generator = generator
