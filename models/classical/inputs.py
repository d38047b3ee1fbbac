"""Features of molecules, computed once for all members of a blend and only where one asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, take
from cinchona.datasets.descriptors import descriptor_matrix, quick_descriptors
from cinchona.datasets.fingerprints import SIZE, morgan_bits
from cinchona.models.classical.avalon_erg import AVALON, ERG, ERG_WIDTH, avalon_counts, reduced_graphs
from cinchona.models.classical.counts import Counts, References, count_substructures
from cinchona.models.classical.descriptors import finite, quantiles_of, ranked
from cinchona.models.classical.kernels import DESCRIPTORS, KERNELS, distance_kernel, median_distance
from cinchona.models.classical.rarity import family_of, references_of, restored_references

_KEPT: Final = 10_000
"""Molecules up to which parts of tables are kept beside the tables: of more, memory is dearer than time."""
BITS: Final = "bits"
"""The folded Morgan bits of the plain random forest."""

LAYOUTS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = MappingProxyType({
    "bits": ((BITS, SIZE),),
    "short": (("morgan2", 1024), (DESCRIPTORS, 0)),
    "plain": (("morgan2", 2048), (DESCRIPTORS, 0)),
    "wide": (("morgan2", 1024), ("features3", 512), ("pairs", 1024), ("torsions", 512), (DESCRIPTORS, 0)),
    "joined": (("morgan2", 1024), (AVALON, 1024), (ERG, ERG_WIDTH), (DESCRIPTORS, 0)),
    "all": (("morgan2", 1024), ("features3", 512), ("pairs", 1024), ("torsions", 512), (AVALON, 1024), (ERG, ERG_WIDTH),
            (DESCRIPTORS, 0)),
})  # fmt: skip
"""Tables of features for trees: bits, families folded to so many columns, and descriptors."""


def layout_width(name: str) -> int:
    """Columns of a layout."""
    return sum(len(quick_descriptors()) if part == DESCRIPTORS else size for part, size in LAYOUTS[name])


class Molecules:
    """Counts and descriptors of n molecules, each computed when it is first asked for.

    Args:
        molecules: The n molecules.
    """

    def __init__(self, molecules: Sequence[Chem.Mol]) -> None:
        self._molecules = molecules
        self._counts: dict[str, Counts] = {}
        self._parts: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._molecules)

    def counts(self, family: str) -> Counts:
        """Counts of one family."""
        if family not in self._counts:
            self._counts[family] = count_substructures(self._molecules, family)
        return self._counts[family]

    @cached_property
    def descriptors(self) -> np.ndarray:
        """RDKit descriptors, always finite, float32, shape (n, d)."""
        return finite(self.plain_descriptors)

    @cached_property
    def plain_descriptors(self) -> np.ndarray:
        """RDKit descriptors as they come, shape (n, d); NaN where one is not defined."""
        return descriptor_matrix(self._molecules, quick_descriptors())

    @cached_property
    def codes(self) -> CodedMolecules:
        """The molecules as graph networks see them."""
        return codes_of_many(self._molecules)

    def table(self, layout: str) -> np.ndarray:
        """Folded counts and descriptors side by side, float32, shape (n, width)."""
        return np.concatenate([self._columns(part, size) for part, size in LAYOUTS[layout]], axis=1)

    def take(self, rows: np.ndarray) -> Molecules:
        """The molecules ``rows``, int64; nothing is computed yet."""
        return Molecules([self._molecules[row] for row in rows])

    def _columns(self, part: str, size: int) -> np.ndarray:
        if part == DESCRIPTORS:
            return self.descriptors
        if len(self) > _KEPT:
            return self._computed(part, size)
        key = f"{part} {size}"  # most parts stand in several layouts
        if key not in self._parts:
            self._parts[key] = self._computed(part, size)
        return self._parts[key]

    def _computed(self, part: str, size: int) -> np.ndarray:
        if part == BITS:
            return morgan_bits(self._molecules).astype(np.float32)
        if part == AVALON:
            return avalon_counts(self._molecules, size)
        return reduced_graphs(self._molecules) if part == ERG else self.counts(part).folded(size)


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The training compounds that kernels compare others with, without their structures."""

    families: Mapping[str, References]
    """Substructures of the m compounds, by family."""
    descriptors: np.ndarray | None
    """Their ranked descriptors, float32, shape (m, d); None where no kernel needs them."""
    quantiles: np.ndarray | None
    """What they were ranked among, float32, shape (q, d)."""
    width: float
    """Width of the kernel of descriptors."""

    size: int
    """Number m of compounds."""

    @classmethod
    def of(cls, molecules: Molecules, kernels: Iterable[str]) -> Basis:
        """Keep what ``kernels`` compare."""
        parts = {part for kernel in kernels for part in KERNELS[kernel]}
        wanted = sorted(parts - {DESCRIPTORS})
        families = {part: references_of(part, molecules.counts(family_of(part))) for part in wanted}
        if DESCRIPTORS not in parts:
            return cls(families, None, None, 1.0, len(molecules))
        quantiles = quantiles_of(molecules.descriptors)
        rows = ranked(molecules.descriptors, quantiles)
        return cls(families, rows, quantiles, median_distance(rows), len(molecules))

    def kernel(self, name: str, molecules: Molecules) -> np.ndarray:
        """Similarity of n molecules to the m training compounds, float32, shape (n, m)."""
        total: np.ndarray | None = None
        for part, weight in KERNELS[name].items():
            share = np.float32(weight) * self._part(part, molecules)
            total = share if total is None else total + share
        assert total is not None
        return total

    def _part(self, part: str, molecules: Molecules) -> np.ndarray:
        if part != DESCRIPTORS:
            return self.families[part].similarity(molecules.counts(family_of(part)))
        assert self.descriptors is not None
        assert self.quantiles is not None
        return distance_kernel(ranked(molecules.descriptors, self.quantiles), self.descriptors, self.width)

    def only(self, rows: np.ndarray, kernels: Iterable[str]) -> Basis:
        """The compounds ``rows`` and what ``kernels`` compare; width and quantiles stay."""
        parts = {part for kernel in kernels for part in KERNELS[kernel]}
        families = {name: found.take(rows) for name, found in self.families.items() if name in parts}
        if DESCRIPTORS not in parts or self.descriptors is None:
            return Basis(families, None, None, 1.0, len(rows))
        return Basis(families, self.descriptors[rows], self.quantiles, self.width, len(rows))

    def spec(self) -> dict[str, Any]:
        """Families and width as plain data."""
        return {
            "families": sorted(self.families),
            "width": self.width,
            "descriptors": self.descriptors is not None,
            "size": self.size,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Counts, descriptors and quantiles by name, ``basis.…``."""
        found: dict[str, np.ndarray] = {}
        for name, references in self.families.items():
            found |= {f"basis.{name}.{key}": array for key, array in references.arrays().items()}
        if self.descriptors is not None and self.quantiles is not None:
            found |= {"basis.descriptors": self.descriptors, "basis.quantiles": self.quantiles}
        return found

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Basis:
        """Rebuild it.

        Raises:
            ValueError: if arrays do not fit together.
        """
        families, size = {}, int(spec["size"])
        for name in spec["families"]:
            lead = f"basis.{name}."
            own = {key.removeprefix(lead): array for key, array in arrays.items() if key.startswith(lead)}
            families[str(name)] = restored_references(str(name), own, size)
        if not spec["descriptors"]:
            return cls(families, None, None, 1.0, size)
        rows, quantiles = arrays["basis.descriptors"], arrays["basis.quantiles"]
        if (
            rows.ndim != 2
            or len(rows) != size
            or quantiles.ndim != 2
            or {rows.shape[1], quantiles.shape[1]} != {len(quick_descriptors())}
        ):
            raise ValueError("the descriptors have another width than their quantiles")
        width = float(spec["width"])
        if not width > 0:
            raise ValueError(f"the width of the kernel is {width}")
        return cls(families, rows, quantiles, width, size)


class Inputs:
    """What members see of n molecules: tables and kernels, each computed once.

    Args:
        molecules: The n molecules.
        basis: The training compounds that kernels compare them with.
    """

    def __init__(self, molecules: Molecules, basis: Basis) -> None:
        self._molecules, self._basis = molecules, basis
        self._kernels: dict[str, np.ndarray] = {}
        self._tables: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._molecules)

    def kernel(self, name: str) -> np.ndarray:
        """Similarities to the training compounds, float32, shape (n, m)."""
        if name not in self._kernels:
            self._kernels[name] = self._basis.kernel(name, self._molecules)
        return self._kernels[name]

    def table(self, layout: str) -> np.ndarray:
        """Features for trees, float32, shape (n, width)."""
        if layout not in self._tables:
            self._tables[layout] = self._molecules.table(layout)
        return self._tables[layout]

    def descriptors(self) -> np.ndarray:
        """RDKit descriptors as they come, shape (n, d); NaN where one is not defined."""
        return self._molecules.plain_descriptors

    def codes(self) -> CodedMolecules:
        """The molecules as graph networks see them."""
        return self._molecules.codes

    def on(self, basis: Basis) -> Inputs:
        """The same molecules before another basis of the same compounds; what is computed stays."""
        other = Inputs(self._molecules, basis)
        other._kernels, other._tables = self._kernels, self._tables
        return other

    def take(self, rows: np.ndarray) -> Inputs:
        """The molecules ``rows``, of which nothing is computed again."""
        return _Part(self, rows)


class _Part(Inputs):
    """Some of the molecules of other inputs."""

    def __init__(self, whole: Inputs, rows: np.ndarray) -> None:
        self._whole, self._rows = whole, rows

    def __len__(self) -> int:
        return len(self._rows)

    def kernel(self, name: str) -> np.ndarray:
        part: np.ndarray = self._whole.kernel(name)[self._rows]
        return part

    def table(self, layout: str) -> np.ndarray:
        part: np.ndarray = self._whole.table(layout)[self._rows]
        return part

    def descriptors(self) -> np.ndarray:
        part: np.ndarray = self._whole.descriptors()[self._rows]
        return part

    def codes(self) -> CodedMolecules:
        return take(self._whole.codes(), self._rows)

    def take(self, rows: np.ndarray) -> Inputs:
        return _Part(self._whole, self._rows[rows])


__all__ = ["Basis", "Inputs", "layout_width", "LAYOUTS", "Molecules"]
