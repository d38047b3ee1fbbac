"""What the training compounds are like as a whole: properties and scaffolds, for comparison with a library."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from rdkit import Chem

from cinchona.datasets.descriptors import descriptor_matrix
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.scaffolds import NO_SCAFFOLD, scaffolds

PROPERTIES: Final[Mapping[str, str]] = {
    "MolWt": "molecular weight",
    "MolLogP": "logP (Crippen)",
    "TPSA": "polar surface area",
    "NumHDonors": "hydrogen-bond donors",
    "NumHAcceptors": "hydrogen-bond acceptors",
    "NumRotatableBonds": "rotatable bonds",
    "RingCount": "rings",
}
"""RDKit's descriptors that are compared, with what people call them."""
_MOST: Final = 10_000
"""Compounds whose properties are computed: a quantile is then off by half a per cent of the compounds, at a millisecond each."""
QUANTILES: Final = (0.025, 0.25, 0.5, 0.75, 0.975)
"""Quantiles of each property that are kept."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How one property is spread over compounds."""

    mean: float
    deviation: float
    """Standard deviation."""
    quantiles: tuple[float, ...]
    """At :data:`QUANTILES`."""

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Sum up values, float, shape (n,); NaN is left out, and without any value all is NaN."""
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(float("nan"), float("nan"), (float("nan"),) * len(QUANTILES))
        found = np.quantile(known.astype(np.float64), QUANTILES)
        return cls(float(known.mean()), float(known.std()), tuple(float(value) for value in found))


@dataclass(frozen=True, slots=True)
class Profile:
    """Properties of the training compounds, summed up, and their scaffolds as hashes."""

    properties: dict[str, Spread]
    """By the keys of :data:`PROPERTIES`."""
    scaffolds: frozenset[int]
    """Hashes of the Bemis-Murcko scaffolds, 64 bits each, salted; those without rings have none."""

    @classmethod
    def of(cls, smiles: Sequence[str], *, salt: int) -> Self:
        """Sum up n compounds; of more than 10,000 the properties of so many, spread evenly over their SMILES in order."""
        table = properties_of(sorted(smiles)[:: -(-len(smiles) // _MOST) or 1])
        spreads = {name: Spread.of(table[:, column]) for column, name in enumerate(PROPERTIES)}
        return cls(spreads, frozenset(scaffold_hashes(smiles, salt=salt)) - {0})

    def spec(self) -> dict[str, Any]:
        """The properties as plain data; null where a figure is no number."""
        return {
            name: {
                "mean": _plain(s.mean),
                "deviation": _plain(s.deviation),
                "quantiles": [_plain(q) for q in s.quantiles],
            }
            for name, s in self.properties.items()
        }

    def array(self) -> np.ndarray:
        """The hashes in ascending order, uint64."""
        return np.array(sorted(self.scaffolds), np.uint64)

    @classmethod
    def restore(cls, properties: Mapping[str, Any], hashes: np.ndarray) -> Self:
        """Read what :meth:`spec` and :meth:`array` gave.

        Raises:
            ValueError: if the hashes are of another type, or a property is not known.
        """
        if hashes.dtype != np.uint64 or hashes.ndim != 1 or set(properties) != set(PROPERTIES):
            raise ValueError("properties or scaffolds of another version")
        spreads = {
            name: Spread(_number(s["mean"]), _number(s["deviation"]), tuple(_number(q) for q in s["quantiles"]))
            for name, s in properties.items()
        }
        return cls(spreads, frozenset(hashes.tolist()))


def properties_of(smiles: Iterable[str]) -> np.ndarray:
    """The :data:`PROPERTIES` of compounds, float32, shape (n, 7); NaN for a SMILES that does not parse."""
    mols = [parse_smiles(text) for text in smiles]
    table = np.full((len(mols), len(PROPERTIES)), np.nan, np.float32)
    usable = [(row, mol) for row, mol in enumerate(mols) if isinstance(mol, Chem.Mol) and not isinstance(mol, Rejected)]
    if usable:
        table[[row for row, _ in usable]] = descriptor_matrix([mol for _, mol in usable], tuple(PROPERTIES))
    return table


def scaffold_hashes(smiles: Sequence[str], *, salt: int) -> list[int]:
    """A salted hash of each compound's Bemis-Murcko scaffold, 64 bits; 0 without rings."""
    return [0 if text == NO_SCAFFOLD else _hash(text, salt) for text in scaffolds(smiles)]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _hash(text: str, salt: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=salt.to_bytes(8, "big")).digest(), "big")


__all__ = ["PROPERTIES", "QUANTILES", "Profile", "Spread", "properties_of", "scaffold_hashes"]
