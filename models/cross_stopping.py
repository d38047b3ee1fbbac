"""What a network says of the compounds that it leaves out, as if they had not stopped it.

A network is kept at the epoch that predicts its left-out compounds best. For just these compounds it looks better than it is:
the epoch was chosen on their errors. So the compounds are dealt into ten folds, and each fold is predicted by the network of the epoch that
the other nine would have chosen. The network that is kept, stopped by all of them, is not touched by this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from cinchona.seeds import rng

FOLDS: Final = 10
"""Folds; with few, the epoch would be chosen by so few compounds that it is a worse one than that of all."""


@dataclass(slots=True)
class CrossStopping:
    """Follows a training and keeps, for each fold of n left-out compounds, the outputs at the best epoch of the other folds."""

    fold: Tensor
    """Fold of each compound, int64, shape (n,)."""
    outputs: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    """What the network said of each, float32, shape (n, outputs); without rows before the first epoch."""
    losses: list[float] = field(default_factory=lambda: [math.inf] * FOLDS)
    """Lowest loss so far on the compounds that choose for each fold."""

    @classmethod
    def of(cls, n: int, *, seed: int) -> CrossStopping:
        """Deal ``n`` compounds into folds; all networks of a training deal them alike."""
        return cls(torch.from_numpy(rng(seed, "cross-stopping").permutation(n) % FOLDS))

    def see(self, raw: Tensor, loss_of: Callable[[Tensor], float]) -> None:
        """Look at an epoch.

        Args:
            raw: Outputs for the n compounds, float32, shape (n, outputs).
            loss_of: Loss over some of them, given as bool, shape (n,); NaN where they have no label. Then all of them choose.
        """
        first = not len(self.outputs)
        self.outputs = raw.clone() if first else self.outputs
        for place in self.fold.unique().tolist():
            mine = self.fold == place
            loss = loss_of(~mine)
            loss = loss_of(torch.ones_like(mine)) if math.isnan(loss) else loss
            if first or math.isnan(loss) or loss < self.losses[place]:
                self.outputs[mine] = raw[mine]
                self.losses[place] = loss

    def tensors(self) -> dict[str, Tensor]:
        """What a training that is interrupted has to keep."""
        return {"crossed.outputs": self.outputs, "crossed.losses": torch.tensor(self.losses, dtype=torch.float64)}

    def restore(self, outputs: Tensor, losses: Tensor) -> None:
        """Go on from what :meth:`tensors` gave."""
        self.outputs, self.losses = outputs, losses.tolist()

    def told(self) -> np.ndarray:
        """The outputs as they are, float32, shape (n, outputs)."""
        return self.outputs.numpy()


__all__ = ["FOLDS", "CrossStopping"]
