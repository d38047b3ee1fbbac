"""Coding drug names: exact, then stripped, then as a combination, then by leading words, then by nearest spelling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cinchona.pharmacovigilance.coding.fuzzy import FuzzyIndex
from cinchona.pharmacovigilance.coding.spelling import hyphenated, in_brackets, parts_of, stems, tidy, without_noise
from cinchona.pharmacovigilance.coding.thesaurus import Thesaurus
from cinchona.pharmacovigilance.coding.words import CLASSES, TOO_COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cinchona.pharmacovigilance.coding.dictionary import DrugDictionary

_LONGEST: Final = 300
"""Characters of a name that are looked at."""
_MOST_PARTS: Final = 12
_LEAD: Final = 5
"""Least letters of leading words that are taken for the name of a medicine."""


class How(StrEnum):
    """How a name was coded, from sure to unsure."""

    EXACT = "exact"
    """The name stands in a dictionary."""
    NORMALISED = "normalised"
    """It does after strengths, forms, makers, codes, brackets or salts are stripped."""
    COMBINATION = "combination"
    """All its parts do."""
    BRACKET = "bracket"
    """What it holds in brackets does."""
    LEADING = "leading"
    """Its first words do, and the rest says nothing known."""
    FUZZY = "fuzzy"
    """It, or each of its parts that does not stand there, is a misspelling away from a name that does."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Coded:
    """What one name stands for."""

    ingredients: tuple[str, ...]
    """Base ingredients, sorted; empty when the name was not coded."""
    how: How
    """How they were found."""
    score: float
    """100 for all but fuzzy and leading matches; 0 when the name was not coded."""
    matched: str
    """Name or names in the dictionaries."""


NOT_CODED: Final = Coded((), How.NONE, 0.0, "")
_LEAD_SCORE: Final = 90.0


class Coder:
    """Codes names against dictionaries.

    Args:
        dictionaries: In the order of their say.
        fuzzy: False leaves misspellings uncoded.
        keep_salts: True keeps salts and esters apart.
    """

    def __init__(self, dictionaries: Sequence[DrugDictionary], *, fuzzy: bool = True, keep_salts: bool = False) -> None:
        self.thesaurus = Thesaurus(dictionaries, keep_salts=keep_salts)
        self.index = FuzzyIndex(self.thesaurus) if fuzzy else None
        self._memory: dict[str, Coded] = {}

    def code(self, names: Iterable[str]) -> dict[str, Coded]:
        """Code distinct names; every name gets an answer."""
        answers = {name: self._without_fuzzy(tidy(name)[:_LONGEST]) for name in dict.fromkeys(names)}
        if self.index is None:
            return answers
        open_names = {name: self._open_parts(tidy(name)[:_LONGEST]) for name, a in answers.items() if a.how is How.NONE}
        near = self.index.nearest([p for parts in open_names.values() for p in parts])
        for name, parts in open_names.items():
            found = [near[p] for p in parts if p in near and not near[p].rival]
            if parts and len(found) == len(parts):
                answers[name] = self._spelled(tidy(name)[:_LONGEST], {p: near[p].key for p in parts},
                                              min(n.score for n in found))  # fmt: skip
        return answers

    def suggest(self, names: Sequence[str], *, most: int = 3) -> dict[str, list[str]]:
        """Known names near each of ``names``, nearest first, for names that could not be coded."""
        if self.index is None:
            return {}
        return self.index.suggestions(names, most=most)

    def _without_fuzzy(self, name: str) -> Coded:
        known = self._memory.get(name)
        if known is None:
            known = self._memory[name] = self._steps(name)
        return known

    def _steps(self, name: str) -> Coded:
        if found := self.thesaurus.find(name):
            return Coded(tuple(sorted(found)), How.EXACT, 100.0, name)
        if plain := self._plain(name):
            return Coded(tuple(sorted(self._found(plain))), How.NORMALISED, 100.0, plain)
        return self._combination(name) or self._bracket(name) or self._leading(name) or NOT_CODED

    def _found(self, key: str) -> tuple[str, ...]:
        found = self.thesaurus.find(key)
        assert found is not None
        return found

    def _plain(self, name: str) -> str:
        """Known name that is left when noise and salts are stripped; empty when there is none."""
        stripped = without_noise(name)
        for candidate in (name, stripped, *stems(stripped), stripped.replace("-", " "), stripped.replace(" ", "")):
            if len(candidate) > 2 and self.thesaurus.find(candidate):
                return candidate
        return ""

    def _combination(self, name: str) -> Coded | None:
        parts = parts_of(without_noise(name) if "(" in name else name)
        parts = [p for p in parts if not _says_nothing(p)]
        if len(parts) == 1:
            parts = hyphenated(without_noise(parts[0])) or parts
        if not 1 <= len(parts) <= _MOST_PARTS or (len(parts) == 1 and parts[0] == name):
            return None
        keys = [self._plain(p) for p in parts]
        if not all(keys):
            return None
        ingredients = {i for k in keys for i in self._found(k)}
        how = How.COMBINATION if len(keys) > 1 else How.NORMALISED
        return Coded(tuple(sorted(ingredients)), how, 100.0, " + ".join(keys))

    def _bracket(self, name: str) -> Coded | None:
        for inner in in_brackets(name):
            if not _says_nothing(inner):
                coded = self._without_fuzzy(inner)
                if coded.how in {How.EXACT, How.NORMALISED, How.COMBINATION}:
                    return Coded(coded.ingredients, How.BRACKET, 100.0, coded.matched)
        return None

    def _leading(self, name: str) -> Coded | None:
        words = without_noise(name).split()
        for n in range(min(len(words) - 1, 4), 0, -1):
            lead = " ".join(words[:n])
            if len(lead) >= _LEAD and lead not in TOO_COMMON and self.thesaurus.is_medicine(lead):
                return Coded(tuple(sorted(self._found(lead))), How.LEADING, _LEAD_SCORE, lead)
        return None

    def _open_parts(self, name: str) -> list[str]:
        """Parts of a name that no dictionary knows, stripped; empty when nothing is worth a comparison."""
        whole = without_noise(name)
        parts = [p for p in parts_of(whole) if not _says_nothing(p)]
        if len(parts) > _MOST_PARTS:
            return []
        unknown = [without_noise(p) for p in parts if not self._plain(p)]
        return unknown if all(len(p) > 4 and CLASSES.isdisjoint(p.split()) for p in unknown) else []

    def _spelled(self, name: str, keys: dict[str, str], score: float) -> Coded:
        parts = [p for p in parts_of(without_noise(name)) if not _says_nothing(p)]
        chosen = [self._plain(p) or keys[without_noise(p)] for p in parts]
        ingredients = {i for k in chosen for i in self._found(k)}
        return Coded(tuple(sorted(ingredients)), How.FUZZY, score, " + ".join(chosen))


def _says_nothing(part: str) -> bool:
    return not any(c.isalpha() for c in part) or not without_noise(part) or part in {"UNKNOWN", "UNK", "OTHER"}
