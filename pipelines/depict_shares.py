"""Structures with the shares of their atoms and bonds behind them, and the legend that says what the colours mean.

Blue raises and orange lowers: a diverging pair that the three common colour deficiencies keep apart (Okabe and Ito's palette,
https://jfly.uni-koeln.de/color/). Strength is opacity, so the pictures read on white and on black. A share on which the members of
an ensemble disagree is a dashed ring instead of a disc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Final
from xml.etree import ElementTree as ET

import numpy as np
from rdkit import rdBase

from cinchona.models.explanation.records import Attribution
from cinchona.pipelines.depict import MAX_ATOMS_DRAWN, SIZE, drawn, element, parsed, rebuild, structure_svg

RAISES: Final = "#0072b2"
"""Colour of what raises a prediction: blue."""
LOWERS: Final = "#d55e00"
"""Colour of what lowers it: vermilion."""
MARKS: Final = "#009e73"
"""Colour of atoms by which two compounds differ."""
_STRONGEST: Final = 0.62
"""Opacity of a full share: ink stays readable on it."""
_LEVELS: Final = 6
"""Steps of strength; shares below half a step have no colour."""
_REACH: Final = 0.42
"""Radius of a full disc in bond lengths."""

Behind = Callable[[np.ndarray, list[tuple[int, int]], float], Iterator[str]]
"""What stands behind a structure, given where its atoms are, float64, (n, 2), the ends of its bonds and the length of a bond."""


def full_colour(attributions: Iterable[Attribution]) -> float:
    """The share that gets the full colour: the 95th percentile of the sizes of all shares, so that pictures compare; at least 1e-9."""
    sizes = [np.abs(np.concatenate([one.atoms, one.bonds])) for one in attributions]
    joined = np.concatenate(sizes) if sizes else np.zeros(0)
    joined = joined[joined > 0]
    return float(max(np.quantile(joined, 0.95), 1e-9)) if len(joined) else 1.0


def shares_svg(explained: Attribution, *, full: float, size: tuple[int, int] = SIZE) -> str:
    """Draw a molecule with its shares as one ``<svg>`` element of about 4 kB, built from numbers only.

    Args:
        explained: The molecule and its shares.
        full: Share that gets the full colour, see :func:`full_colour`.
        size: Width and height in CSS pixels.
    """

    def behind(places: np.ndarray, ends: list[tuple[int, int]], unit: float) -> Iterator[str]:
        marks = _Marks(unit)
        for (a, b), share, unsure in zip(ends, explained.bonds, explained.unsure_bonds, strict=True):
            if not unsure:
                marks.stick(places[a], places[b], float(share) / full)
        for place, share, unsure in zip(places, explained.atoms, explained.unsure_atoms, strict=True):
            (marks.ring if unsure else marks.disc)(place, float(share) / full)
        yield marks.drawn()

    return _drawn_on(explained.smiles, behind, size)


def marked_svg(smiles: str, atoms: Iterable[int], *, size: tuple[int, int] = SIZE) -> str:
    """Draw a molecule with a green disc behind each of ``atoms``: what another compound does not have."""
    marked = set(atoms)

    def behind(places: np.ndarray, _: list[tuple[int, int]], unit: float) -> Iterator[str]:
        for k in sorted(marked):
            x, y = places[k]
            yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{_REACH * unit:.1f}" fill="{MARKS}" fill-opacity=".35"/>'

    return _drawn_on(smiles, behind, size)


def legend_svg(full: float, first: Attribution) -> str:
    """The colours and what they mean, as one ``<svg>`` element; the dashed ring only where members of an ensemble can disagree.

    Args:
        full: Share that gets the full colour, see :func:`full_colour`.
        first: One of the explained molecules, for the endpoint and its unit.
    """
    unit = f" {first.share_unit}" if first.scale else ""
    steps = "".join(
        f'<rect x="{58 + 12 * k}" y="6" width="12" height="12" fill="{RAISES if k > 4 else LOWERS}" '
        f'fill-opacity="{abs(k - 4.5) / 4.5 * _STRONGEST:.2f}"/>'
        for k in range(10)
    )
    text = 'font-size="12" font-family="sans-serif" fill="currentColor"'
    name = escape(_cut(first.endpoint, 32))
    ring = (
        f'<circle cx="442" cy="12" r="6" fill="none" stroke="{RAISES}" stroke-dasharray="2 2"/>'
        f'<text x="454" y="16" {text}>networks disagree</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 40" width="560" height="40" role="img" '
        f'aria-label="Orange lowers {name}, blue raises it; the full colour is a share of {full:.2g}{escape(unit)}">{steps}'
        f'<text x="50" y="16" text-anchor="end" {text}>lowers</text><text x="186" y="16" {text}>raises {name}</text>'
        f'<text x="58" y="33" text-anchor="middle" {text}>−{full:.2g}</text><text x="118" y="33" text-anchor="middle" {text}>0</text>'
        f'<text x="166" y="33" {text}>+{full:.2g}{escape(_cut(unit, 40))}</text>'
        f"{'' if first.atom_spread is None else ring}</svg>"
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _drawn_on(smiles: str, behind: Behind, size: tuple[int, int]) -> str:
    with rdBase.BlockLogs():
        mol = parsed(smiles)
        if mol is None or not 0 < mol.GetNumHeavyAtoms() <= MAX_ATOMS_DRAWN:
            return structure_svg(smiles, size=size)
        try:
            text, places = drawn(mol, size)
            ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
            return element("".join(behind(places, ends, _bond_length(places, ends))) + rebuild(text), size)
        except (RuntimeError, ValueError, ET.ParseError):
            return structure_svg(smiles, size=size)


def _bond_length(places: np.ndarray, ends: list[tuple[int, int]]) -> float:
    if not ends:
        return 24.0
    return float(np.median([math.dist(places[a], places[b]) for a, b in ends]))


class _Marks:
    """Collects what stands behind a structure; marks of one colour and strength become one path, which takes a third of the room.

    Args:
        unit: Length of a bond in the picture.
    """

    def __init__(self, unit: float) -> None:
        self.unit = unit
        self.paths: dict[tuple[bool, str, int], list[str]] = {}

    def disc(self, place: np.ndarray, strength: float) -> None:
        """A disc at an atom: a line without length whose ends are round."""
        if level := _level(strength):
            self._add(level, strength, f"M{place[0]:.0f} {place[1]:.0f}h0", is_disc=True)

    def ring(self, place: np.ndarray, strength: float) -> None:
        """A dashed ring in place of a disc."""
        if level := _level(strength):
            x, y, r = place[0], place[1], 0.5 * self._width(level, is_disc=True)
            self._add(
                0,
                strength,
                f"M{x - r:.0f} {y:.0f}a{r:.0f} {r:.0f} 0 1 0 {2 * r:.0f} 0a{r:.0f} {r:.0f} 0 1 0 -{2 * r:.0f} 0",
                is_disc=True,
            )

    def stick(self, one: np.ndarray, other: np.ndarray, strength: float) -> None:
        """A bar along the middle of a bond."""
        if level := _level(strength):
            (a, b), (c, d) = one + 0.28 * (other - one), one + 0.72 * (other - one)
            self._add(level, strength, f"M{a:.0f} {b:.0f}L{c:.0f} {d:.0f}", is_disc=False)

    def drawn(self) -> str:
        """The marks, bonds first."""
        return "".join(self._path(*key, "".join(found)) for key, found in sorted(self.paths.items()))

    def _add(self, level: int, strength: float, path: str, *, is_disc: bool) -> None:
        self.paths.setdefault((is_disc, RAISES if strength > 0 else LOWERS, level), []).append(path)

    def _width(self, level: int, *, is_disc: bool) -> float:
        return self.unit * (2 * (0.26 + (_REACH - 0.26) * level / _LEVELS) if is_disc else 0.3)

    def _path(self, is_disc: bool, colour: str, level: int, path: str) -> str:  # noqa: FBT001 - a part of the key
        if not level:
            return f'<path d="{path}" fill="none" stroke="{colour}" stroke-dasharray="2 2"/>'
        ends = ' stroke-linecap="round"' if is_disc else ""
        return (
            f'<path d="{path}" stroke="{colour}" stroke-width="{self._width(level, is_disc=is_disc):.0f}" '
            f'stroke-opacity="{_STRONGEST * level / _LEVELS:.2f}"{ends}/>'
        )


def _level(strength: float) -> int:
    """Strength in steps of a sixth; 0 where there is next to nothing."""
    return round(_LEVELS * min(abs(strength), 1.0))


__all__ = ["LOWERS", "MARKS", "RAISES", "full_colour", "legend_svg", "marked_svg", "shares_svg"]
