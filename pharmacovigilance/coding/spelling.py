"""Reported drug names taken apart: blanks and marks, strengths, forms, packaging, salts, brackets, combinations."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from cinchona.pharmacovigilance.coding.words import COMPANIES, FORMS, HYDRATES, METALS, NOISE, SALTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS: Final = re.compile(r"[®™©†‡*\"“”`´‘’]+")
_BLANKS: Final = re.compile(r"\s+")
_EDGES: Final = " .,;:-_/\\+&#=!?<>|~"
_WHO_CODE: Final = re.compile(r"/\s*(?:\d{4,}|[A-Z]{3}|OLD FORM)\s*/?(?=\s|$)|\bR0\d{5,}\b")
_UNIT: Final = (
    r"(?:MG|MCG|UG|MICROGRAMS?|MILLIGRAMS?|GRAMS?|G|GM|KG|NG|ML|MLS|L|CC|IU|UI|MIU|KIU|MU|MEQ|MMOL|MBQ|GBQ|MCI|U|UNITS?|%|PPM|"
    r"H|HR|HRS|HOURS?|DAYS?|D|WEEKS?|ACTUATIONS?|DOSES?|PUFFS?|CM2|SPRAYS?|MILLION)"
)
_STRENGTH: Final = re.compile(
    rf"[({{\[]?\s*[=<>~]?\s*\d+(?:[.,]\d+)*\s*[-/x]?\s*{_UNIT}(?:\s*/\s*(?:\d+(?:[.,]\d+)?\s*)?{_UNIT})*(?![A-Z0-9])\s*[)}}\]]?",
    re.I,
)
_BARE_NUMBERS: Final = re.compile(r"(?<![A-Z0-9-])\d+(?:[.,]\d+)?(?:\s*[-/]\s*\d+(?:[.,]\d+)?)*(?![A-Z0-9-])")
_BRACKETS: Final = re.compile(r"\(([^()]*)\)?|\[([^\[\]]*)\]?|\{([^{}]*)\}?")
_SEPARATORS: Final = re.compile(
    r"\s*(?:\\|;|\s\+\s|\+|\s/\s|/|\s&\s|&|\sAND\s|\sWITH\s|\sW/\s?|\sW\s|,|\sET\s|\sUND\s|\sY\s)\s*"
)


def tidy(name: str) -> str:
    """Upper case, ASCII, single blanks, no marks at the edges.

    >>> tidy(" Humira® pen. ")
    'HUMIRA PEN'
    """
    if not name.isascii():
        name = unicodedata.normalize("NFKD", _MARKS.sub("", name)).encode("ascii", "ignore").decode()
    return _BLANKS.sub(" ", _MARKS.sub("", name.upper()).replace("(+)", "+")).strip(_EDGES)


def without_noise(name: str) -> str:
    """A tidy name without brackets, strengths, forms, packaging words and makers.

    >>> without_noise("METFORMIN TEVA 500 MG FILM-COATED TABLETS (NDA 22-272)")
    'METFORMIN'
    """
    text = _WHO_CODE.sub(" ", name)
    text = _STRENGTH.sub(" ", text)
    text = _BRACKETS.sub(" ", text)
    text = _BARE_NUMBERS.sub(" ", text)
    words = [w for raw in text.split() if (w := raw.strip(_EDGES + "()[]{}"))]
    while words and words[-1] in _DROPPED:
        words.pop()
    while len(words) > 1 and words[0] in _LEADING:
        words.pop(0)
    kept = [w for i, w in enumerate(words) if i == 0 or w not in _DROPPED]
    return " ".join(kept).strip(_EDGES)


_DROPPED: Final = FORMS | NOISE | COMPANIES
_LEADING: Final = COMPANIES | NOISE | FORMS


def in_brackets(name: str) -> list[str]:
    """What stands in brackets, longest first; often the ingredient of a brand.

    >>> in_brackets("VICODIN (HYDROCODONE BITARTRATE)")
    ['HYDROCODONE BITARTRATE']
    """
    found = [next(g for g in m.groups() if g is not None) for m in _BRACKETS.finditer(name)]
    return sorted((text for f in found if len(text := f.strip(_EDGES)) > 2), key=len, reverse=True)


def parts_of(name: str) -> list[str]:
    r"""Parts of a combination; a name without separators is its own only part.

    >>> parts_of("CEFOPERAZONE SODIUM\\SULBACTAM SODIUM")
    ['CEFOPERAZONE SODIUM', 'SULBACTAM SODIUM']
    """
    return [p for part in _SEPARATORS.split(name) if (p := part.strip(_EDGES + "()[]{}"))]


def hyphenated(name: str) -> list[str]:
    """Parts of a name with a hyphen between words, for combinations written so; else nothing.

    >>> hyphenated("SULFAMETHOXAZOLE-TRIMETHOPRIM")
    ['SULFAMETHOXAZOLE', 'TRIMETHOPRIM']
    """
    parts = [p.strip() for p in name.split("-")]
    return parts if len(parts) > 1 and all(len(p) > 3 for p in parts) else []


def plain_enough(name: str) -> bool:
    """Tell whether :func:`without_noise` could change a tidy name at all; cheap."""
    return not (_ANY_NOISE.search(name) or not _DROPPED.isdisjoint(name.split()))


_ANY_NOISE: Final = re.compile(r"[\d(\[{/]")


def stems(name: str) -> Iterator[str]:
    """The name without its last words as long as they are salts, hydrates or esters; never a bare metal.

    >>> list(stems("ATORVASTATIN CALCIUM TRIHYDRATE")), list(stems("SODIUM CHLORIDE"))
    (['ATORVASTATIN CALCIUM', 'ATORVASTATIN'], [])
    """
    words = name.split()
    while len(words) > 1 and (words[-1] in SALTS or words[-1] in HYDRATES):
        last, words = words[-1], words[:-1]
        if last not in HYDRATES and all(w in METALS for w in words):
            return
        yield " ".join(words)
    if (
        len(words) > 1
        and words[0] in METALS
        and words[0] in SALTS
        and not all(w in SALTS or w in METALS for w in words)
    ):
        yield " ".join(words[1:])
