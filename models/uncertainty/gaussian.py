r"""Mean-variance head: the network predicts the variance of its target along with the mean.

For each regression target a second output s gives :math:`v = \operatorname{softplus}(s) + 10^{-6}`, in scaled units, and training
minimizes the Gaussian negative log-likelihood

.. math:: \ell = \lfloor v^{\beta} \rfloor \cdot \tfrac12 \left( \log v + \frac{(y - z)^2}{v} \right)

with the factor :math:`\lfloor v^\beta \rfloor` held constant in the gradient: :math:`\beta = 0` is the plain likelihood, which neglects
compounds once it calls them noisy; :math:`\beta = 1` weighs errors as the squared error does. A bound costs
:math:`-\log \Phi(\pm (y - z) / \sqrt v)`, with the same factor. The variance stands for noise of the assay and for what the
network knows to be hard; what more data would mend shows between networks.

References:
    Nix, Weigend, ICNN 1994, https://doi.org/10.1109/ICNN.1994.374138; Seitzer, Tavakoli, Antic, Martius, ICLR 2022,
    https://arxiv.org/abs/2203.09168 (beta); Lakshminarayanan, Pritzel, Blundell, NeurIPS 2017, https://arxiv.org/abs/1612.01474 (in ensembles)
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

LEAST: Final = 1e-6
"""Smallest variance in scaled units."""


def element(raw: Tensor, target: Tensor, censor: Tensor, *, beta: float) -> Tensor:
    """Loss of each label, shape (n, t), from outputs (n, 2t): means and what gives variances."""
    mean, variance = raw[:, : target.shape[1]], F.softplus(raw[:, target.shape[1] :]) + LEAST
    likelihood = 0.5 * (torch.log(variance) + (mean - target) ** 2 / variance)
    beyond = -torch.special.log_ndtr(censor * (mean - target) / variance.sqrt())
    return variance.detach() ** beta * torch.where(censor == 0, likelihood, beyond)


def variance(raw: np.ndarray, t: int) -> np.ndarray:
    """Variance in scaled units, float64, shape (..., t), from outputs (..., 2t)."""
    found: np.ndarray = np.logaddexp(0.0, raw[..., t : 2 * t].astype(np.float64)) + LEAST
    return found


__all__ = ["LEAST", "element", "variance"]
