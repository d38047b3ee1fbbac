"""Held-out compounds of three series, one of which a model gets wrong."""

from __future__ import annotations

import numpy as np

TAILS = ("C", "CC", "CCC", "O", "N", "F", "Cl", "C#N", "C(=O)O", "C(=O)N", "OC", "S(=O)(=O)N")


def series(core: str, k: int = 12) -> list[str]:
    """``k`` compounds of one scaffold."""
    return [core % tail for tail in TAILS[:k]]


def planted() -> tuple[list[str], np.ndarray, np.ndarray]:
    """SMILES, labels and predictions; the indoles are predicted too high by about one, all others by 0.1."""
    smiles = [*series("c1ccc(%s)cc1"), *series("c1ccc2[nH]c(%s)cc2c1"), *series("CCCCCC%s"), "C1CC1C"]
    measured = np.linspace(4, 8, len(smiles))
    predicted = measured + 0.1
    predicted[12:24] += np.linspace(0.8, 1.2, 12)
    return smiles, measured, predicted
