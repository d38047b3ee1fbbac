"""Counting pairs, and saying exactly what was counted.

The cells of a pair (drug D, event R), for report counting:

* universe U: the reports that count at all, see :class:`Universe`; it does not depend on D or R;
* a: reports of U that list D in one of the chosen roles and list R; a report counts once however often it repeats them;
* b: reports of U that list D in a chosen role and do not list R;
* c: reports of U that list R and do not list D in a chosen role (D in another role does not make them exposed);
* d: reports of U with neither.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final, Literal

import numpy as np

from cinchona.errors import ConfigError, NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting import kernels
from cinchona.pharmacovigilance.signals.counting.incidence import Incidence
from cinchona.pharmacovigilance.signals.counting.pairs import Definition, PairCounts, Stratified
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports
from cinchona.pharmacovigilance.signals.counting.strata import Strata
from cinchona.settings import Config

MAX_STRATUM_CELLS: Final = 150_000_000
"""Largest table of margins by stratum, in cells of 8 bytes."""


class Universe(StrEnum):
    """Reports that make up the total."""

    COMPLETE = "complete"
    """Reports with at least one drug, in any role, and at least one event; the same for every choice of roles."""
    COUNTED = "counted"
    """Reports with at least one drug in the chosen roles and at least one event."""
    ALL = "all"
    """Every report of the input, also those without a drug or an event."""


_UNIVERSE_WORDS = {
    Universe.COMPLETE: "reports with at least one drug in any role and one event",
    Universe.COUNTED: "reports with at least one drug in the chosen roles and one event",
    Universe.ALL: "all reports",
}


class CountConfig(Config):
    """What is counted."""

    roles: tuple[str, ...] | None = None
    """Drug roles that make a report exposed, for example ``("PS", "SS")``; None takes every mention."""
    counting: Literal["reports", "mentions"] = "reports"
    """``reports`` counts distinct reports. ``mentions`` takes pair mentions as the unit: margins and total are sums of
    ``n`` over pairs, as PhViD does."""
    universe: Universe = Universe.COMPLETE
    """Which reports make up the total; has no effect on mentions."""


def count_pairs(reports: CaseReports, config: CountConfig | None = None, *, strata: Strata | None = None) -> PairCounts:
    """Count every pair that occurs, with its margins.

    Args:
        reports: The reports.
        config: What is counted; the default counts distinct reports, drugs in any role.
        strata: If given, expected counts are summed over these strata.

    Raises:
        NoUsableRowsError: if the universe is empty.
        ConfigError: if mentions are to be stratified, or the table of margins by stratum would not fit into memory.
    """
    wanted = config or CountConfig()
    if strata is not None and wanted.counting == "mentions":
        raise ConfigError("mentions cannot be stratified", expected="counting = reports with strata")
    exposed, mask = _universe(reports, wanted)
    inside = exposed if mask.all() else exposed.select(mask)
    drug_margin, event_margin, total = _margins(inside, wanted.counting)
    starts, cases = inside.drugs.transpose()
    drug, event, n = kernels.count_drug_rows(
        starts, cases, inside.events.offsets, inside.events.codes, inside.events.n_items
    )
    counts = PairCounts(
        reports.drug_labels, reports.event_labels, drug, event, n, drug_margin, event_margin, total,
        definition=_definition(wanted, strata),
    )  # fmt: skip
    return counts if strata is None else replace(counts, stratified=_stratified(inside, strata, mask))


def count_by(
    reports: CaseReports, strata: Strata, config: CountConfig | None = None, *, min_reports: int = 1
) -> dict[str, PairCounts]:
    """Count each stratum on its own: universe, margins and comparator are those of the stratum.

    Args:
        reports: The reports.
        strata: A stratum for each case.
        config: What is counted.
        min_reports: Strata with fewer reports in their universe are left out.

    Returns:
        Stratum name to counts; drug and event codes are those of ``reports`` in all of them.
    """
    found = {}
    for code, label in enumerate(strata.labels):
        part = reports.select(strata.mask(code))
        try:
            counts = count_pairs(part, config)
        except NoUsableRowsError:
            continue
        if counts.total >= min_reports:
            found[label] = replace(counts, definition=replace(counts.definition, strata=f"only {label}"))
    return found


def universe_of(reports: CaseReports, config: CountConfig) -> CaseReports:
    """Reports of the universe with their drugs in the chosen roles; codes and labels stay.

    Raises:
        NoUsableRowsError: if the universe is empty.
    """
    exposed, mask = _universe(reports, config)
    return exposed if mask.all() else exposed.select(mask)


def _universe(reports: CaseReports, config: CountConfig) -> tuple[CaseReports, np.ndarray]:
    exposed = reports.in_roles(config.roles)
    if config.universe is Universe.ALL:
        mask = np.ones(len(reports), bool)
    elif config.universe is Universe.COMPLETE:
        mask = reports.complete
    else:
        mask = (exposed.drugs.sizes > 0) & (exposed.events.sizes > 0)
    if not mask.any():
        raise NoUsableRowsError(
            "no report has both a drug and an event", where=f"roles {config.roles or 'any'}, {len(reports)} cases",
            expected="at least one report", remedy="check the case ids of the two tables and the roles",
        )  # fmt: skip
    return exposed, mask


def _margins(inside: CaseReports, counting: str) -> tuple[np.ndarray, np.ndarray, int]:
    if counting == "reports":
        return inside.drugs.case_counts(), inside.events.case_counts(), len(inside)
    drug_margin = np.zeros(inside.drugs.n_items, np.int64)
    event_margin = np.zeros(inside.events.n_items, np.int64)
    total = kernels.mention_margins(
        inside.drugs.offsets, inside.drugs.codes, inside.events.offsets, inside.events.codes,
        (drug_margin, event_margin),
    )  # fmt: skip
    return drug_margin, event_margin, int(total)


def _stratified(inside: CaseReports, strata: Strata, mask: np.ndarray) -> Stratified:
    codes = np.ascontiguousarray(strata.codes[mask])
    used, codes = np.unique(codes, return_inverse=True)
    return Stratified(
        _by_stratum(inside.drugs, codes, len(used)),
        _by_stratum(inside.events, codes, len(used)),
        np.bincount(codes, minlength=len(used)).astype(np.float64),
        tuple(strata.labels[k] for k in used),
    )


def _by_stratum(incidence: Incidence, codes: np.ndarray, n_strata: int) -> np.ndarray:
    if incidence.n_items * n_strata > MAX_STRATUM_CELLS:
        raise ConfigError(
            f"{incidence.n_items} names in {n_strata} strata are too many", expected=f"at most {MAX_STRATUM_CELLS} cells",
            remedy="code the drug names, or use fewer or wider strata",
        )  # fmt: skip
    table = np.zeros((incidence.n_items, n_strata))
    kernels.margins_by_stratum(incidence.offsets, incidence.codes, codes, table)
    return table


def _definition(config: CountConfig, strata: Strata | None) -> Definition:
    mentions = config.counting == "mentions"
    return Definition(
        counting=config.counting,
        roles="any" if config.roles is None else ", ".join(config.roles),
        universe="sum of all pair mentions" if mentions else _UNIVERSE_WORDS[config.universe],
        comparator="all other mentions" if mentions else "all other reports of the universe",
        strata="" if strata is None else " x ".join(strata.by),
    )
