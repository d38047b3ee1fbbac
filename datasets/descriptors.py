"""RDKit's descriptors of whole molecules as a matrix; what cannot be computed is NaN, never an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem, rdBase

from cinchona.errors import ConfigError

_SLOW: Final = frozenset(
    {
        "AvgIpc",
        "BertzCT",
        "Ipc",
        "MaxAbsEStateIndex",
        "MaxEStateIndex",
        "MinAbsEStateIndex",
        "MinEStateIndex",
        "SPS",
        "qed",
    }
)
"""Descriptors that take more than 0.1 ms a molecule and, but for qed, are close to functions of the others."""


def quick_descriptors() -> tuple[str, ...]:
    """Names of the installed RDKit's descriptors that take microseconds, in RDKit's order; about 1.5 ms for all of them."""
    return tuple(name for name in _functions() if name not in _SLOW and not name.startswith("BCUT2D_"))


def descriptor_matrix(mols: Sequence[Chem.Mol], names: Sequence[str]) -> np.ndarray:
    """Descriptors of molecules.

    Args:
        mols: n sanitized molecules.
        names: k names of ``rdkit.Chem.Descriptors.descList``.

    Returns:
        float32, shape (n, k); NaN where RDKit fails or gives no finite float32.

    Raises:
        ConfigError: if RDKit has no such descriptor.
    """
    functions = _functions()
    unknown = [name for name in names if name not in functions]
    if unknown:
        raise ConfigError(
            f"RDKit has no descriptor {unknown[0]!r}", expected="names of rdkit.Chem.Descriptors.descList",
            remedy="install the RDKit that the model was made with",
        )  # fmt: skip
    chosen = [functions[name] for name in names]
    rows = np.empty((len(mols), len(names)), np.float64)
    with rdBase.BlockLogs():
        for row, mol in zip(rows, mols, strict=True):
            row[:] = [_value(function, mol) for function in chosen]
    with np.errstate(over="ignore"):
        values = rows.astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return values


def _value(function: Callable[[Chem.Mol], float], mol: Chem.Mol) -> float:
    try:
        return float(function(mol))
    except Exception:  # noqa: BLE001 - RDKit raises many types; a missing value is the documented answer to all
        return math.nan


@cache
def _functions() -> dict[str, Callable[[Chem.Mol], float]]:
    from rdkit.Chem import Descriptors  # loads many modules, which workers without descriptors do not need

    return dict(Descriptors.descList)


__all__ = ["descriptor_matrix", "quick_descriptors"]
