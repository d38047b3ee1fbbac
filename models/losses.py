"""Losses over many targets with missing labels, bounds, weights and groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from cinchona.models.config import LossName

ElementLoss = Callable[[Tensor, Tensor], Tensor]
Likelihood = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From outputs, labels and their kinds of bound to losses, shape (n, t)."""

_REGRESSION: Final[Mapping[LossName, ElementLoss]] = MappingProxyType(
    {
        "mse": lambda raw, label: (raw - label) ** 2,
        "mae": lambda raw, label: (raw - label).abs(),
        "huber": lambda raw, label: F.huber_loss(raw, label, reduction="none"),
    }
)


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of n molecules for t targets, in scaled units."""

    values: Tensor
    """float32, shape (n, t); NaN where missing."""
    censor: Tensor
    """-1 where the true value is below the label, 0 where it is the label, 1 where it is above; int8, shape (n, t)."""

    def at(self, rows: Tensor) -> Labels:
        """Labels of ``rows`` (int64, shape (b,))."""
        return Labels(self.values[rows], self.censor[rows])


@dataclass(frozen=True, slots=True)
class MaskedLoss:
    r"""Mean loss over the labels that exist, of targets with weights that may stand in groups.

    .. math::
        L_g &= \frac{\sum_{k \in g} w_k \sum_{i} \ell_k(y_{ik}, z_{ik})}{\sum_{k \in g} w_k n_k} \\
        L &= \frac{\sum_g W_g L_g}{\sum_g W_g}, \quad W_g = \frac{1}{|g|} \sum_{k \in g} w_k

    with :math:`n_k` labels of target k and the sum over the groups g that have a label in the batch. Groups keep a family
    of many targets, or one with many labels, from drowning the others; by default all targets are one group and weigh 1,
    and L is the mean over all labels.

    Regression: squared error (or absolute, or Huber with threshold 1) of scaled values; a bound costs nothing while the
    prediction keeps it, and beyond it as if it were the label. ``tobit`` is the Gaussian likelihood with standard deviation
    1: half the squared error of values, :math:`-\log \Phi(\pm(y - z))` of bounds. Classification: cross-entropy of the
    logit. With ``ranking`` r > 0 the loss is :math:`(1-r) L + r R`, R the mean of :math:`\log(1 + e^{-(y_i - y_j)})` over
    the pairs of one target of which labels and bounds say that i lies above j. Without any label the loss is 0.

    Range [0, inf); predicting the training mean gives 1 for ``mse``, a coin of the training odds at most log 2 for
    classification, a constant log 2 for R.

    References:
        Tobin, Econometrica 1958, 26, 24, https://doi.org/10.2307/1907382 (censored likelihood); Burges et al., ICML 2005,
        https://doi.org/10.1145/1102351.1102363 (ranking of pairs).
    """

    is_class: Tensor
    """Whether the target is a classification, bool, shape (t,)."""
    name: LossName = "mse"
    """Loss of regression targets."""
    weight: Tensor | None = None
    """Weight of each target, float32, shape (t,); None for 1."""
    group: Tensor | None = None
    """Group of each target, int64 from 0, shape (t,); None for one group."""
    ranking: float = 0.0
    """Share of the ranking of pairs in the loss, from 0 to 1."""
    likelihood: Likelihood | None = None
    """Loss of regression labels from all outputs of a network that says more than values (:mod:`cinchona.models.uncertainty`);
    None for ``name``."""

    def __call__(self, raw: Tensor, labels: Labels) -> Tensor:
        """Return the loss, a scalar.

        Args:
            raw: Outputs of the network, float32, shape (n, t), values first where it has more.
            labels: What was measured.
        """
        known = ~torch.isnan(labels.values)
        # A missing label is replaced before the arithmetic: a NaN times zero would still spoil the gradient.
        target = torch.where(known, labels.values, torch.zeros_like(labels.values))
        element = self._element(raw, target, labels.censor).masked_fill(~known, 0.0)
        loss = self._mean(element, known)
        if not self.ranking:
            return loss
        return (1 - self.ranking) * loss + self.ranking * self._mean(*_ranked(raw[:, : target.shape[1]], labels))

    def _element(self, raw: Tensor, target: Tensor, censor: Tensor) -> Tensor:
        whole, raw = raw, raw[:, : target.shape[1]]
        if self.likelihood is not None:
            regression = self.likelihood(whole, target, censor)
        else:
            regression = (
                _tobit(raw, target, censor) if self.name == "tobit" else _bounded(self.name, raw, target, censor)
            )
        entropy = F.binary_cross_entropy_with_logits(raw, target.clamp(0, 1), reduction="none")
        return torch.where(self.is_class, entropy, regression)

    def _mean(self, element: Tensor, counted: Tensor) -> Tensor:
        """Mean of ``element`` (n, t) over what is ``counted`` (bool or counts, same shape or (1, t)), as weights and groups say."""
        if self.weight is None and self.group is None:
            return element.sum() / counted.sum().clamp(min=1)
        weight = torch.ones(element.shape[1]) if self.weight is None else self.weight
        group = torch.zeros(element.shape[1], dtype=torch.int64) if self.group is None else self.group
        n_groups = int(group.max()) + 1
        cost = torch.zeros(n_groups).index_add(0, group, weight * element.sum(0))
        count = torch.zeros(n_groups).index_add(0, group, weight * counted.sum(0))
        size = torch.zeros(n_groups).index_add(0, group, torch.ones_like(weight))
        share = torch.zeros(n_groups).index_add(0, group, weight) / size.clamp(min=1) * (count > 0)
        means = cost / torch.where(count > 0, count, torch.ones_like(count))
        total = share.sum()
        return (share * means).sum() / torch.where(total > 0, total, torch.ones_like(total))


def _bounded(name: LossName, raw: Tensor, target: Tensor, censor: Tensor) -> Tensor:
    kept = ((censor < 0) & (raw < target)) | ((censor > 0) & (raw > target))
    return _REGRESSION[name](raw, target).masked_fill(kept, 0.0)


def _tobit(raw: Tensor, target: Tensor, censor: Tensor) -> Tensor:
    beyond = torch.special.log_ndtr(censor * (raw - target))
    return torch.where(censor == 0, 0.5 * (raw - target) ** 2, -beyond)


def _ranked(raw: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    """Costs of ordered pairs summed for each target, and how many there are, both of shape (1, t)."""
    known = ~torch.isnan(labels.values)
    infinite = torch.full_like(labels.values, torch.inf)
    low = torch.where(known & (labels.censor >= 0), labels.values, -infinite)
    high = torch.where(known & (labels.censor <= 0), labels.values, infinite)
    costs, counts = [], []
    for k in range(raw.shape[1]):  # one target at a time: memory grows with n^2, not with n^2 t
        above = low[:, None, k] > high[None, :, k]
        cost = F.softplus(raw[None, :, k] - raw[:, None, k])
        costs.append(cost.masked_fill(~above, 0.0).sum())
        counts.append(above.sum())
    return torch.stack(costs)[None], torch.stack(counts)[None]
