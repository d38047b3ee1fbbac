"""Features of whole molecules for hybrid heads: Morgan bits and RDKit descriptors, scaled so that outliers do no harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cinchona.datasets.descriptors import descriptor_matrix, quick_descriptors
from cinchona.datasets.fingerprints import SIZE, morgan_bits
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.errors import ModelFileError, ShapeError

CLIP: Final = 6.0
"""Scaled descriptors beyond this count as this: a descriptor far outside the training range shall not rule the head."""
_NORMAL: Final = 1.349
"""Quartile distance of the normal distribution in standard deviations."""
_FLAT: Final = 1e-6


def feature_width(names: Sequence[str]) -> int:
    """Number of columns of the features ``names``."""
    return sum({"morgan": SIZE, "rdkit": len(quick_descriptors())}[name] for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True, eq=False)
class MoleculeFeatures:
    r"""Which features a model sees, and how its descriptors are scaled.

    .. math:: z = \mathrm{clip}\big((x - \mathrm{median}) / s,\; \pm 6\big), \quad s = (q_{75} - q_{25}) / 1.349

    over the training compounds; where more than half of them are equal, s is the standard deviation, and 1 where all are.
    A descriptor that RDKit cannot compute has z = 0: the median. Bits are 0 or 1 and stay.
    """

    names: tuple[str, ...]
    """``morgan``, ``rdkit`` or both, in the order of the columns."""
    center: np.ndarray
    """Medians of the descriptors, float64, shape (k,); empty without ``rdkit``."""
    scale: np.ndarray
    """Their scales, float64, shape (k,)."""

    @classmethod
    def fit(cls, names: Sequence[str], smiles: Sequence[str]) -> MoleculeFeatures:
        """Measure the descriptors of training compounds; all SMILES must be valid."""
        if "rdkit" not in names:
            return cls(tuple(dict.fromkeys(names)), np.empty(0), np.empty(0))
        return cls.of_values(names, descriptor_matrix(_molecules(smiles), quick_descriptors()))

    @classmethod
    def of_values(cls, names: Sequence[str], descriptors: np.ndarray) -> MoleculeFeatures:
        """Measure quick descriptors that are at hand, float, shape (n, k); NaN where RDKit cannot compute one."""
        values = descriptors.astype(np.float64)
        values[:, np.isnan(values).all(axis=0)] = 0.0  # never computed: any constant will do
        low, center, high = np.nanpercentile(values, [25, 50, 75], axis=0)
        spread = np.nanstd(values, axis=0)
        scale = np.where(high - low > _FLAT, (high - low) / _NORMAL, np.where(spread > _FLAT, spread, 1.0))
        return cls(tuple(dict.fromkeys(names)), center, scale)

    def rows(self, smiles: Sequence[str]) -> np.ndarray:
        """Features of n valid SMILES, float32, shape (n, x).

        Raises:
            ShapeError: if one does not parse.
        """
        mols = _molecules(smiles)
        made = (morgan_bits(mols).astype(np.float32) if n == "morgan" else self._descriptors(mols) for n in self.names)
        return np.concatenate([np.empty((len(mols), 0), np.float32), *made], axis=1)

    def _descriptors(self, mols: Sequence[Any]) -> np.ndarray:
        return self.scaled(descriptor_matrix(mols, quick_descriptors()))

    def scaled(self, descriptors: np.ndarray) -> np.ndarray:
        """Scale quick descriptors that are at hand, float, shape (n, k), to float32 of that shape."""
        values = (descriptors.astype(np.float64) - self.center) / self.scale
        scaled: np.ndarray = np.clip(np.nan_to_num(values, nan=0.0), -CLIP, CLIP).astype(np.float32)
        return scaled

    def spec(self) -> dict[str, Any]:
        """What a model folder says of the features."""
        return {
            "names": list(self.names),
            "descriptors": list(quick_descriptors()) if len(self.center) else [],
            "bits": SIZE,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The scaling, for a model folder."""
        return {"features.center": self.center, "features.scale": self.scale}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> MoleculeFeatures:
        """Rebuild from what :meth:`spec` and :meth:`arrays` gave.

        Raises:
            ModelFileError: if the installed RDKit has other descriptors than the model was trained on.
        """
        found = cls(tuple(spec["names"]), arrays["features.center"], arrays["features.scale"])
        if found.spec() != dict(spec) or found.center.shape != found.scale.shape:
            raise ModelFileError(
                "the model joins features that this version does not compute alike",
                expected="the descriptors of the RDKit that it was trained with",
                remedy="install that RDKit (config.json names it), or train the model again",
            )
        return found


def _molecules(smiles: Sequence[str]) -> list[Any]:
    mols = [parse_smiles(text) for text in smiles]
    for text, mol in zip(smiles, mols, strict=True):
        if isinstance(mol, Rejected):
            raise ShapeError(f"compound {text[:80]!r} has no features: {mol.reason}", expected="valid SMILES")
    return mols


__all__ = ["CLIP", "MoleculeFeatures", "feature_width"]
