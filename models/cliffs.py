"""Activity cliffs: similar compounds whose measured values differ tenfold, and how well a model tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from cinchona.datasets.fingerprints import morgan_packed, tanimoto
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.models.metrics import rmse

SIMILAR: Final = 0.9
"""Similarity above which two compounds may form a cliff."""
TENFOLD: Final = 1.0
"""Difference of logarithmic values that makes one."""
_BITS: Final = 1024
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class Cliffs:
    """The activity cliffs among n compounds."""

    member: np.ndarray
    """Whether a compound is part of a cliff, bool, shape (n,)."""
    pairs: np.ndarray
    """Rows of the two compounds of each cliff, first below second, int64, shape (c, 2)."""


@dataclass(frozen=True, slots=True)
class CliffReport:
    """How well a model predicts compounds that form cliffs."""

    compounds: int
    """Compounds with a label and a prediction."""
    cliff_compounds: int
    """Those that are part of a cliff."""
    rmse: float
    """Root mean squared error over all; NaN without any."""
    cliff_rmse: float
    """The same over those that are part of a cliff; NaN without any."""
    pairs: int
    """Cliffs with two predictions."""
    right_side: float
    """Share of the cliffs whose higher compound is predicted higher, a tie counts one half; a random guess gets 0.5."""


def find_cliffs(smiles: Sequence[str], values: np.ndarray) -> Cliffs:
    """Find pairs of similar compounds with a more than tenfold difference, as MoleculeACE defines them.

    Similar are two compounds if at least one of three similarities is above 0.9: Tanimoto of Morgan fingerprints (radius 2,
    1,024 bits), Tanimoto of the fingerprints of their graph frameworks (all atoms carbon, all bonds single), or one less the
    edit distance of their SMILES over the length of the longer.

    Args:
        smiles: n compounds that parse; the edit distance depends on how they are written.
        values: Measured values on a logarithmic scale (base 10), float64, shape (n,); NaN where missing.

    Raises:
        InputError: if one does not parse.

    References:
        van Tilborg et al., J. Chem. Inf. Model. 2022, 62, 5938, https://doi.org/10.1021/acs.jcim.2c01073
    """
    whole = morgan_packed(list(smiles), size=_BITS)
    frames = morgan_packed([_framework(text) for text in smiles], size=_BITS)
    codes, ends = _codes(smiles)
    found = []
    for start in range(0, len(smiles), _BLOCK):
        here = np.arange(start, min(start + _BLOCK, len(smiles)))
        apart = np.abs(values[here, None] - values[None, :]) > TENFOLD
        apart &= here[:, None] < np.arange(len(smiles))[None, :]
        near = np.maximum(tanimoto(whole[here], whole), tanimoto(frames[here], frames)) > SIMILAR
        first, second = np.nonzero(apart)
        near[first, second] |= _edit_similarity(codes, ends, here[first], second) > SIMILAR
        left, right = np.nonzero(apart & near)
        found.append(np.column_stack([here[left], right]))
    pairs = np.concatenate(found).astype(np.int64) if found else np.zeros((0, 2), np.int64)
    member = np.zeros(len(smiles), bool)
    member[pairs.ravel()] = True
    return Cliffs(member, pairs)


def cliff_report(cliffs: Cliffs, values: np.ndarray, predicted: np.ndarray) -> CliffReport:
    """Compare errors on cliffs with all errors.

    Args:
        cliffs: Cliffs among the n compounds.
        values: Measured values, float64, shape (n,); NaN where missing.
        predicted: Predictions, float64, shape (n,); NaN where there is none.
    """
    known = np.isfinite(values) & np.isfinite(predicted)
    steep = known & cliffs.member
    pairs = cliffs.pairs[known[cliffs.pairs].all(axis=1)] if len(cliffs.pairs) else cliffs.pairs
    right = float("nan")
    if len(pairs):
        rise = np.sign(values[pairs[:, 0]] - values[pairs[:, 1]])
        guess = np.sign(predicted[pairs[:, 0]] - predicted[pairs[:, 1]])
        right = float(np.mean((rise * guess + 1) / 2))
    return CliffReport(
        compounds=int(known.sum()),
        cliff_compounds=int(steep.sum()),
        rmse=rmse(values[known], predicted[known]) if known.any() else float("nan"),
        cliff_rmse=rmse(values[steep], predicted[steep]) if steep.any() else float("nan"),
        pairs=len(pairs),
        right_side=right,
    )


def _framework(smiles: str) -> Chem.Mol | str:
    """The molecule with all atoms carbon and all bonds single; as it is where carbon cannot stand for an atom."""
    mol = parse_smiles(smiles)
    if isinstance(mol, Rejected):
        return smiles  # the caller's fingerprint names it
    try:
        frame: Chem.Mol = MurckoScaffold.MakeScaffoldGeneric(mol)  # type: ignore[no-untyped-call]
        return frame
    except (ValueError, RuntimeError):  # more bonds than carbon has, as on sulfur or phosphorus
        return mol


def _codes(smiles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The characters of all SMILES end to end, int32, and where each begins and the last ends, int64, shape (n + 1,)."""
    ends = np.cumsum([0, *(len(text) for text in smiles)]).astype(np.int64)
    return np.array([ord(letter) for text in smiles for letter in text], np.int32), ends


@numba.njit(cache=True)
def _edit_similarity(codes: np.ndarray, ends: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One less edit distance over the longer length, of each pair, float64; 0 where lengths alone keep it below 0.9."""
    out = np.zeros(len(first), np.float64)
    for p in range(len(first)):
        a, b = codes[ends[first[p]] : ends[first[p] + 1]], codes[ends[second[p]] : ends[second[p] + 1]]
        longer = max(len(a), len(b))
        if abs(len(a) - len(b)) * 10 >= longer:
            continue
        row = np.arange(len(b) + 1)
        for i in range(len(a)):
            corner = row[0]
            row[0] = i + 1
            for j in range(len(b)):
                change = corner + (a[i] != b[j])
                corner = row[j + 1]
                row[j + 1] = min(change, corner + 1, row[j] + 1)
        out[p] = 1.0 - row[len(b)] / longer
    return out


__all__ = ["cliff_report", "CliffReport", "Cliffs", "find_cliffs"]
