"""Fitting the prior: several starts, honest status, standard errors from the observed information."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from scipy.optimize import minimize

from cinchona.errors import NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.errors import PriorNotUsableError
from cinchona.pharmacovigilance.signals.gps.cells import BIN_WIDTH, EXACT_POINTS, CellGroups, seen_cells, zero_cells
from cinchona.pharmacovigilance.signals.gps.likelihood import (
    Objective,
    from_coordinates,
    objective,
    to_coordinates,
)
from cinchona.pharmacovigilance.signals.gps.prior import PARAMETERS, GammaMixture, PriorLikelihood

logger = logging.getLogger(__name__)

STARTS: Final = (
    GammaMixture(0.2, 0.1, 2.0, 4.0, 1 / 3),
    GammaMixture(0.5, 0.2, 2.0, 2.0, 0.1),
    GammaMixture(3.0, 0.5, 2.0, 2.0, 0.05),
    GammaMixture(0.1, 0.05, 1.0, 1.0, 0.1),
    GammaMixture(10.0, 2.0, 5.0, 5.0, 0.02),
)
"""Starting points; the first is DuMouchel's of 1999."""

LOWER: Final = np.array([*np.log([1e-4] * 4), -13.8])
"""Least coordinates: shapes and rates of 1e-4, a weight of 1e-6."""
UPPER: Final = np.array([*np.log([1e4] * 4), 13.8])
"""Largest coordinates: shapes and rates of 1e4, a weight of 1 - 1e-6."""
_AT_BOUND: Final = 0.02
"""Distance to a bound, in coordinates, at which a parameter counts as on it."""
_AGREE: Final = 1e-3
"""Starts whose negative log-likelihoods differ by less than this agree."""
_DECREMENT: Final = 1e-4
"""A fit has converged when a Newton step would move it by less than this many standard errors."""


class FitStatus(StrEnum):
    """Whether a prior fit may be used."""

    CONVERGED = "converged"
    """An interior maximum."""
    BOUNDARY = "boundary"
    """A parameter ended on its bound: the likelihood has no interior maximum here."""
    NOT_IDENTIFIED = "not_identified"
    """The maximum is flat: two components cannot be told apart in these data."""
    NOT_CONVERGED = "not_converged"
    """The optimiser stopped before the gradient vanished."""


@dataclass(frozen=True, slots=True)
class Start:
    """How the fit went from one starting point."""

    begin: GammaMixture
    """Where it began."""
    end: GammaMixture
    """Where it ended."""
    negative_log_likelihood: float
    """Value at the end."""


