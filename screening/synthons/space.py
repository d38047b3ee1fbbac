"""A space of products: counted, numbered, and built one by one where somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.parsing import Rejected
from cinchona.digests import digest_json
from cinchona.errors import InputError
from cinchona.progress import progress
from cinchona.screening.synthons.cells import Cell, Leftover, cells_of
from cinchona.screening.synthons.routes import Built, Pick, Reagent, Route
from cinchona.screening.synthons.spacefile import SpaceFile, read_space
from cinchona.screening.synthons.survey import Role, survey

MOST_PRODUCTS: Final = 2**62
"""Products that can be numbered."""


@dataclass(frozen=True, slots=True, eq=False)
class Assay:
    """One route after the survey."""

    route: Route
    """The route."""
    roles: tuple[Role, ...]
    """Its roles with their usable reagents."""
    blocks: tuple[Cell | Leftover, ...]
    """All combinations, in cells and leftovers."""
    first: int
    """Number of its first product in the space."""
    unreadable: tuple[tuple[tuple[str, str, str], ...], ...]
    """Reagents of each role that do not read: id, SMILES, reason."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Usable reagents of each role; one that reacts in two places counts twice."""
        return tuple(len(role.picks) for role in self.roles)

    @property
    def strides(self) -> tuple[int, ...]:
        """Step of the product's number with each role's reagent, the last role fastest."""
        sizes = self.sizes
        return tuple(int(np.prod(sizes[k + 1 :], dtype=object)) for k in range(len(sizes)))

    @property
    def numbered(self) -> int:
        """Combinations of usable reagents."""
        return int(np.prod(self.sizes, dtype=object))

    @property
    def offered(self) -> int:
        """Combinations of all reagents that were listed, usable or not."""
        sizes = zip(self.roles, self.unreadable, strict=True)
        return int(np.prod([len(role.picks) + len(role.rejects) + len(bad) for role, bad in sizes], dtype=object))

    @property
    def impossible(self) -> int:
        """Combinations of usable reagents that give no product."""
        return sum(b.products for b in self.blocks if isinstance(b, Leftover) and b.reason)


