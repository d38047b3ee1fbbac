"""What the reagents of a route do in their roles: which react, where, and what they leave in the product."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from rdkit import Chem

from cinchona.datasets.parsing import Rejected
from cinchona.errors import InputError
from cinchona.progress import Progress
from cinchona.screening.synthons.fragments import Part, dissect
from cinchona.screening.synthons.routes import Built, Pick, Reagent, Route, no_product

SeveralSites = Literal["each", "first", "reject"]
"""What happens to a reagent that can react in several places."""

_TRIES: Final = 400
_REFERENCES: Final = 4
_CHUNK: Final = 512


@dataclass(slots=True, eq=False)
class Role:
    """Reagents of one role after the survey."""

    picks: list[Pick] = field(default_factory=list)
    """Usable reagents with the place where they react."""
    parts: list[Part] = field(default_factory=list)
    """What each leaves in the product, seen beside the reference reagents of the other roles."""
    rejects: dict[int, str] = field(default_factory=dict)
    """Reason for each reagent that cannot be used."""
    places: Counter[int] = field(default_factory=Counter)
    """In how many places each reagent reacts."""

    def sites_of(self, reagent: int) -> int:
        """In how many places a reagent reacts."""
        return self.places[reagent]


def survey(route: Route, several: SeveralSites, shown: Progress) -> list[Role]:
    """Try each reagent of ``route`` beside reference partners.

    Args:
        route: The route.
        several: What happens to reagents with several places to react; by ``each`` every place counts as a reagent.
        shown: Progress, advanced by each reagent.

    Returns:
        The roles; all reagents are rejects if no combination gives a product.

    Raises:
        InputError: if a role has no reagent.
    """
    references = list(itertools.islice(_references(route), _REFERENCES))
    if not references:
        shown.advance(sum(len(slot) for slot in route.slots))
        return [Role(rejects=dict.fromkeys(range(len(slot)), _why_none(route))) for slot in route.slots]
    roles = []
    for slot, reagents in enumerate(route.slots):
        role = Role(rejects=_doubles(reagents))
        for begin in range(0, len(reagents), _CHUNK):
            places = [k for k in range(begin, min(begin + _CHUNK, len(reagents))) if k not in role.rejects]
            _try(route, slot, places, references, several, role)
            shown.advance(min(_CHUNK, len(reagents) - begin))
        roles.append(role)
    return roles


def _why_none(route: Route) -> str:
    found = route.outcomes([0] * len(route.slots))
    reason = found.reason if isinstance(found, Rejected) else ""
    return f"no combination of reagents of this reaction gives a product; the first: {reason}"


def _try(
    route: Route, slot: int, places: Sequence[int], references: Sequence[_Reference], several: SeveralSites, role: Role
) -> None:
    found: list[Built] = []
    for k in places:
        outcomes = _outcomes(route, slot, k, references)
        if isinstance(outcomes, Rejected):
            role.rejects[k] = outcomes.reason
            continue
        if len(outcomes) > 1 and several == "reject":
            role.rejects[k] = f"it can react in {len(outcomes)} places"
            continue
        for built in outcomes[: 1 if several == "first" else None]:
            role.picks.append(Pick(k, built.sites[slot]))
            role.places[k] += 1
            found.append(built)
    role.parts += [taken.parts[slot] for taken in dissect(found)] if found else []


def _outcomes(route: Route, slot: int, reagent: int, references: Sequence[_Reference]) -> list[Built] | Rejected:
    """Products of a reagent beside the first reference partners that it reacts with, one for each place."""
    why = no_product("it reacts in a place that its partners do not share")
    for reference in references:
        partners = [*reference.reagents[:slot], reagent, *reference.reagents[slot + 1 :]]
        found = route.outcomes(partners)
        if isinstance(found, Rejected):
            why = found
            continue
        others = [s for s in range(len(partners)) if s != slot]
        alike = [b for b in found if all(b.sites[s] == reference.product.sites[s] for s in others)]
        if alike:
            return list({b.sites[slot]: b for b in reversed(alike)}.values())[::-1]
    return why


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """A product that others are compared with."""

    reagents: tuple[int, ...]
    product: Built


def _references(route: Route) -> Iterator[_Reference]:
    """Products to compare with, those of reagents with one place to react first."""
    rng = np.random.default_rng(0)
    sizes = [len(slot) for slot in route.slots]
    if min(sizes, default=0) == 0:
        empty = sizes.index(0) if 0 in sizes else 0
        raise InputError(f"role {empty + 1} of {route.name!r} has no usable reagent", where=route.name,
                         expected="at least one reagent in each role")  # fmt: skip
    ambiguous: list[_Reference] = []
    tried = itertools.chain([[0] * len(sizes)], ([int(rng.integers(n)) for n in sizes] for _ in range(_TRIES)))
    for reagents in tried:
        found = route.outcomes(reagents)
        if isinstance(found, Rejected):
            continue
        reference = _Reference(tuple(reagents), found[0])
        if len(found) == 1:
            yield reference
        else:
            ambiguous.append(reference)
    yield from ambiguous


def _doubles(reagents: Sequence[Reagent]) -> dict[int, str]:
    """Reagents with the structure of an earlier one in the same role."""
    first: dict[str, int] = {}
    doubles = {}
    for k, reagent in enumerate(reagents):
        known = first.setdefault(Chem.MolToSmiles(reagent.mol), k)
        if known != k:
            doubles[k] = f"the same structure as {reagents[known].id}"
    return doubles


__all__ = ["Role", "SeveralSites", "survey"]
