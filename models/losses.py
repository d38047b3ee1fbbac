"""Losses over many targets with missing labels and bounds."""

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
    r"""Mean loss over the labels that exist.

    .. math:: L = \frac{1}{|K|} \sum_{(i,k) \in K} \ell_k(y_{ik}, z_{ik})

    with K the labelled pairs of molecule and target. Regression: squared error (or absolute, or Huber with threshold
    1) of scaled values; a bound costs nothing while the prediction keeps it, and beyond it as if it were the label.
    Classification: cross-entropy of the logit. Without any label the loss is 0. Range [0, inf); predicting the training
    mean gives 1 for ``mse``, a coin of the training odds at most log 2 for classification.
    """

    is_class: Tensor
    """Whether the target is a classification, bool, shape (t,)."""
    name: LossName = "mse"
    """Loss of regression targets."""

    def __call__(self, raw: Tensor, labels: Labels) -> Tensor:
        """Return the loss, a scalar.

        Args:
            raw: Outputs of the network, float32, shape (n, t).
            labels: What was measured.
        """
        known = ~torch.isnan(labels.values)
        # A missing label is replaced before the arithmetic: a NaN times zero would still spoil the gradient.
        target = torch.where(known, labels.values, torch.zeros_like(labels.values))
        kept = ((labels.censor < 0) & (raw < target)) | ((labels.censor > 0) & (raw > target))
        regression = _REGRESSION[self.name](raw, target).masked_fill(kept, 0.0)
        entropy = F.binary_cross_entropy_with_logits(raw, target.clamp(0, 1), reduction="none")
        element = torch.where(self.is_class, entropy, regression).masked_fill(~known, 0.0)
        return element.sum() / known.sum().clamp(min=1)
