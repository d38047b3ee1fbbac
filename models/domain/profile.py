"""What the training compounds are like as a whole: properties and scaffolds, for comparison with a library."""

from __future__ import annotations

import hashlib
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
        """Sum up n compounds."""
        table = properties_of(smiles)
        spreads = {name: Spread.of(table[:, column]) for column, name in enumerate(PROPERTIES)}
        return cls(spreads, frozenset(scaffold_hashes(smiles, salt=salt)) - {0})

    def to_json(self) -> dict[str, Any]:
        """The profile as plain data; hashes in hex, in ascending order."""
        return {
            "properties": {
                name: {"mean": s.mean, "deviation": s.deviation, "quantiles": list(s.quantiles)}
                for name, s in self.properties.items()
            },
            "scaffolds": [f"{value:016x}" for value in sorted(self.scaffolds)],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` gave."""
        spreads = {
            str(name): Spread(float(s["mean"]), float(s["deviation"]), tuple(float(q) for q in s["quantiles"]))
            for name, s in record["properties"].items()
        }
        return cls(spreads, frozenset(int(text, 16) for text in record["scaffolds"]))


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


def _hash(text: str, salt: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=salt.to_bytes(8, "big")).digest(), "big")


__all__ = ["PROPERTIES", "QUANTILES", "Profile", "Spread", "properties_of", "scaffold_hashes"]
