"""RDKit's descriptors as numbers that models can use: always finite, never from another molecule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors

from cinchona.errors import ModelFileError

_SLOW: Final = frozenset({"qed", "BertzCT", "AvgIpc", "Ipc", "SPS", "BalabanJ"})
_LEFT_OUT: Final = ("BCUT2D", "fr_")
_LARGEST: Final = 1e6
_QUANTILES: Final = 64


@cache
def descriptor_names() -> tuple[str, ...]:
    """Names of the descriptors, in the order of their columns.

    Left out are those that cost more than the rest together (BCUT, Ipc, Bertz, QED, spacial score) and the counts of
    functional groups, which circular environments hold too.
    """
    return tuple(n for n, _ in Descriptors.descList if n not in _SLOW and not n.startswith(_LEFT_OUT))


@cache
def _functions() -> tuple[Callable[[Chem.Mol], Any], ...]:
    chosen = set(descriptor_names())
    return tuple(function for name, function in Descriptors.descList if name in chosen)


def descriptors(molecules: Sequence[Chem.Mol]) -> np.ndarray:
    """Descriptors of n molecules, float32, shape (n, d); cut to a million; 0 where one is not defined (as partial
    charges of metals are not).
    """
    rows = np.array([[_number(f, mol) for f in _functions()] for mol in molecules], np.float64)
    rows = rows.reshape(len(molecules), len(_functions()))
    kept: np.ndarray = np.clip(np.where(np.isfinite(rows), rows, 0.0), -_LARGEST, _LARGEST).astype(np.float32)
    return kept


def _number(function: Callable[[Chem.Mol], Any], mol: Chem.Mol) -> float:
    try:
        return float(function(mol))
    except (ValueError, RuntimeError, ArithmeticError, IndexError):  # RDKit refuses some atoms; the others still count
        return float("nan")


def check_descriptors(names: Sequence[str]) -> None:
    """Refuse a model that was fitted on other descriptors.

    Raises:
        ModelFileError: saying which.
    """
    differ = set(names) ^ set(descriptor_names())
    if differ or tuple(names) != descriptor_names():
        raise ModelFileError(
            f"the model was fitted on other descriptors: {', '.join(sorted(differ)[:5]) or 'the order differs'}",
            expected=f"the {len(descriptor_names())} descriptors of the installed RDKit",
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