@dataclass(frozen=True, slots=True)
class PriorFit:
    """A fitted prior with everything needed to trust it, or not."""

    prior: GammaMixture
    """The estimate; the component of the larger mean comes first."""
    likelihood: PriorLikelihood
    """What was maximised."""
    status: FitStatus
    """Whether it may be used."""
    negative_log_likelihood: float
    """At the estimate, over the grouped cells, without constants dropped."""
    standard_errors: tuple[float, ...]
    """Of the five parameters, from the observed information; NaN when the status is not ``converged``."""
    at_bound: tuple[str, ...]
    """Parameters on a bound."""
    n_cells: float
    """Cells that the likelihood covers."""
    n_points: int
    """Weighted points that stood for them."""
    grouping: str
    """``exact``, or the width of the bins of log E."""
    grouping_error: float
    """Newton step, in standard errors, that half the bin width would add; 0 for an exact grouping, NaN for a fit that
    is not usable."""
    starts: tuple[Start, ...]
    """All starts, the best first."""

    @property
    def usable(self) -> bool:
        """True when the fit is an interior maximum."""
        return self.status is FitStatus.CONVERGED

    @property
    def agreeing_starts(self) -> int:
        """Starts that reached the best value."""
        best = self.starts[0].negative_log_likelihood
        return sum(s.negative_log_likelihood - best < _AGREE for s in self.starts)

    def use(self, *, accept: Collection[FitStatus | str] = ()) -> GammaMixture:
        """Return the prior if the fit is usable or its status is in ``accept``.

        Raises:
            PriorNotUsableError: otherwise, with the reason and what can be done.
        """
        if self.usable or self.status in {FitStatus(status) for status in accept}:
            return self.prior
        raise PriorNotUsableError(
            self.verdict, where=f"likelihood {self.likelihood.value}, {self.n_cells:.0f} cells",
            expected="an interior maximum", remedy=self.remedy,
        )  # fmt: skip

    @property
    def verdict(self) -> str:
        """Whether the fit may be used and why, in one sentence that needs no other."""
        word = "usable" if self.usable else "not usable"
        return f"the prior fit is {word} ({self.status.value}): {self.explanation}"

    @property
    def remedy(self) -> str:
        """What to do about a fit that is not usable."""
        truncated = self.likelihood is not PriorLikelihood.ALL_CELLS
        other = "fit all_cells (prior=all_cells), " if truncated else "count more reports, "
        return (
            f"{other}rank by measures without a prior (ror, ic), take a prior fitted elsewhere, or accept it in so many "
            f"words: accept=({self.status.value!r},), on the command line --set accept=[{self.status.value}]"
        )

    @property
    def explanation(self) -> str:
        """The status in words."""
        if self.status is FitStatus.BOUNDARY:
            return f"{', '.join(self.at_bound)} ended on the bound of the search"
        if self.status is FitStatus.NOT_IDENTIFIED:
            return "the likelihood is flat at its maximum, the two components cannot be told apart"
        if self.status is FitStatus.NOT_CONVERGED:
            return "the optimiser stopped before the gradient vanished"
        return f"interior maximum, reached from {self.agreeing_starts} of {len(self.starts)} starts"

    def summary(self) -> dict[str, object]:
        """Flat figures for reports, trackers and JSON."""
        names = dict(zip(PARAMETERS, self.prior.vector, strict=True))
        errors = {f"{n}_se": e for n, e in zip(PARAMETERS, self.standard_errors, strict=True) if np.isfinite(e)}
        return {
            **names, **errors, "status": self.status.value, "likelihood": self.likelihood.value,
            "negative_log_likelihood": self.negative_log_likelihood, "explanation": self.explanation,
            "n_cells": self.n_cells, "n_points": self.n_points, "grouping": self.grouping,
            "grouping_error": self.grouping_error if math.isfinite(self.grouping_error) else None, "agreeing_starts": self.agreeing_starts,
        }  # fmt: skip


def fit_prior(
    counts: PairCounts,
    likelihood: PriorLikelihood | str = PriorLikelihood.ALL_CELLS,
    *,
    starts: Sequence[GammaMixture] = STARTS,
    exact_points: int = EXACT_POINTS,
) -> PriorFit:
    """Fit the prior to a table of counts.

    Args:
        counts: Counts of the whole table.
        likelihood: Which of the three models.
        starts: Starting points.
        exact_points: Up to so many distinct (n, E) cells are grouped exactly, above by moments.

    Raises:
        InputError: if ``counts`` is a selection and zero cells are needed.
        NoUsableRowsError: if no pair was reported.
    """
    kind = PriorLikelihood(likelihood)
    if len(counts) == 0:
        raise NoUsableRowsError("a prior cannot be fitted to no pair", expected="counts with at least one pair")

    def group(width: float) -> CellGroups:
        seen = seen_cells(counts.n, counts.expected, exact_points=exact_points, width=width)
        if kind is not PriorLikelihood.ALL_CELLS:
            return seen
        return seen.joined(zero_cells(counts, exact_points=exact_points, width=width))

    groups = group(BIN_WIDTH)
    fit = fit_groups(groups, kind, starts=starts)
    if groups.exact:
        return fit
    finer = objective(group(BIN_WIDTH / 2.0), kind)
    error = _decrement(finer, fit.prior) if fit.usable else math.nan
    return replace(fit, grouping=f"bins of {BIN_WIDTH:g} in log E", grouping_error=error)


