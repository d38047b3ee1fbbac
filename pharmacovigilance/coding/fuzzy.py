"""Nearest known names of misspelled ones, without comparing everything with everything."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.coding.thesaurus import Thesaurus

_WINDOW: Final = 2
"""Names that differ by more letters in length are not compared."""
_SHORTEST: Final = 5
_SUGGESTED: Final = 70
"""Least similarity (0 to 100) of a suggestion."""
_FAR_BEGIN: Final = 11
"""Letters from which even the first one may be wrong."""
_LONG_BRAND: Final = 10
"""Letters from which a brand may have another letter in place of one of its own; shorter ones only more, fewer or swapped."""
_SURE_LENGTH: Final = 9
"""Below so many letters only vowels, doubled and swapped letters may differ: CLONIPIN is not CLONIXIN."""
_VOWELS: Final = re.compile(r"[AEIOUY]+")
_DOUBLED: Final = re.compile(r"(.)\1")
_GAPS: Final = re.compile(r"[\s/-]+")
_BATCH: Final = 512
_CODES: Final = re.compile(r"\d+|\b[A-Z]\b")
"""Numbers and single letters tell medicines apart: B1 is not B12."""


@dataclass(frozen=True, slots=True)
class Near:
    """A known name near a misspelled one."""

    key: str
    """The known name."""
    score: float
    """100 (1 - d / length of the longer name) for a distance d in single letters and swaps of neighbours; 100 is equal."""
    rival: str = ""
    """Another known name as near, of another ingredient; a match with a rival is not used."""


def edits_allowed(length: int, *, brand: bool) -> int:
    """Wrong letters that names may have when the shorter of them has this length.

    Names of substances are built to be told apart: 1 from 6 letters, 2 from 11, 3 from 16. Brand names are short and
    alike, and a brand that no dictionary knows lies often one letter from another one: 1 from 8 letters, 2 from 13.
    """
    steps = (8, 13) if brand else (6, 11, 16)
    return sum(length >= step for step in steps)


class FuzzyIndex:
    """Known names by first letter and by ending.

    Args:
        thesaurus: Names of medicines in it are compared with.
    """

    def __init__(self, thesaurus: Thesaurus) -> None:
        self._thesaurus = thesaurus
        self._by_first: dict[tuple[str, int], list[str]] = defaultdict(list)
        self._by_end: dict[tuple[str, int], list[str]] = defaultdict(list)
        for kind in ("substance", "brand"):
            for key in thesaurus.words(kind):
                self._by_first[key[0], len(key)].append(key)
                if kind == "substance":
                    self._by_end[key[-4:], len(key)].append(key)

    def nearest(self, names: Sequence[str]) -> dict[str, Near]:
        """Nearest known name of each of ``names`` (tidy, known to no dictionary) that has one within :func:`edits_allowed`."""
        found: dict[str, Near] = {}
        rest = [n for n in dict.fromkeys(names) if len(n) >= _SHORTEST]
        for table, part in ((self._by_first, _first), (self._by_end, _end)):
            groups: dict[tuple[str, int], list[str]] = defaultdict(list)
            for name in rest:
                if name not in found:
                    groups[part(name), len(name)].append(name)
            for (begin, length), members in groups.items():
                choices = [k for n in range(length - _WINDOW, length + _WINDOW + 1) for k in table.get((begin, n), ())]
                if choices:
                    self._compare(members, choices, found)
        return found

    def suggestions(self, names: Sequence[str], *, most: int) -> dict[str, list[str]]:
        """Up to ``most`` known names near each of ``names``, however unsure, nearest first."""
        from rapidfuzz import fuzz, process

        out = {}
        for name in dict.fromkeys(names):
            sizes = range(max(3, len(name) - 4), len(name) + 5)
            choices = [k for n in sizes for k in self._by_first.get((name[0], n), ())]
            near = process.extract(name, choices, scorer=fuzz.ratio, limit=most, score_cutoff=_SUGGESTED)
            if near:
                out[name] = [str(key) for key, _, _ in near]
        return out

    def _compare(self, names: list[str], choices: list[str], found: dict[str, Near]) -> None:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        limit = edits_allowed(max(len(n) for n in names) + _WINDOW, brand=False)
        for begin in range(0, len(names), _BATCH):
            batch = names[begin : begin + _BATCH]
            distances = process.cdist(batch, choices, scorer=OSA.distance, score_cutoff=limit, dtype=np.uint8)
            for row, near in enumerate(distances.min(axis=1) <= limit):
                if near:
                    chosen = self._choose(batch[row], choices, distances[row], limit=limit)
                    if chosen is not None:
                        found[batch[row]] = chosen

    def _choose(self, name: str, choices: list[str], distances: np.ndarray, *, limit: int) -> Near | None:
        codes = _CODES.findall(name)
        near = [
            (int(distances[i]), choices[i])
            for i in np.flatnonzero(distances <= limit)
            if _CODES.findall(choices[i]) == codes
        ]
        plausible = [(d, k) for d, k in near if self._plausible(name, k, d)]
        if not plausible:
            return None
        least = min(plausible)[0]
        best = min((k for d, k in plausible if d == least), key=lambda k: (k in self._thesaurus.brands, k))
        score = 100 * (1 - least / max(len(name), len(best)))
        wanted = self._thesaurus.find(best)
        # A name as near that is no plausible misspelling still makes the match unsure.
        rival = next((k for d, k in near if d <= least and self._thesaurus.find(k) != wanted), "")
        return Near(best, round(score, 1), rival)

    def _plausible(self, name: str, key: str, distance: int) -> bool:
        """Tell whether ``name`` may be a misspelling of ``key``; the rules were set on names that were read one by one."""
        if _bare(name) == _bare(key):
            return True
        if name == key + "S":  # a plural names a class: PENICILLINS
            return False
        brand, shorter = key in self._thesaurus.brands, min(len(name), len(key))
        if name[0] != key[0] and (distance > 1 or shorter < _FAR_BEGIN):
            return False
        if brand and (name[:2] != key[:2] or (len(name) == len(key) < _LONG_BRAND and sorted(name) != sorted(key))):
            return False
        if shorter < _SURE_LENGTH and not _vowel_slip(name, key):
            return False
        return distance <= edits_allowed(shorter, brand=brand) and _words_agree(name, key, brand=brand)


def _bare(name: str) -> str:
    return _GAPS.sub("", name)


def _vowel_slip(name: str, key: str) -> bool:
    """Tell whether two names are equal but for vowels, doubled letters and the order of letters."""
    return _DOUBLED.sub(r"\1", _VOWELS.sub("", name)) == _DOUBLED.sub(r"\1", _VOWELS.sub("", key)) or (
        sorted(name) == sorted(key)
    )


def _words_agree(name: str, key: str, *, brand: bool) -> bool:
    """Tell whether each word is off by no more than its own length allows: POTASSIUM CL is not POTASSIUM PCA."""
    from rapidfuzz.distance import OSA

    mine, other = _GAPS.split(name), _GAPS.split(key)
    if len(mine) != len(other):
        return True
    return all(
        a == b or OSA.distance(a, b) <= edits_allowed(min(len(a), len(b)), brand=brand)
        for a, b in zip(mine, other, strict=True)
    )


def _first(name: str) -> str:
    return name[0]


def _end(name: str) -> str:
    return name[-4:]
