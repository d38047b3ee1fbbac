"""Dictionaries made ready for lookup: one key per tidy name, ingredients reduced to their bases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cinchona.pharmacovigilance.coding.dictionary import is_word
from cinchona.pharmacovigilance.coding.spelling import plain_enough, stems, tidy, without_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.coding.dictionary import DrugDictionary, Entry

_SHORTEST: Final = 3


class Thesaurus:
    """Names to ingredients.

    Every ingredient is reduced to its base: other names of one substance become one (through any dictionary that lists
    them), salts, hydrates and esters are stripped where the base is a known name itself.

    Args:
        dictionaries: In the order of their say.
        keep_salts: True keeps salts and esters apart.
    """

    def __init__(self, dictionaries: Sequence[DrugDictionary], *, keep_salts: bool = False) -> None:
        self._keep_salts = keep_salts
        self._spelled: dict[str, str] = {}
        self._raw: dict[str, tuple[str, ...]] = {}
        self.substances: set[str] = set()
        self.brands: set[str] = set()
        for dictionary in dictionaries:
            for entry in dictionary.entries():
                self._enter(entry)
        self.brands -= self.substances
        self._bases: dict[str, str] = {}
        self._short: dict[str, str] = {}
        for key in sorted(self.substances) + sorted(self.brands):
            if not plain_enough(key):
                short = without_noise(key)
                if len(short) > _SHORTEST and short not in self._raw:
                    self._short.setdefault(short, key)
                elif len(self._raw[key]) > 1 and self._is_part(short, key):
                    self._raw[short] = self._raw[key]

    def _enter(self, entry: Entry) -> None:
        key = tidy(entry.name)
        if len(key) < _SHORTEST:
            return
        ingredients = tuple(dict.fromkeys(self._tidy(i) for i in entry.ingredients))
        known = self._raw.get(key)
        more = known is not None and len(known) == 1 < len(ingredients) and key in self.brands
        if known is None or (more and key not in self.substances):
            self._raw[key] = ingredients
        if entry.kind != "other":
            (self.substances if entry.kind == "substance" else self.brands).add(key)

    def _tidy(self, ingredient: str) -> str:
        known = self._spelled.get(ingredient)
        if known is None:
            known = self._spelled[ingredient] = tidy(ingredient)
        return known

    def _is_part(self, brand: str, product: str) -> bool:
        """Tell whether a brand is listed under one ingredient of a product that carries its name: ADVAIR, ADVAIR DISKUS."""
        known = self._raw.get(brand, ())
        return len(known) == 1 and brand in self.brands and known[0] in self._raw[product]

    def __len__(self) -> int:
        return len(self._raw)

    def words(self, kind: str) -> list[str]:
        """Names of ``substance`` or ``brand`` kind that a person could misspell, sorted."""
        return sorted(k for k in (self.substances if kind == "substance" else self.brands) if is_word(k))

    def is_medicine(self, key: str) -> bool:
        """Tell whether a name is one of medicines."""
        return key in self.substances or key in self.brands

    def find(self, key: str) -> tuple[str, ...] | None:
        """Ingredients of a tidy name, reduced to bases, or None."""
        found = self._raw.get(key)
        if found is None:
            longer = self._short.get(key)
            found = self._raw[longer] if longer is not None else None
        return tuple(dict.fromkeys(self.base(i) for i in found)) if found is not None else None

    def base(self, ingredient: str) -> str:
        """Base of a tidy ingredient name."""
        known = self._bases.get(ingredient)
        if known is None:
            known = self._bases[ingredient] = self._reduce(ingredient)
        return known

    def _reduce(self, ingredient: str) -> str:
        shown = self._preferred(ingredient)
        if self._keep_salts:
            return shown
        best = shown
        for start in dict.fromkeys((shown, ingredient)):
            for stem in stems(start):
                if stem in self._raw:
                    preferred = self._preferred(stem)
                    best = stem if stem in stems(preferred) else preferred
            if best != shown:
                return best
        return best

    def _preferred(self, name: str) -> str:
        """Preferred name of a single substance; combinations and unknown names stay."""
        seen = {name}
        while (found := self._raw.get(name)) is not None and len(found) == 1 and found[0] not in seen:
            name = found[0]
            seen.add(name)
        return name
