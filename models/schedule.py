"""How the learning rate runs over the optimization steps."""

from __future__ import annotations

import math

from cinchona.models.config import TrainingConfig


def rate_at(step: int, total: int, config: TrainingConfig) -> float:
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
