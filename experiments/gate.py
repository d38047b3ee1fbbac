"""The gate of promotion: a challenger against the champion on the same frozen test set.

Everything here is arithmetic on predictions; nothing touches a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from cinchona.models.calibration_error import calibration_error
from cinchona.models.intervals import Interval, paired_bootstrap
from cinchona.models.metrics import METRICS
from cinchona.records import Endpoint

MAIN_METRIC: Final = {"regression": "rmse", "classification": "pr_auc"}
"""Metric that decides, by the kind of the endpoint."""
FEWEST: Final = 20
"""Compounds that are needed to judge anything."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """When a challenger may become champion."""

    margin: float = 0.0
    """How much worse in the main metric the challenger may be at the lower end of the interval; 0 asks for better."""
    coverage_slack: float = 0.01
    """Share of test compounds that it may reject beyond those that the champion rejects."""
    calibration_slack: float = 0.05
    """How much larger its calibration error may be if chance could explain the difference."""
    samples: int = 2000
    """Bootstrap samples."""
    seed: int = 0
    """Seed of the bootstrap."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What one model says of the test set."""

    name: str
    endpoints: tuple[Endpoint, ...]
    value: np.ndarray
    """Predictions, float64, shape (n, t), in the unit of the endpoint; NaN where the model rejects the compound."""
    uncertainty: np.ndarray | None = None
    """Standard deviations, float64, shape (n, t)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question of the gate and its answer."""

    check: str
    target: str
    passed: bool
    challenger: float | None = None
    champion: float | None = None
    difference: float | None = None
    """Challenger minus champion, turned so that positive is better."""
    lower: float | None = None
    upper: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """All answers of the gate."""

    challenger: str
    champion: str
    n: int
    """Compounds of the test set."""
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def failures(self) -> str:
        """The failed checks in words."""
        return "; ".join(
            f"{c.check}{f' of {c.target}' if c.target else ''}: {c.note}" for c in self.checks if not c.passed
        )

    def table(self) -> pa.Table:
        """One row a check."""
        names = ("check", "target", "passed", "challenger", "champion", "difference", "lower", "upper", "note")
        kinds = {"passed": pa.bool_()} | dict.fromkeys(names[3:8], pa.float64())
        return pa.table({
            name: pa.array([getattr(c, name) for c in self.checks], kinds.get(name, pa.string())) for name in names
        })  # fmt: skip

    def tags(self) -> dict[str, str]:
        """The numbers as tags: ``gate.CHECK.TARGET``."""
        told = {f"gate.{c.check}.{c.target}" if c.target else f"gate.{c.check}": _sentence(c) for c in self.checks}
        return {"gate.champion": self.champion, "gate.n": str(self.n), **told}

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "challenger": self.challenger, "champion": self.champion, "n": self.n, "passed": self.passed,
            "checks": self.table().to_pylist(),
        }  # fmt: skip


