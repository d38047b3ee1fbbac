"""Simulated reports with known truth, accruing over quarters; for demonstrations and for tests of time to detection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from cinchona.seeds import rng
from cinchona.settings import Config


class ReportSimulation(Config):
    """Size and truth of simulated reports."""

    reports: int = 20_000
    """Reports."""
    drugs: int = 120
    """Drugs."""
    events: int = 200
    """Events."""
    quarters: int = 8
    """Quarters over which they come in, evenly."""
    signals: int = 20
    """Pairs with a true association."""
    strength: float = 8.0
    """How many times more often a report on the drug has the event."""
    first_year: int = 2020
    """Year of the first quarter."""


@dataclass(frozen=True, slots=True)
class SimulatedReports:
    """Report tables with their truth."""

    drugs: pl.DataFrame
    """``case_id``, ``drug``, ``role``."""
    reactions: pl.DataFrame
    """``case_id``, ``event``."""
    cases: pl.DataFrame
    """``case_id``, ``date``, ``age_years``, ``sex``, ``country``, ``reporter``."""
    truth: pl.DataFrame
    """``drug``, ``event``, ``label``: the associated pairs (1) and as many unassociated ones (0)."""


def simulate_reports(config: ReportSimulation | None = None, *, seed: int = 0) -> SimulatedReports:
    """Draw reports whose events come from the profile of one of their drugs.

    A drug's profile is the frequency of each event times a background ratio Gamma(4, rate 4), times ``strength`` where
    the pair is a signal. The other drugs of the report are bystanders, as co-medication is.

    Args:
        config: Size and truth.
        seed: Seed of all draws.
    """
    c = config or ReportSimulation()
    stream = rng(seed, "simulate_reports")
    drug_share, event_share = _falling(c.drugs), _falling(c.events)
    truth = _truth(c, stream)
    case = np.repeat(np.arange(c.reports), 1 + stream.poisson(1.5, c.reports))
    drug = stream.choice(c.drugs, size=len(case), p=drug_share)
    cause = drug[np.append(True, np.diff(case) != 0)]  # the first drug of each report
    profiles = event_share * stream.gamma(4.0, 0.25, (c.drugs, c.events))
    profiles[truth[truth[:, 2] == 1, 0], truth[truth[:, 2] == 1, 1]] *= c.strength
    event_case, event = _events(profiles, cause, stream)
    names = [f"drug {k:03d}" for k in range(c.drugs)], [f"event {k:03d}" for k in range(c.events)]
    first = np.append(True, np.diff(case) != 0)
    role = np.where(first, "PS", stream.choice(["SS", "C"], size=len(drug), p=[0.3, 0.7]))
    return SimulatedReports(
        pl.DataFrame({"case_id": case, "drug": np.array(names[0])[drug], "role": role}),
        pl.DataFrame({"case_id": event_case, "event": np.array(names[1])[event]}),
        _cases(c, stream),
        pl.DataFrame({"drug": np.array(names[0])[truth[:, 0]], "event": np.array(names[1])[truth[:, 1]],
                      "label": truth[:, 2]}),
    )  # fmt: skip


def _falling(size: int) -> np.ndarray:
    share = 1.0 / np.arange(2, size + 2) ** 0.8
    return np.asarray(share / share.sum())


def _truth(c: ReportSimulation, stream: np.random.Generator) -> np.ndarray:
    chosen = stream.choice(c.drugs * c.events, size=2 * c.signals, replace=False)
    label = np.repeat([1, 0], c.signals)
    return np.column_stack([chosen // c.events, chosen % c.events, label])


def _events(profiles: np.ndarray, cause: np.ndarray, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    case = np.repeat(np.arange(len(cause)), 1 + stream.poisson(1.0, len(cause)))
    limits = np.cumsum(profiles, axis=1)
    uniform = stream.random(len(case))
    event = np.empty(len(case), np.int64)
    for drug in range(len(profiles)):
        rows = np.flatnonzero(cause[case] == drug)
        event[rows] = np.searchsorted(limits[drug], uniform[rows] * limits[drug, -1])
    return case, event


def _cases(c: ReportSimulation, stream: np.random.Generator) -> pl.DataFrame:
    quarter = np.arange(c.reports) * c.quarters // c.reports
    days = [date(c.first_year + q // 4, 3 * (q % 4) + 1, 15) for q in quarter]
    age = np.clip(stream.normal(52, 20, c.reports), 0, 100).round()
    sex = stream.choice(["F", "M", ""], size=c.reports, p=[0.55, 0.38, 0.07])
    return pl.DataFrame({
        "case_id": np.arange(c.reports), "date": days,
        "age_years": pl.Series(np.where(stream.random(c.reports) < 0.2, np.nan, age)).fill_nan(None),
        "sex": pl.Series(sex).replace("", None),
        "country": stream.choice(["US", "GB", "DE", "JP"], size=c.reports, p=[0.6, 0.2, 0.1, 0.1]),
        "reporter": stream.choice(["MD", "CN", "PH"], size=c.reports, p=[0.4, 0.45, 0.15]),
    })  # fmt: skip
