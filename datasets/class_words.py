"""Classes written as words of the table's own, such as ``BBB+`` and ``BBB-``, or ``blocker`` and ``non-blocker``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cinchona.datasets.measurements import MISSING, NEGATIVE, POSITIVE

_DENIALS: Final = ("non-", "non ", "non_", "non", "not ", "not-", "not_", "no ", "no-", "in", "im", "un")


def class_words(cells: Sequence[str], positive: str | None = None) -> Mapping[str, float] | None:
    """Class by word in lower case, 1.0 for positive and 0.0 for negative; None if the words are not understood.

    Without ``positive``, two words are understood where one denies the other: by a sign at the end, or by ``non``, ``not``, ``in`` or
    ``un`` before it.

    Args:
        cells: A column of text.
        positive: The word of the positive class; all others, missing ones aside, are then negative.

    >>> class_words(["BBB+", "BBB-", ""])
    {'bbb+': 1.0, 'bbb-': 0.0}
    >>> class_words(["insoluble", "soluble"])
    {'soluble': 1.0, 'insoluble': 0.0}
    """
    said = {bare_word(cell) for cell in cells}
    words = sorted(said - MISSING)
    if positive is not None:
        return {word: float(word == bare_word(positive)) for word in words}
    if words == ["+"] and "-" in said:  # beside pluses a dash is no missing value
        return {"+": 1.0, "-": 0.0}
    if len(words) != 2 or set(words) & (POSITIVE | NEGATIVE):
        return None
    for yes, no in (words, words[::-1]):
        if _denies(no, yes):
            return {yes: 1.0, no: 0.0}
    return None


def bare_word(cell: str) -> str:
    """A cell without blanks, quotes and capitals."""
    return cell.strip().strip("'\"").lower()


def _denies(no: str, yes: str) -> bool:
    by_sign = yes.endswith("+") and no.endswith("-") and yes[:-1] == no[:-1]
    return by_sign or no in {denial + yes for denial in _DENIALS}


__all__ = ["bare_word", "class_words"]
