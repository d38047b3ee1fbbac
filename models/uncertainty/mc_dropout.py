r"""Monte Carlo dropout: how far predictions differ when units of the last hidden layer are left out at random.

Trained with dropout of share p as usual. At prediction the value is that of the whole network; its variance is that of S samples
with units left out,

.. math:: z_s = W (m_s \odot h) / (1 - p) + b, \quad m_{s} \in \{0, 1\}^{k}, \; P(m_{sj} = 1) = 1 - p

The S masks are drawn once, by a seed of the model's shape alone, and are the same for all molecules: a prediction does not depend
on what else is in its batch. Since only the last layer is sampled, all samples together are one network with (S + 1) t outputs,
which the engine computes at hardly more than the price of one. Dropout below the last hidden layer counts in training only, so
the variance is smaller than that of a full Monte Carlo dropout; calibration mends the scale.

References:
    Gal, Ghahramani, ICML 2016, https://arxiv.org/abs/1506.02142
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cinchona.models.scaling import TargetScaling
from cinchona.seeds import rng


def expanded(weights: Mapping[str, np.ndarray], *, share: float, samples: int) -> dict[str, np.ndarray]:
    """Weights of the network whose outputs are the plain ones and those of all samples.

    Args:
        weights: Parameters by name; the head has a hidden layer.
        share: Share p of the units that are left out, in (0, 1).
        samples: Number S of samples.

    Returns:
        The same with a last layer of (S + 1) t outputs, plain ones first, then sample after sample.
    """
    last = max((name for name in weights if name.startswith("head.")), key=lambda name: int(name.split(".")[1]))
    stem = last.rsplit(".", 1)[0]
    weight, bias = weights[f"{stem}.weight"], weights[f"{stem}.bias"]
    masks = rng(0, "mc-dropout", samples, weight.shape[1]).random((samples, weight.shape[1])) >= share
    factors = np.concatenate([np.ones((1, weight.shape[1])), masks / (1 - share)]).astype(np.float32)
    wide = (factors[:, None, :] * weight[None]).reshape(-1, weight.shape[1])
    return {**weights, f"{stem}.weight": wide, f"{stem}.bias": np.tile(bias, samples + 1)}


def variance(raw: np.ndarray, t: int, scaling: TargetScaling) -> np.ndarray:
    """Variance between the samples in natural units, float64, shape (..., t), from outputs (..., (S + 1) t)."""
    samples = raw[..., t:].reshape(*raw.shape[:-1], -1, t)
    found: np.ndarray = scaling.to_natural(samples).var(axis=-2)
    return found


__all__ = ["expanded", "variance"]
