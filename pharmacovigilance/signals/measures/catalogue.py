"""Every measure under its name. Whatever is known of a measure stands in its one record here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.gps.curves import quantile
from cinchona.pharmacovigilance.signals.gps.posterior import posterior, probability_below
from cinchona.pharmacovigilance.signals.measures import frequentist, hypergeometric, information, kernels, multiplicity
from cinchona.pharmacovigilance.signals.measures.information import Interval
from cinchona.pharmacovigilance.signals.measures.record import Measure, Scored
from cinchona.pharmacovigilance.signals.naming import nearest_names

_EVANS: Final = ("Evans, Waller, Davis 2001, Pharmacoepidemiol Drug Saf 10:483", "10.1002/pds.677")
_PUIJENBROEK: Final = ("van Puijenbroek et al. 2002, Pharmacoepidemiol Drug Saf 11:3", "10.1002/pds.668")
_NOREN_2013: Final = ("Norén, Hopstadius, Bate 2013, Stat Methods Med Res 22:57", "10.1177/0962280211403604")
_GOULD: Final = ("Gould 2003, Pharmacoepidemiol Drug Saf 12:559", "10.1002/pds.771")
_BATE: Final = ("Bate et al. 1998, Eur J Clin Pharmacol 54:315", "10.1007/s002280050466")
_DUMOUCHEL: Final = ("DuMouchel 1999, Am Stat 53:177", "10.1080/00031305.1999.10474456")
_AHMED_2009: Final = ("Ahmed et al. 2009, Stat Med 28:1774", "10.1002/sim.3586")
_AHMED_2010: Final = ("Ahmed et al. 2010, Biometrics 66:301", "10.1111/j.1541-0420.2009.01262.x")


def _bounds(interval: Interval) -> tuple[np.ndarray, ...]:
    return interval.value, interval.lower, interval.upper


def _rrr(s: Scored) -> np.ndarray:
    return np.asarray(np.divide(s.n, s.expected, out=np.full(len(s.expected), np.nan), where=s.expected > 0))


def _fisher(s: Scored) -> tuple[np.ndarray, ...]:
    c = s.cells
    log10_p, mid, _ = hypergeometric.fisher_tails(c.a, c.b, c.c, c.d)
    return 10.0**log10_p, 0.0 - log10_p, mid


def _bcpnn(s: Scored) -> tuple[np.ndarray, ...]:
    mean, variance = information.bcpnn_moments(s.cells)
    deviation = np.sqrt(variance)
    half = float(ndtri(0.975)) * deviation
    return mean, mean - half, mean + half, np.asarray(ndtr(-mean / deviation))


def _gps(s: Scored) -> tuple[np.ndarray, ...]:
    found = posterior(s.prior, s.n, s.expected)
    low, high = (quantile(s.prior, s.n, s.expected, p) for p in (0.05, 0.95))
    return found.ebgm, low, high, found.q


def _gps_fdr(s: Scored) -> tuple[np.ndarray, ...]:
    null = probability_below(s.prior, s.n, s.expected)
    return multiplicity.bayesian_rates(null).fdr, null


def _one(figure: Callable[[Scored], np.ndarray]) -> Callable[[Scored], tuple[np.ndarray, ...]]:
    return lambda s: (figure(s),)


CATALOGUE: Final = (
    Measure(
        "rrr", "Relative reporting ratio", ("rrr",), "a / E", "[0, inf)", 1.0,
        "Observed over expected; with stratified counts E is summed over strata (Mantel-Haenszel style). No interval.",
        *_DUMOUCHEL, _one(_rrr),
    ),
    Measure(
        "prr", "Proportional reporting ratio", ("prr", "prr025", "prr975"), "(a / (a + b)) / (c / (c + d))",
        "[0, inf]", 1.0, "95 % log-normal interval; infinite at c = 0, bounds NaN at a = 0 or c = 0.",
        *_EVANS, lambda s: _bounds(frequentist.proportional_reporting_ratio(s.cells)),
    ),
    Measure(
        "ror", "Reporting odds ratio", ("ror", "ror025", "ror975"), "a d / (b c)", "[0, inf]", 1.0,
        "95 % Woolf interval; infinite at b c = 0, bounds NaN when a cell is 0.",
        *_PUIJENBROEK, lambda s: _bounds(frequentist.reporting_odds_ratio(s.cells)),
    ),
    Measure(
        "ror_haldane", "Reporting odds ratio, Haldane-Anscombe", ("ror_haldane", "ror_haldane025", "ror_haldane975"),
        "(a + .5)(d + .5) / ((b + .5)(c + .5))", "(0, inf)", 1.0, "Half a report added to each cell; 95 % interval.",
        "Haldane 1956, Ann Hum Genet 20:309", "10.1111/j.1469-1809.1955.tb01285.x",
        lambda s: _bounds(frequentist.reporting_odds_ratio(s.cells, correction=0.5)),
    ),
    Measure(
        "chi2", "Chi-squared", ("chi2",), "N (a d - b c)^2 / ((a+b)(c+d)(a+c)(b+d))", "[0, inf)", 0.0,
        "Pearson, no continuity correction, 1 degree of freedom, two-sided.",
        *_PUIJENBROEK, _one(lambda s: frequentist.chi_squared(s.cells)),
    ),
    Measure(
        "chi2_yates", "Chi-squared with Yates's correction", ("chi2_yates",),
        "N max(|a d - b c| - N / 2, 0)^2 / ((a+b)(c+d)(a+c)(b+d))", "[0, inf)", 0.0,
        "Yates's correction, 1 degree of freedom, two-sided.",
        *_EVANS, _one(lambda s: frequentist.chi_squared(s.cells, yates=True)),
    ),
    Measure(
        "fisher", "Fisher's exact test", ("fisher_p", "fisher_log10p", "fisher_mid_p"), "P(A >= a | margins)",
        "[0, 1]", None, "One-sided for an excess; -log10 p beside it, since p underflows; mid-P counts half of P(A = a).",
        *_AHMED_2010, _fisher,
    ),
    Measure(
        "fisher_two_sided", "Fisher's exact test, two-sided", ("fisher_two_sided_p",), "sum of P(k) <= P(a)", "[0, 1]",
        None, "Adds all tables at most as likely as the one seen.", *_PUIJENBROEK,
        _one(lambda s: frequentist.fisher(s.cells, alternative="two_sided")),
    ),
    Measure(
        "fisher_fdr", "False discovery rate of Fisher's test", ("fisher_fdr", "fisher_bh"),
        "pi0 p / (rank / n), pi0 by location based estimation", "[0, 1]", None,
        "Of one-sided p-values over all pairs scored together; Benjamini-Hochberg adjusted p-value beside it.",
        *_AHMED_2010,
        lambda s: (multiplicity.one_sided_fdr(p := _fisher(s)[0]), multiplicity.benjamini_hochberg(p)),
    ),
    Measure(
        "ic", "Information component", ("ic", "ic025", "ic975"), "log2((n + .5) / (E + .5))", "(-inf, inf)", 0.0,
        "Shrunk by half a report; exact 95 % gamma credibility interval.",
        *_NOREN_2013, lambda s: _bounds(information.ic(s.n, s.expected)),
    ),
    Measure(
        "ic_approximate", "Information component, closed-form bounds",
        ("ic_approximate", "ic_approximate025", "ic_approximate975"), "log2((n + .5) / (E + .5))", "(-inf, inf)", 0.0,
        "95 % bounds IC - 3.3 m^-1/2 - 2 m^-3/2 and IC + 2.4 m^-1/2 - 0.5 m^-3/2, m = n + .5.",
        *_NOREN_2013, lambda s: _bounds(information.ic_approximate(s.n, s.expected)),
    ),
    Measure(
        "bcpnn", "BCPNN information component, normal approximation",
        ("bcpnn_ic", "bcpnn_ic025", "bcpnn_ic975", "bcpnn_null"),
        "posterior mean of log2(p11 / (p1. p.1)), beta priors", "(-inf, inf)", 0.0,
        "Digamma means and trigamma variances, normal 95 % bounds; posterior probability of IC <= 0 beside them.",
        *_GOULD, _bcpnn,
    ),
    Measure(
        "bcpnn_bate", "BCPNN information component of 1998",
        ("bcpnn_bate_ic", "bcpnn_bate_ic025", "bcpnn_bate_ic975"),
        "log2 of the ratio of posterior means, one pseudo-report", "(-inf, inf)", 0.0,
        "Delta-method variance, normal 95 % bounds.", *_BATE,
        lambda s: _bounds(information.bcpnn_bate(s.cells)),
    ),
    Measure(
        "bcpnn_fdr", "False discovery rate of the BCPNN", ("bcpnn_fdr",), "mean of P(IC <= 0) over the pairs above",
        "[0, 1]", None, "Bayesian; pairs ranked by their posterior null probability.", *_AHMED_2009,
        _one(lambda s: multiplicity.bayesian_rates(_bcpnn(s)[3]).fdr),
    ),
    Measure(
        "gps", "Empirical Bayes geometric mean", ("ebgm", "eb05", "eb95", "gps_q"),
        "exp(E[log lambda | n])", "(0, inf)", 1.0,
        "Gamma-Poisson shrinker; eb05 and eb95 are the 5 % and 95 % posterior quantiles, gps_q the posterior weight of "
        "the component of the larger mean. The likelihood that the prior was fitted by is part of the convention.",
        *_DUMOUCHEL, _gps, needs_prior=True,
    ),
    Measure(
        "gps_fdr", "False discovery rate of the gamma-Poisson shrinker", ("gps_fdr", "gps_null"),
        "mean of P(lambda <= 1 | n) over the pairs above", "[0, 1]", None,
        "Bayesian; pairs ranked by their posterior null probability, which is the local rate beside it.",
        *_AHMED_2009, _gps_fdr, needs_prior=True,
    ),
    Measure(
        "lrt", "Log likelihood ratio", ("lrt",), "n log(n / E) - (n - E) if n > E, else 0", "[0, inf)", 0.0,
        "Poisson; p-values come from likelihood_ratio_test, which simulates the family's maximum.",
        "Huang, Zalkikar, Tiwari 2011, J Am Stat Assoc 106:1230", "10.1198/jasa.2011.ap10243",
        _one(lambda s: kernels.poisson_log_ratio(s.n.astype(np.float64), s.expected)),
    ),
)  # fmt: skip
"""All measures, closed forms first."""

MEASURES: Final[Mapping[str, Measure]] = MappingProxyType({measure.name: measure for measure in CATALOGUE})
"""Measure by name."""

COLUMNS: Final[Mapping[str, Measure]] = MappingProxyType({c: measure for measure in CATALOGUE for c in measure.columns})
"""Measure by the columns that it adds."""

DEFAULT_MEASURES: Final = ("rrr", "prr", "ror", "chi2", "chi2_yates", "ic", "gps")
"""Measures of a table when none are named."""


def measure(name: str) -> Measure:
    """Look a measure up by its name or by a column that it adds.

    Raises:
        UnknownNameError: with the nearest names.
    """
    found = MEASURES.get(name) or COLUMNS.get(name)
    if found is None:
        near = nearest_names(name, [*MEASURES, *COLUMNS])
        raise UnknownNameError(
            f"no measure is called {name!r}", expected=", ".join(MEASURES),
            remedy=f"did you mean {', '.join(near)}?" if near else "",
        )  # fmt: skip
    return found


def conventions(names: Iterable[str] | None = None) -> pl.DataFrame:
    """Table of measures with their conventions, for methods sections; None lists all."""
    chosen = CATALOGUE if names is None else tuple(measure(name) for name in names)
    fields = ("name", "title", "formula", "value_range", "null_value", "convention", "citation", "doi")
    rows = [{f: getattr(m, f) for f in fields} | {"columns": ", ".join(m.columns)} for m in chosen]
    return pl.DataFrame(rows, schema_overrides={"null_value": pl.Float64})
