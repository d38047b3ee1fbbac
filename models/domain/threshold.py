"""The distance beyond which a model errs more: where it is, how sure that is, and what stands in where nothing is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

import numpy as np

from cinchona.seeds import rng

QUANTILE: Final = 0.95
"""Share of the training compounds that lie within the threshold that needs no errors."""
SIGNIFICANT: Final = 0.05
"""Largest p-value at which errors are said to grow."""
FEWEST: Final = 40
"""Errors below which no threshold is read from them."""
_CUTS: Final = (0.5, 0.95)
_SHUFFLES: Final = 499
_MOST: Final = 5_000


@dataclass(frozen=True, slots=True)
class Threshold:
    """A compound is inside the domain of a target if its distance is at most :attr:`distance`."""

    distance: float
    """1 minus the Tanimoto similarity to the nearest training compound; range [0, 1]."""
    basis: Literal["error", "quantile"]
    """``error``: held-out errors grow beyond it. ``quantile``: nearly all training compounds have a neighbour within it."""
    share_outside: float
    """Share of the compounds it was found on that lie beyond it."""
    n: int
    """Compounds it was found on."""
    error_inside: float | None = None
    """Mean absolute held-out error within, in the unit of the target."""
    error_outside: float | None = None
    """The same beyond."""
    p_value: float | None = None
    """Chance of a growth as clear as this one if errors did not depend on the distance, the choice of the place counted in."""

    @property
    def meaning(self) -> str:
        """The threshold in a sentence."""
        if self.basis == "error" and self.error_inside is not None and self.error_outside is not None:
            return (
                f"Beyond a distance of {self.distance:.2f}, held-out compounds were wrong by {self.error_outside:.3g} on "
                f"average, within it by {self.error_inside:.3g} (p = {self.p_value:.3g}, {self.n:,} compounds)."
            )
        return (
            f"{1 - self.share_outside:.0%} of {self.n:,} training compounds have another one within a distance of "
            f"{self.distance:.2f}; whether errors grow beyond it is not known."
        )

    def to_json(self) -> dict[str, Any]:
        """The threshold as plain data, with its meaning in words."""
        return asdict(self) | {"meaning": self.meaning}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` gave."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__})


def error_threshold(distance: np.ndarray, error: np.ndarray, *, seed: int) -> Threshold | None:
    """Find the distance beyond which errors are larger.

    Of all places that leave 50 to 95 % of the compounds within, the one is taken that parts the ranks of the errors best (the
    largest standardized rank sum, Lausen and Schumacher 1992, doi:10.2307/2532740). Its p-value comes from shuffling the
    errors and choosing the best place again each time. Only ranks count, so one huge error decides nothing.

    Args:
        distance: Distance of each held-out compound to those that its model was fitted to, float, shape (n,).
        error: Its absolute error, float, shape (n,); NaN where there is none.
        seed: Seed of the shuffling, and of the 5,000 compounds that are looked at if there are more.

    Returns:
        None if there are fewer than 40 errors, if they do not grow significantly, or if all distances are equal.
    """
    known = np.flatnonzero(np.isfinite(error) & np.isfinite(distance))
    draw = rng(seed, "domain threshold")
    if len(known) > _MOST:
        known = np.sort(draw.choice(known, _MOST, replace=False))
    distance, error = np.asarray(distance, np.float64)[known], np.asarray(error, np.float64)[known]
    order = np.argsort(distance, kind="stable")
    distance, error = distance[order], error[order]
    cuts = _cuts(distance)
    if len(known) < FEWEST or not len(cuts):
        return None
    ranks = _ranks(error)
    growth = _growth(ranks[None, :], cuts)[0]
    shuffled = np.stack([draw.permutation(ranks) for _ in range(_SHUFFLES)])
    chance = (1 + int((_growth(shuffled, cuts).max(axis=1) >= growth.max() - 1e-9).sum())) / (1 + _SHUFFLES)
    inside = int(cuts[int(np.argmax(growth))])
    within, beyond = float(error[:inside].mean()), float(error[inside:].mean())
    if chance > SIGNIFICANT or beyond <= within:
        return None
    return Threshold(
        float(distance[inside - 1]), "error", 1 - inside / len(known), len(known), within, beyond, round(chance, 4)
    )


def quantile_threshold(own: np.ndarray, *, quantile: float = QUANTILE) -> Threshold:
    """The distance within which a share of the training compounds have their nearest neighbour in training.

    Args:
        own: Distance of each training compound to the nearest other one, float, shape (n,), n > 0.
        quantile: The share.
    """
    limit = float(np.quantile(np.asarray(own, np.float64), quantile, method="higher"))
    return Threshold(limit, "quantile", float((own > limit).mean()), len(own))


def _cuts(distance: np.ndarray) -> np.ndarray:
    """Numbers of compounds within, between distinct distances, int64."""
    n = len(distance)
    inside = np.arange(int(np.ceil(_CUTS[0] * n)), int(np.floor(_CUTS[1] * n)) + 1)
    inside = inside[(inside > 0) & (inside < n)]
    found: np.ndarray = inside[distance[inside - 1] < distance[np.minimum(inside, n - 1)]]
    return found


def _growth(ranks: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Standardized sum of the ranks beyond each cut, float64, shape (k, len(cuts)), for k orders of n ranks."""
    n = ranks.shape[1]
    within = np.cumsum(ranks, axis=1)[:, cuts - 1]
    beyond = ranks.sum(axis=1, keepdims=True) - within
    outside = n - cuts
    spread = np.sqrt(ranks[0].var() * cuts * outside / max(n - 1, 1))
    found: np.ndarray = (beyond - outside * ranks[0].mean()) / np.where(spread > 0, spread, np.inf)
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), np.float64)


__all__ = ["FEWEST", "QUANTILE", "SIGNIFICANT", "Threshold", "error_threshold", "quantile_threshold"]
