"""How the learning rate runs over the optimization steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cinchona.models.config import PretrainingConfig, TrainingConfig

_STEPS: Final = 700
_EPOCHS: Final = (15, 200)
_PATIENCE: Final = (10, 0.4)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a network is trained, worked out for a training part."""

    config: TrainingConfig
    """Settings that it was worked out from."""
    epochs: int
    """Passes over the training part."""
    steps_per_epoch: int
    """Optimization steps in each."""
    patience: int
    """Epochs without a better validation loss after which training stops."""

    @classmethod
    def of(cls, config: TrainingConfig, n_train: int) -> Schedule:
        """Lay ``config`` out for ``n_train`` compounds."""
        steps = max(1, math.ceil(n_train / config.batch_size))
        epochs = config.epochs or min(max(math.ceil(_STEPS / steps), _EPOCHS[0]), _EPOCHS[1])
        patience = config.patience or max(_PATIENCE[0], round(_PATIENCE[1] * epochs))
        return cls(config, epochs, steps, patience)

    def rate(self, step: int) -> float:
        """Learning rate of ``step``, counted from 0 over all epochs."""
        return rate_at(step, self.epochs * self.steps_per_epoch, self.config)


def rate_at(step: int, total: int, config: TrainingConfig | PretrainingConfig) -> float:
    r"""Learning rate of ``step`` (0-based) of ``total``.

    In the first ``warmup`` share it rises linearly to ``learning_rate``. Then, with x from 0 to 1 over the rest and f =
    ``final_rate``: one-cycle :math:`f + (1-f)\frac{1 + \cos \pi x}{2}`, noam :math:`f^x`, constant 1, each times
    ``learning_rate``.

    References:
        Smith and Topin, https://arxiv.org/abs/1708.07120 (one cycle); Vaswani et al.,
        https://arxiv.org/abs/1706.03762 (warm-up), with the exponential decay of Yang et al. 2019.
    """
    rising = math.ceil(config.warmup * total)
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    x = (step - rising) / max(1, total - rising)
    final = config.final_rate
    if config.schedule == "one-cycle":
        return config.learning_rate * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * x)))
    if config.schedule == "noam":
        return float(config.learning_rate * final**x)
    return config.learning_rate