def fit_groups(
    groups: CellGroups, likelihood: PriorLikelihood | str, *, starts: Sequence[GammaMixture] = STARTS
) -> PriorFit:
    """Fit the prior to weighted cells; for tables of (n, E) without margins use the truncated likelihoods.

    Zero cells in ``groups`` are meaningful for ``all_cells`` only; the truncated likelihoods want ``n`` >= 1.
    """
    kind = PriorLikelihood(likelihood)
    function = objective(groups, kind)
    ended = sorted((_run(function, start) for start in starts), key=lambda s: s.negative_log_likelihood)
    best = ended[0]
    prior = best.end.ordered()
    at_bound = _at_bound(best.end)
    status, errors = _judge(function, prior, at_bound)
    fit = PriorFit(
        prior, kind, status, best.negative_log_likelihood, errors, at_bound, groups.n_cells, len(groups),
        "exact" if groups.exact else "grouped by the caller", 0.0, tuple(ended),
    )  # fmt: skip
    if not fit.usable:
        logger.warning("%s (likelihood %s, %.0f cells)", fit.verdict, kind.value, fit.n_cells)
    return fit


def _run(function: Objective, begin: GammaMixture) -> Start:
    bounds = list(zip(LOWER, UPPER, strict=True))
    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7, "maxcor": 20}
    found = minimize(function, to_coordinates(begin), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    x = _polish(function, found.x)
    return Start(begin, from_coordinates(x), function(x)[0])


def _polish(function: Objective, x: np.ndarray) -> np.ndarray:
    """Newton steps from the optimiser's end while they lower the value; leaves points on a bound where they are."""
    value, gradient = function(x)
    for _ in range(20):
        if _on_bound(x).any():
            return x
        curvature, vectors = np.linalg.eigh(_hessian(function, x))
        if curvature.min() <= 0:
            return x
        step = -vectors @ ((vectors.T @ gradient) / curvature)
        trial = np.clip(x + np.clip(step, -1.0, 1.0), LOWER, UPPER)
        new_value, new_gradient = function(trial)
        if not new_value <= value:
            return x
        x, value, gradient = trial, new_value, new_gradient
        if np.abs(step).max() < 1e-10:
            return x
    return x


def _hessian(function: Objective, x: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Hessian by central differences of the analytic gradient, symmetric, float64, shape (5, 5)."""
    rows = []
    for k in range(len(x)):
        shift = np.zeros(len(x))
        shift[k] = step
        rows.append((function(x + shift)[1] - function(x - shift)[1]) / (2.0 * step))
    matrix = np.array(rows)
    return np.asarray((matrix + matrix.T) / 2.0)


def _judge(function: Objective, prior: GammaMixture, at_bound: tuple[str, ...]) -> tuple[FitStatus, tuple[float, ...]]:
    unknown = (float("nan"),) * len(PARAMETERS)
    if at_bound:
        return FitStatus.BOUNDARY, unknown
    x = to_coordinates(prior)
    gradient = function(x)[1]
    information = _hessian(function, x)
    curvature = np.linalg.eigvalsh(information)
    if curvature[0] <= 1e-9 * curvature[-1]:
        return FitStatus.NOT_IDENTIFIED, unknown
    if np.sqrt(gradient @ np.linalg.solve(information, gradient)) > _DECREMENT:
        return FitStatus.NOT_CONVERGED, unknown
    theta = np.array(prior.vector)
    slope = np.array([*theta[:4], theta[4] * (1.0 - theta[4])])  # d theta / d coordinate
    # At a maximum the observed information transforms by the slopes alone.
    covariance = np.linalg.inv(information) * np.outer(slope, slope)
    return FitStatus.CONVERGED, tuple(np.sqrt(np.diag(covariance)).tolist())


def _decrement(function: Objective, prior: GammaMixture) -> float:
    """Length of the Newton step at ``prior``, in standard errors."""
    x = to_coordinates(prior)
    gradient = function(x)[1]
    square = float(gradient @ np.linalg.solve(_hessian(function, x), gradient))
    return math.sqrt(max(square, 0.0))


def _on_bound(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - LOWER < _AT_BOUND) | (UPPER - x < _AT_BOUND))


def _at_bound(prior: GammaMixture) -> tuple[str, ...]:
    hit = _on_bound(to_coordinates(prior))
    names = list(PARAMETERS)
    if prior.ordered() is not prior:
        names = ["alpha2", "beta2", "alpha1", "beta1", "weight"]
    return tuple(sorted(name for name, on in zip(names, hit, strict=True) if on))
