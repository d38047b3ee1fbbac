r"""Evidential head: the network predicts a distribution over means and variances of its target.

Four outputs a regression target: :math:`\gamma` (the mean), and through softplus :math:`\nu > 0`, :math:`\alpha > 1`, :math:`\beta > 0` of a
normal-inverse-gamma distribution. Training minimizes

.. math::
    \ell = \tfrac12 \log \frac{\pi}{\nu} - \alpha \log \Omega + (\alpha + \tfrac12) \log\left((y - \gamma)^2 \nu + \Omega\right)
    + \log \frac{\Gamma(\alpha)}{\Gamma(\alpha + \frac12)} + \lambda |y - \gamma| (2 \nu + \alpha), \quad \Omega = 2 \beta (1 + \nu)

and the variance is :math:`\frac{\beta}{\alpha - 1} (1 + \frac1\nu)`, noise and lack of knowledge together. A bound costs nothing while the
mean keeps it, and beyond it as if it were the label.

.. warning::
    These uncertainties are known to be unreliable: the likelihood leaves a direction of the parameters open, so that the share
    called lack of knowledge is arbitrary and need not shrink with data (Meinert, Gawlikowski, Lavin, AAAI 2023,
    https://arxiv.org/abs/2205.10060; Bengs, Hüllermeier, Waegeman, ICML 2023, https://arxiv.org/abs/2301.12736). Calibration and
    intervals mend the scale, not the order. Prefer an ensemble.

References:
    Amini, Schwarting, Soleimany, Rus, NeurIPS 2020, https://arxiv.org/abs/1910.02600; Soleimany et al., ACS Cent. Sci. 2021, 7,
    1356, https://doi.org/10.1021/acscentsci.1c00546
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

LEAST: Final = 1e-4
"""Smallest nu, alpha - 1 and beta."""
WARNING: Final = (
    "evidential uncertainties are known to be unreliable (https://arxiv.org/abs/2205.10060): their scale is calibrated, their order "
    "is not; an ensemble (network.uncertainty=ensemble) is the better choice"
)
"""What is said before such a network is trained."""


def element(raw: Tensor, target: Tensor, censor: Tensor, *, penalty: float) -> Tensor:
    """Loss of each label, shape (n, t), from outputs (n, 4t)."""
    mean, nu, above, beta = raw.chunk(4, dim=1)
    nu, beta, alpha = F.softplus(nu) + LEAST, F.softplus(beta) + LEAST, F.softplus(above) + 1 + LEAST
    error, omega = target - mean, 2 * beta * (1 + nu)
    likelihood = (
        0.5 * torch.log(math.pi / nu)
        - alpha * torch.log(omega)
        + (alpha + 0.5) * torch.log(error**2 * nu + omega)
        + torch.lgamma(alpha)
        - torch.lgamma(alpha + 0.5)
    )
    kept = ((censor < 0) & (mean < target)) | ((censor > 0) & (mean > target))
    return (likelihood + penalty * error.abs() * (2 * nu + alpha)).masked_fill(kept, 0.0)


def variance(raw: np.ndarray, t: int) -> np.ndarray:
    """Variance in scaled units, float64, shape (..., t), from outputs (..., 4t)."""
    nu, above, beta = (np.logaddexp(0.0, raw[..., k * t : (k + 1) * t].astype(np.float64)) + LEAST for k in range(1, 4))
    found: np.ndarray = beta / above * (1 + 1 / nu)
    return found


__all__ = ["LEAST", "WARNING", "element", "variance"]