class SynthonSpace:
    """Products that reactions make from lists of reagents.

    Products are numbered from 0: route by route, within a route the last role fastest. Every combination of listed
    reagents is a product that can be scored or is counted with the reason why it is none.

    Args:
        file: What the space's files define.
    """

    def __init__(self, file: SpaceFile) -> None:
        self.digest, self.several_sites = file.digest, file.several_sites
        assays: list[Assay] = []
        first, at = 0, 0
        total = sum(len(slot) for route in file.routes for slot in route.slots)
        with progress(total, "trying reagents", unit="reagents") as shown:
            for route in file.routes:
                roles = tuple(survey(route, file.several_sites, shown))
                unreadable = file.unreadable[at : at + len(roles)]
                assays.append(Assay(route, roles, tuple(cells_of(route, roles)), first, unreadable))
                first, at = first + assays[-1].numbered, at + len(roles)
        if not first:
            reasons = [reason for assay in assays for role in assay.roles for reason in role.rejects.values()]
            raise InputError(
                "no combination of reagents gives a product", where=next(iter(reasons), "")[:200],
                expected="at least one set of reagents that react", remedy="check that reagents stand in the order of the reaction",
            )  # fmt: skip
        if first > MOST_PRODUCTS:
            raise InputError(f"the space has {first:,} products", expected=f"at most {MOST_PRODUCTS:,}")
        self.assays = tuple(assays)

    @classmethod
    def load(cls, path: Path) -> SynthonSpace:
        """Read a space file and try its reagents.

        Raises:
            InputError: if a file is missing or does not read, or a reaction makes nothing.
        """
        return cls(read_space(path))

    def __len__(self) -> int:
        return sum(assay.numbered for assay in self.assays)

    @property
    def offered(self) -> int:
        """Combinations of all listed reagents; each is scored or counted as a reject."""
        return sum(assay.offered for assay in self.assays)

    @cached_property
    def compiled_digest(self) -> str:
        """Digest of which reagents are usable and how the combinations are divided; equal on every machine, hex."""
        shape = [
            [assay.route.name, assay.sizes, [[b.products, type(b).__name__] for b in assay.blocks]]
            for assay in self.assays
        ]
        return digest_json([self.digest, shape])

    def picks(self, product: int) -> tuple[Assay, list[Pick]]:
        """Route and reagents of a product by its number.

        Raises:
            IndexError: if there is no such product.
        """
        if not 0 <= product < len(self):
            raise IndexError(product)
        assay = next(a for a in reversed(self.assays) if a.first <= product)
        rest, picks = product - assay.first, []
        for role, stride in zip(assay.roles, assay.strides, strict=True):
            picks.append(role.picks[rest // stride])
            rest %= stride
        return assay, picks

    def reagents(self, product: int) -> list[Reagent]:
        """Reagents of a product."""
        assay, picks = self.picks(product)
        return [slot[pick.reagent] for slot, pick in zip(assay.route.slots, picks, strict=True)]

    def name(self, product: int) -> str:
        """Id of a product: the reaction and its reagents, with the reacting atoms where a reagent has several places."""
        assay, picks = self.picks(product)
        names = [
            slot[pick.reagent].id + _site(role, pick)
            for slot, role, pick in zip(assay.route.slots, assay.roles, picks, strict=True)
        ]
        return f"{assay.route.name}:{'+'.join(names)}"

    def build(self, product: int) -> Built | Rejected:
        """Build a product atom by atom, or say why it does not exist."""
        assay, picks = self.picks(product)
        return assay.route.build(picks)

    def smiles(self, product: int) -> str | Rejected:
        """Canonical SMILES of a product."""
        built = self.build(product)
        return built if isinstance(built, Rejected) else Chem.MolToSmiles(built.mol)

    def sample(self, count: int, *, seed: int) -> np.ndarray:
        """Numbers of distinct random products, each equally likely; int64, shape (min(count, len(self)),)."""
        wanted = min(count, len(self))
        return np.random.default_rng(seed).choice(len(self), wanted, replace=False) if wanted else np.empty(0, np.int64)

    def rejects(self) -> Iterator[tuple[str, str, str, str, int]]:
        """What is no product: reaction, reagents, SMILES, reason, and how many combinations that concerns."""
        for assay in self.assays:
            yield from _rejected_reagents(assay)
            for block in assay.blocks:
                if isinstance(block, Leftover) and block.reason:
                    yield assay.route.name, "a block of reagents", "", block.reason, block.products


def _rejected_reagents(assay: Assay) -> Iterator[tuple[str, str, str, str, int]]:
    """Each rejected reagent with the combinations that are lost by it and by none before it."""
    left = assay.offered
    counts = [len(r.picks) + len(r.rejects) + len(bad) for r, bad in zip(assay.roles, assay.unreadable, strict=True)]
    for slot, role, bad, count in zip(assay.route.slots, assay.roles, assay.unreadable, counts, strict=True):
        each = left // count
        rows = [*bad, *((slot[k].id, slot[k].smiles, reason) for k, reason in role.rejects.items())]
        for name, smiles, reason in rows:
            yield assay.route.name, name, smiles, reason, each
        left -= each * len(rows)


def _site(role: Role, pick: Pick) -> str:
    several = role.sites_of(pick.reagent) > 1
    return f"@{'.'.join(str(atom + 1) for atom in pick.site)}" if several else ""


def blocks_of(space: SynthonSpace) -> Sequence[tuple[int, Cell | Leftover]]:
    """Route number and block of all cells and leftovers, in order."""
    return [(k, block) for k, assay in enumerate(space.assays) for block in assay.blocks]


__all__ = ["Assay", "SynthonSpace", "blocks_of"]
