"""RDKit's descriptors as numbers that kernels and trees can use: always finite, and ranked among those of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.descriptors import descriptor_matrix, quick_descriptors
from cinchona.errors import ModelFileError

_LARGEST: Final = 1e6
_QUANTILES: Final = 64


def descriptors(molecules: Sequence[Chem.Mol]) -> np.ndarray:
    """The quick descriptors of n molecules, float32, shape (n, d), cut to a million.

    0 stands where one is not defined, as partial charges of metals are not.
    """
    return finite(descriptor_matrix(molecules, quick_descriptors()))


def finite(rows: np.ndarray) -> np.ndarray:
    """0 for what is not finite, and all else cut to a million; float32, the shape of ``rows``."""
    kept: np.ndarray = np.clip(np.where(np.isfinite(rows), rows, 0.0), -_LARGEST, _LARGEST).astype(np.float32)
    return kept


def check_descriptors(names: Sequence[str]) -> None:
    """Refuse a model that was fitted on other descriptors.

    Raises:
        ModelFileError: saying which.
    """
    differ = set(names) ^ set(quick_descriptors())
    if differ or tuple(names) != quick_descriptors():
        raise ModelFileError(
            f"the model was fitted on other descriptors: {', '.join(sorted(differ)[:5]) or 'the order differs'}",
            expected=f"the {len(quick_descriptors())} quick descriptors of the installed RDKit",
            remedy="install the version of RDKit that the model was trained with, or train it again",
        )


def quantiles_of(rows: np.ndarray) -> np.ndarray:
    """Quantiles of each column that :func:`ranked` places others among, float32, shape (64, d)."""
    found: np.ndarray = np.quantile(rows, np.linspace(0, 1, _QUANTILES), axis=0).astype(np.float32)
    return found


def ranked(rows: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Place of each value among ``quantiles`` of its column, in [-1, 1], float32, the shape of ``rows``.

    Equal quantiles share the middle of their places; a column that is constant gives 0 there, -1 below and 1 above.
    """
    out = np.empty(rows.shape, np.float32)
    grid = np.linspace(-1, 1, len(quantiles))
    for column in range(rows.shape[1]):
        knots, first, count = np.unique(quantiles[:, column], return_index=True, return_counts=True)
        if len(knots) == 1:
            out[:, column] = np.sign(rows[:, column] - knots[0])
        else:
            out[:, column] = np.interp(rows[:, column], knots, (grid[first] + grid[first + count - 1]) / 2)
    return out
