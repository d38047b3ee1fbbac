"""Dates and numbers that order compounds in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np


def time_of(text: str) -> float:
    """A moment as a number: plain numbers as they are (years), ISO dates as years with fraction; NaN if neither.

    >>> time_of("2019"), time_of("2019-01-01"), time_of("soon")
    (2019.0, 2019.0, nan)
    """
    cell = text.strip()
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        return float("nan")
    start, end = datetime(moment.year, 1, 1), datetime(moment.year + 1, 1, 1)  # noqa: DTZ001 - only the order counts
    return moment.year + (moment - start) / (end - start)


def times_of(texts: Sequence[str]) -> np.ndarray:
    """:func:`time_of` of each text, float64, shape (n,)."""
    return np.array([time_of(text) for text in texts], float)


def earliest(texts: Sequence[str]) -> str:
    """The text of the earliest moment; the first text if none is a moment."""
    times = times_of(texts)
    return texts[int(np.nanargmin(times))] if np.isfinite(times).any() else texts[0]


__all__ = ["earliest", "time_of", "times_of"]
