"""How a space is cut into work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.screening.synthons.cells import Cell, Leftover
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.tables import by_size

LARGEST_UNIT: Final = 200_000_000
"""Products of one unit of work, unless one reagent alone has more."""
_SMALLEST_UNIT: Final = 1_000_000
LARGE_SPACE: Final = 5_000_000
"""Products of a space that is scored from tables or not at all; its units are larger, since each needs tables first."""
_LARGE_SMALLEST_UNIT: Final = 12_000_000
_UNITS: Final = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a block of combinations: some reagents of the role by which it is cut, all of the others."""

    assay: int
    """Route."""
    block: int
    """Block of the route."""
    begin: int
    """First reagent of that role, by position in the block."""
    end: int
    """End of these reagents."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Work for one worker at a time."""

    number: int
    """Position in the plan."""
    pieces: tuple[Piece, ...]
    """What is scored."""
    products: int
    """Combinations in it."""


def fixed_roles(cell: Cell) -> tuple[int, ...]:
    """Roles that are gone through reagent by reagent: all but the two with most reagents."""
    return tuple(sorted(by_size(cell)[2:]))


def cut_role(cell: Cell) -> int:
    """The role by which a cell is cut into pieces."""
    order = by_size(cell)
    return fixed_roles(cell)[0] if len(order) > 2 else order[-1]


def piece_of(cell: Cell, piece: Piece) -> Cell:
    """The part of a cell that a piece names."""
    return cell.only(cut_role(cell), np.arange(piece.begin, piece.end))


def plan_units(space: SynthonSpace) -> list[Unit]:
    """Cut a space into units of work; depends on nothing but the space."""
    smallest = _LARGE_SMALLEST_UNIT if len(space) > LARGE_SPACE else _SMALLEST_UNIT
    target = min(max(len(space) // _UNITS, smallest), LARGEST_UNIT)
    units: list[Unit] = []
    pieces: list[Piece] = []
    held = 0
    for piece, products in _pieces(space, target):
        if pieces and held + products > target:
            units.append(Unit(len(units), tuple(pieces), held))
            pieces, held = [], 0
        pieces.append(piece)
        held += products
    if pieces:
        units.append(Unit(len(units), tuple(pieces), held))
    return units


def _pieces(space: SynthonSpace, target: int) -> Iterator[tuple[Piece, int]]:
    for a, assay in enumerate(space.assays):
        for b, block in enumerate(assay.blocks):
            if isinstance(block, Leftover):
                if not block.reason:
                    yield Piece(a, b, 0, 1), block.products
                continue
            choices = len(block.members[cut_role(block)])
            each = block.products // choices
            step = max(1, target // each)
            for begin in range(0, choices, step):
                end = min(begin + step, choices)
                yield Piece(a, b, begin, end), each * (end - begin)


__all__ = ["LARGEST_UNIT", "LARGE_SPACE", "Piece", "Unit", "cut_role", "fixed_roles", "piece_of", "plan_units"]
