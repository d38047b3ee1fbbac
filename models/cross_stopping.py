"""What a network says of the compounds that it leaves out, as if they had not stopped it.

A network is kept at the epoch that predicts its left-out compounds best. For just these compounds it looks better than it is:
the epoch was chosen on their errors. So the compounds are dealt into halves, and each half is predicted by the network of the epoch that
the other half would have chosen. The network that is kept, stopped by both, is not touched by this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cinchona.seeds import rng


@dataclass(slots=True)
class CrossStopping:
    """Follows a training and keeps, for each half of n left-out compounds, the outputs at the other half's best epoch."""

    half: Tensor
    """Half of each compound, bool, shape (n,)."""
    outputs: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    """What the network said of each, float32, shape (n, outputs); without rows before the first epoch."""
    losses: list[float] = field(default_factory=lambda: [math.inf, math.inf])
    """Lowest loss so far on the half that chooses for the first and for the second half."""

    @classmethod
    def of(cls, n: int, *, seed: int) -> CrossStopping:
        """Deal ``n`` compounds into halves; all networks of a training deal them alike."""
        return cls(torch.from_numpy(rng(seed, "cross-stopping").permutation(n) % 2 == 1))

    def see(self, raw: Tensor, loss_of: Callable[[Tensor], float]) -> None:
        """Look at an epoch.

        Args:
            raw: Outputs for the n compounds, float32, shape (n, outputs).
            loss_of: Loss over some of them, given as bool, shape (n,); NaN where they have no label. Then all of them choose.
        """
        first = not len(self.outputs)
        self.outputs = raw.clone() if first else self.outputs
        for place, mine in enumerate((~self.half, self.half)):
            loss = loss_of(~mine)
            loss = loss_of(mine | ~mine) if math.isnan(loss) else loss
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


__all__ = ["CrossStopping"]