def judge(
    labels: np.ndarray, targets: Sequence[str], challenger: Judged, champion: Judged, *, rules: GateRules
) -> Decision:
    """Compare two models on the same labels.

    The first target decides: the lower end of the paired 95 % interval of the improvement must lie above
    ``-rules.margin``. No other target may be shown to be worse (interval wholly below 0). Calibration may not be shown
    to be worse, nor be worse by more than the slack.

    Args:
        labels: float64, shape (n, t); NaN where nothing was measured.
        targets: The t measured endpoints, the decisive one first.
        challenger: Its predictions for the n compounds.
        champion: Those of the champion.
        rules: When to promote.
    """
    checks = [_check_endpoints(targets, challenger, champion), _check_coverage(challenger, champion, rules)]
    if checks[0].passed:
        for position, target in enumerate(targets):
            ends = _column(challenger, target), _column(champion, target)
            pair = _Pair.of(labels[:, position], (challenger, ends[0]), (champion, ends[1]))
            endpoint = challenger.endpoints[ends[0]]
            checks.append(_check_metric(pair, endpoint, rules, decisive=position == 0))
            checks.append(_check_calibration(pair, endpoint, rules))
    return Decision(challenger.name, champion.name, len(labels), tuple(checks))


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Labels and both models' figures where all three are known; each model's as (value, uncertainty), shape (m, 2)."""

    labels: np.ndarray
    first: np.ndarray
    second: np.ndarray
    known: tuple[bool, bool]

    @classmethod
    def of(cls, labels: np.ndarray, first: tuple[Judged, int], second: tuple[Judged, int]) -> _Pair:
        kept = np.isfinite(labels)
        both = []
        for model, column in (first, second):
            kept &= np.isfinite(model.value[:, column])
        for model, column in (first, second):
            spread = np.full(len(labels), np.nan) if model.uncertainty is None else model.uncertainty[:, column]
            both.append(np.column_stack([model.value[:, column], spread])[kept])
        known = tuple(bool(len(part)) and bool(np.isfinite(part[:, 1]).all()) for part in both)
        return cls(labels[kept].astype(np.float64), both[0], both[1], (known[0], known[1]))


def _column(model: Judged, target: str) -> int:
    names = [e.name for e in model.endpoints]
    return 0 if len(names) == 1 else names.index(target)


def _check_endpoints(targets: Sequence[str], challenger: Judged, champion: Judged) -> Check:
    known = {e.name: e for e in challenger.endpoints}
    wanted = [e for e in champion.endpoints if e.name in targets] or list(champion.endpoints)
    wrong = [e.name for e in wanted if known.get(e.name) != e] + [t for t in targets if t not in known]
    note = (
        f"{', '.join(dict.fromkeys(wrong))}: not predicted by the challenger in the same unit and direction"
        if wrong
        else ""
    )
    return Check("endpoints", "", passed=not wrong, note=note)


def _check_coverage(challenger: Judged, champion: Judged, rules: GateRules) -> Check:
    shares = [float(np.isfinite(m.value).any(axis=1).mean()) if len(m.value) else 0.0 for m in (challenger, champion)]
    passed = shares[0] >= shares[1] - rules.coverage_slack
    note = "" if passed else "the challenger rejects more of the test compounds"
    return Check("coverage", "", passed, shares[0], shares[1], shares[0] - shares[1], note=note)


def _check_metric(pair: _Pair, endpoint: Endpoint, rules: GateRules, *, decisive: bool) -> Check:
    metric = METRICS[MAIN_METRIC[endpoint.kind]]
    sign = 1.0 if metric.higher_is_better else -1.0
    if len(pair.labels) < FEWEST:
        note = f"only {len(pair.labels)} compounds have a label and both predictions, {FEWEST} are needed"
        return Check(metric.name, endpoint.name, not decisive, note=note)
    values = pair.first[:, 0], pair.second[:, 0]
    try:
        found = paired_bootstrap(metric.function, pair.labels, *values, seed=rules.seed, samples=rules.samples)
        figures = [metric.function(pair.labels, value) for value in values]
    except ValueError as error:
        return Check(metric.name, endpoint.name, passed=False, note=str(error))
    better = _turned(found, sign)
    passed = better.lower > -rules.margin if decisive else not better.upper < 0
    note = "" if passed else _why(better, rules, decisive=decisive)
    return _answer(metric.name, endpoint, better, (figures[0], figures[1]), passed=passed, note=note)


def _check_calibration(pair: _Pair, endpoint: Endpoint, rules: GateRules) -> Check:
    name, probabilities = "calibration", endpoint.kind == "classification"
    if not probabilities and not pair.known[1]:
        return Check(name, endpoint.name, passed=True, note="the champion gives no uncertainty; nothing to compare")
    if not probabilities and not pair.known[0]:
        return Check(name, endpoint.name, passed=False, note="the challenger gives no uncertainty, the champion does")
    if len(pair.labels) < FEWEST:
        return Check(name, endpoint.name, passed=True, note="too few compounds to compare")
    measure = calibration_error(endpoint.kind)
    found = paired_bootstrap(measure, pair.labels, pair.first, pair.second, seed=rules.seed, samples=rules.samples)
    figures = [measure(pair.labels, part) for part in (pair.first, pair.second)]
    better = _turned(found, -1.0)
    passed = not better.upper < 0 and better.estimate >= -rules.calibration_slack
    note = "" if passed else "the challenger is worse calibrated"
    return _answer(name, endpoint, better, (figures[0], figures[1]), passed=passed, note=note)


def _answer(
    name: str, endpoint: Endpoint, better: Interval, figures: tuple[float, float], *, passed: bool, note: str
) -> Check:
    first, second = figures
    return Check(name, endpoint.name, passed, first, second, better.estimate, better.lower, better.upper, note)


def _turned(found: Interval, sign: float) -> Interval:
    if sign > 0:
        return found
    return Interval(-found.estimate, -found.upper, -found.lower)


def _why(better: Interval, rules: GateRules, *, decisive: bool) -> str:
    if not decisive:
        return "the challenger is shown to be worse here"
    need = f"above {-rules.margin:g}" if rules.margin else "above 0"
    return f"the improvement is {better.estimate:.3g} [{better.lower:.3g}, {better.upper:.3g}]; its lower end must be {need}"


def _sentence(check: Check) -> str:
    figures = [
        f"{name} {value:.4g}"
        for name, value in (("challenger", check.challenger), ("champion", check.champion))
        if value is not None
    ]
    if check.difference is not None and check.lower is not None and check.upper is not None:
        figures.append(f"better by {check.difference:.4g} [{check.lower:.4g}, {check.upper:.4g}]")
    return ", ".join(["passed" if check.passed else "failed", *figures, *([check.note] if check.note else [])])[:500]


__all__ = ["Check", "Decision", "FEWEST", "GateRules", "Judged", "MAIN_METRIC", "judge"]
