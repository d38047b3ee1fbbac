"""What differs between a recorded run and the same run done again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

import cinchona
from cinchona.experiments.run import metric_key
from cinchona.experiments.tracker import git_commit


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was."""

    part: str
    """``code``, ``package``, ``host``, ``metric``, ``predictions``, ``model`` or ``scores``."""
    name: str
    recorded: str
    now: str
    matters: bool = False
    """Whether the result is outside the tolerance because of it; differences of code and host explain, they do not judge."""


@dataclass(slots=True)
class Outcome:
    """Figures and digests of a run, recorded or new, and predictions where there are some."""

    figures: dict[str, float]
    texts: dict[str, str] = field(default_factory=dict)
    predictions: np.ndarray | None = None


def compare_outcomes(recorded: Outcome, now: Outcome, tolerance: float) -> tuple[Difference, ...]:
    """Figures, digests and predictions that are not equal; those outside the relative ``tolerance`` matter."""
    found: list[Difference] = []
    for name, value in now.figures.items():
        was = recorded.figures.get(metric_key(name))
        if was is None:
            found.append(Difference("metric", name, "not recorded", f"{value:.9g}", matters=True))
        elif was != value and not (math.isnan(was) and math.isnan(value)):
            found.append(
                Difference("metric", name, f"{was:.9g}", f"{value:.9g}", matters=not _close(was, value, tolerance))
            )
    for name, text in now.texts.items():
        if recorded.texts.get(name, "") not in {"", text}:
            found.append(Difference("digest", name, recorded.texts[name][:16], text[:16]))
    return (*found, *_compare_predictions(recorded.predictions, now.predictions, tolerance))


def _compare_predictions(was: np.ndarray | None, now: np.ndarray | None, tolerance: float) -> list[Difference]:
    if was is None or now is None:
        return []
    if was.shape != now.shape:
        return [Difference("predictions", "held-out compounds", f"{len(was):,}", f"{len(now):,}", matters=True)]
    if np.array_equal(was, now, equal_nan=True):
        return []
    gap = np.abs(was - now) / np.maximum(1.0, np.abs(was))
    worst = float(np.nanmax(gap)) if np.isfinite(gap).any() else math.inf
    count = int((~((was == now) | (np.isnan(was) & np.isnan(now)))).sum())
    told = f"{count:,} of {len(was):,} differ, by {worst:.3g} at most"
    return [Difference("predictions", "held-out compounds", "", told, matters=not worst <= tolerance)]


def _close(was: float, now: float, tolerance: float) -> bool:
    return abs(was - now) <= tolerance * max(1.0, abs(was))


def code_differences(tags: Mapping[str, str]) -> list[Difference]:
    """Version and commit of the code, from the tags of the recorded run."""
    now = {"cinchona_version": cinchona.__version__, "git_commit": git_commit() or ""}
    return [
        Difference("code", name, tags.get(name, "not recorded"), text)
        for name, text in now.items()
        if text and tags.get(name) != text
    ] + [
        Difference("code", name, text, "also now: files differ from the commit")
        for name, text in now.items()
        if text.endswith("-dirty") and tags.get(name) == text
    ]


def mapping_differences(part: str, recorded: Mapping[str, str | int], now: Mapping[str, str | int]) -> list[Difference]:
    """Entries that differ, by name."""
    return [
        Difference(part, name, str(recorded.get(name, "absent")), str(now.get(name, "absent")))
        for name in sorted(recorded.keys() | now.keys())
        if recorded.get(name) != now.get(name)
    ]


__all__ = ["Difference", "Outcome", "code_differences", "compare_outcomes", "mapping_differences"]
