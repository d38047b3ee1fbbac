"""What a pretrained network predicts: scaled descriptors and the bits of a fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from cinchona.errors import NoUsableRowsError
from cinchona.models.losses import Labels, MaskedLoss
from cinchona.models.pretraining.blocks import Block

CLIP: Final = 5.0
"""Scaled descriptors beyond this many standard deviations count as this many: one odd molecule shall not rule a batch."""
_RARE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class PretrainTargets:
    """Descriptors that vary, with their scaling, and the width of the fingerprint."""

    columns: np.ndarray
    """Columns of a block's descriptors that are used, int64, shape (k,)."""
    mean: np.ndarray
    """Their means, float64, shape (k,)."""
    scale: np.ndarray
    """Their standard deviations, float64, shape (k,)."""
    bits: int
    """Width of the fingerprint."""

    @classmethod
    def fit(cls, block: Block) -> PretrainTargets:
        """Measure ``block``; a descriptor that has one value in all but a thousandth of it teaches nothing and is left out.

        Raises:
            NoUsableRowsError: if no descriptor varies.
        """
        values = block.descriptors.astype(np.float64)
        used = np.array([k for k in range(values.shape[1]) if _varies(values[:, k])], np.int64)
        if not len(used):
            raise NoUsableRowsError(
                "no descriptor varies over the library", expected="structures that differ",
                remedy="name a larger or more diverse library",
            )  # fmt: skip
        return cls(
            used, np.nanmean(values[:, used], axis=0), np.nanstd(values[:, used], axis=0), 8 * block.bits.shape[1]
        )

    def __len__(self) -> int:
        return len(self.columns) + self.bits

    def labels(self, block: Block) -> Labels:
        """Labels of a block: k scaled descriptors, then the bits."""
        scaled = (block.descriptors[:, self.columns].astype(np.float64) - self.mean) / self.scale
        bits = np.unpackbits(block.bits, axis=1, bitorder="little")
        values = np.concatenate([np.clip(scaled, -CLIP, CLIP), bits], axis=1).astype(np.float32)
        return Labels(torch.from_numpy(values), torch.zeros(values.shape, dtype=torch.int8))

    def loss(self, fingerprint_weight: float) -> MaskedLoss:
        """Mean squared error of the descriptors and ``fingerprint_weight`` times the cross-entropy of the bits, over their sum."""
        is_class = torch.arange(len(self)) >= len(self.columns)
        weight = torch.where(is_class, fingerprint_weight, 1.0)
        return MaskedLoss(is_class, weight=weight, group=is_class.long())


def explained(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the variance of each column that is predicted (R2), float64; 0 for the mean, at most 1.

    Args:
        predicted: float, shape (n, k).
        labels: float, shape (n, k); NaN where missing.
    """
    left = np.nanmean((predicted - labels) ** 2, axis=0)
    spread = np.nanvar(labels, axis=0)
    share: np.ndarray = 1.0 - left / np.where(spread > 0, spread, np.inf)
    return share


def names_of(targets: PretrainTargets, descriptors: Sequence[str]) -> list[str]:
    """Names of the descriptors that are used."""
    return [descriptors[column] for column in targets.columns.tolist()]


def _varies(column: np.ndarray) -> bool:
    known = column[~np.isnan(column)]
    if len(known) < 0.5 * len(column) or not len(known):
        return False
    _, counts = np.unique(known, return_counts=True)
    return bool(len(known) - counts.max() > _RARE * len(known))


__all__ = ["CLIP", "PretrainTargets", "explained", "names_of"]
