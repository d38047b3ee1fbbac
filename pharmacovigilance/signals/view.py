"""The signals of a report store: ``open(store).signals(drug=…, event=…, by=…)``."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, Self, TypeVar

import numpy as np
import polars as pl
from pydantic import Field

from cinchona.pharmacovigilance.signals.counting.comparators import reports_of_class
from cinchona.pharmacovigilance.signals.counting.count import CountConfig, count_by, count_pairs
from cinchona.pharmacovigilance.signals.counting.grouping import group_events
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports
from cinchona.pharmacovigilance.signals.counting.strata import stratify
from cinchona.pharmacovigilance.signals.counting.tables import CountColumns
from cinchona.pharmacovigilance.signals.counting.timeline import timeline
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus, PriorFit, fit_prior
from cinchona.pharmacovigilance.signals.gps.prior import PriorLikelihood
from cinchona.pharmacovigilance.signals.measures.catalogue import DEFAULT_MEASURES, measure
from cinchona.pharmacovigilance.signals.scoring import SignalTable, score
from cinchona.pharmacovigilance.signals.store_source import reports_of_view
from cinchona.settings import Config

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.store import ReportStore

logger = logging.getLogger(__name__)

V = TypeVar("V", bound="PairView")
KEPT_VIEWS: Final = 3
"""Views that an opened store keeps."""
Names = str | Sequence[str] | None
"""One name, several, or None for all."""


class SignalSettings(Config):
    """How a store is counted and scored."""

    duplicates: Literal["linked", "keep"] | None = None
    """``linked`` counts one report of each group of linked duplicates, ``keep`` all; None links where the store has a
    run of ``dedupe``."""
    drug_names: str = "ingredient"
    """What a drug is: ``ingredient``, ``name``, ``substance`` or ``verbatim``."""
    reactions: str = "term"
    """What an event is: ``term``, ``group`` or ``verbatim``."""
    count: CountConfig = Field(default_factory=CountConfig)
    """Roles, unit and universe of the counts."""
    compare_within: tuple[str, ...] = ()
    """Drugs of a class that are compared with each other only, in the reports that list one of them; none: every drug
    is compared with all other reports."""
    strata: tuple[str, ...] = ()
    """Case facts that expected counts are stratified by, for example ``["age", "sex", "year"]``; none: crude."""
    measures: tuple[str, ...] = DEFAULT_MEASURES
    """Measures of the table."""
    prior: PriorLikelihood = PriorLikelihood.ALL_CELLS
    """Likelihood that the prior of the gamma-Poisson shrinker is fitted by."""
    accept: tuple[FitStatus, ...] = ()
    """Statuses of an unusable prior fit that are used all the same."""
    unusable_prior: Literal["blank", "raise"] = "blank"
    """What an unusable prior fit does: ``blank`` leaves the columns that need it empty and says so, ``raise`` stops.
    Rules that need a prior always stop."""
    min_reports: int = Field(1, ge=1)
    """Pairs with fewer reports are counted for margins and prior but not listed."""
    table: CountColumns = Field(default_factory=CountColumns)
    """Columns of a table of counts, where one stands in place of a store and its headers are not the usual ones."""


class PairView(ABC):
    """Counts and scores under one group of settings; what is costly is done once."""

    settings: SignalSettings
    """How the pairs are counted and scored."""

    @property
    @abstractmethod
    def counts(self) -> PairCounts:
        """Counts of all pairs, with their margins."""

    @abstractmethod
    def with_settings(self, **changes: object) -> Self:
        """The same pairs under other settings that do not change the counts or the prior, both of which are kept."""

    @abstractmethod
    def strata(self, by: Sequence[str]) -> dict[str, PairCounts]:
        """Counts of each stratum on its own.

        Raises:
            ColumnError: if there is no such fact.
        """

    @abstractmethod
    def over_time(self, drug: str, event: str) -> pl.DataFrame:
        """One pair by quarter, as :func:`~cinchona.pharmacovigilance.signals.counting.timeline.timeline` gives it.

        Raises:
            ColumnError: if there are no dates.
        """

    @abstractmethod
    def with_event_groups(self, groups: Mapping[str, Sequence[str]]) -> PairView:
        """The same with further events, each a list of terms.

        Raises:
            InputError: if no term of a group occurs.
            UsageError: if the counts cannot be regrouped.
        """

    @cached_property
    def prior(self) -> PriorFit:
        """Prior fitted to the whole table."""
        return fit_prior(self.counts, self.settings.prior)

    def with_measures(self, names: Iterable[str]) -> Self:
        """The same view with further measures; counts and prior are kept."""
        measures = tuple(dict.fromkeys([*self.settings.measures, *names]))
        self._make(measures)
        return self.with_settings(measures=measures)

    def _make(self, measures: Iterable[str]) -> None:
        """Count and, where a measure needs it, fit now: all views that come from this one share what it holds."""
        needed = ("counts", "prior") if any(measure(name).needs_prior for name in measures) else ("counts",)
        for name in needed:
            getattr(self, name)

    def signals(self, drug: Names = None, event: Names = None, by: Names = None) -> pl.DataFrame:
        """Score drug-event pairs.

        Each row is a 2x2 table of reports (or mentions, if the settings say so): ``n`` with drug and event, ``n_drug``
        with the drug, ``n_event`` with the event, ``n_total`` in the universe, ``expected`` under independence
        (n_drug n_event / n_total, or its sum over strata). Then ``sparse`` (an expected cell is below 5, so
        large-sample intervals do not hold) and the columns of the measures; ``conventions()`` gives formula, range, null
        value and citation of each.

        Args:
            drug: One drug or several; None for all.
            event: One event or several; None for all.
            by: ``age``, ``sex``, ``year``, ``quarter``, ``country``, ``reporter`` or another fact of the cases, or
                several: every stratum is then counted on its own, with the universe, comparator and margins of the
                stratum, and named in a first column. ``ebgm`` and its bounds still use the prior of the whole table.

        Returns:
            One row a pair (and stratum), ordered by drug and event. When drugs and events are both named, every
            combination has a row, also with ``n`` = 0; otherwise only reported pairs have.

        Raises:
            UnknownNameError: if a drug, event or measure does not exist; the message offers the nearest names.
            PriorNotUsableError: if the prior fit ended on a bound or did not converge, ``accept`` does not name that,
                and the settings say that this stops.
        """
        if by is None:
            return self.table(drug, event).frame
        kinds = [by] if isinstance(by, str) else list(by)
        parts = []
        for label, counts in self.strata(kinds).items():
            table = self._score(counts, drug, event)
            parts.append(table.frame.select(pl.lit(label).alias("_".join(kinds)), pl.all()))
        return pl.concat(parts) if parts else self.table(drug, event).frame.clear()

    def table(self, drug: Names = None, event: Names = None) -> SignalTable:
        """Score drug-event pairs as :meth:`signals` does, and keep how it was done beside the frame."""
        return self._score(self.counts, drug, event)

    @property
    def prior_is_missing(self) -> bool:
        """True when the prior fit is unusable and the settings do not accept its status."""
        return not self.prior.usable and self.prior.status not in self.settings.accept

    def require_prior(self) -> None:
        """Stop if the prior fit may not be used.

        Raises:
            PriorNotUsableError: with the reason and what can be done.
        """
        self.prior.use(accept=self.settings.accept)

    def _score(self, counts: PairCounts, drug: Names, event: Names) -> SignalTable:
        picked = self._pick(counts, drug, event)
        wanted = [measure(name) for name in self.settings.measures]
        if not any(m.needs_prior for m in wanted):
            return replace(score(picked, self.settings.measures), definition=counts.definition)
        if self.settings.unusable_prior == "raise" or not self.prior_is_missing:
            table = score(picked, self.settings.measures, prior=self.prior, accept=self.settings.accept)
            return replace(table, definition=counts.definition)
        self._say_that_columns_are_empty()
        table = score(picked, [m.name for m in wanted if not m.needs_prior] or ["rrr"])
        empty = [pl.lit(None, pl.Float64).alias(c) for m in wanted if m.needs_prior for c in m.columns]
        return replace(table, frame=table.frame.with_columns(empty), definition=counts.definition, prior=self.prior)

    def _say_that_columns_are_empty(self) -> None:
        said = self.__dict__.setdefault("_said", [])  # one list for all views of the same pairs
        if said:
            return
        said.append(True)
        columns = [c for name in self.settings.measures for c in measure(name).columns if measure(name).needs_prior]
        logger.warning(
            "%s are left empty, since the prior fit is not usable; %s", ", ".join(columns), self.prior.remedy
        )

    def _pick(self, counts: PairCounts, drug: Names, event: Names) -> PairCounts:
        drugs = None if drug is None else [counts.drug_code(name) for name in _listed(drug)]
        events = None if event is None else [counts.event_code(name) for name in _listed(event)]
        if drugs is not None and events is not None:
            return counts.at_codes(np.repeat(drugs, len(events)), np.tile(events, len(drugs)))
        keep = counts.n >= self.settings.min_reports
        if drugs is not None:
            keep &= np.isin(counts.drug, drugs)
        if events is not None:
            keep &= np.isin(counts.event, events)
        return counts if keep.all() else counts.take(keep)


@dataclass(frozen=True)
class SignalView(PairView):
    """Counts and scores of one set of reports."""

    reports: CaseReports
    """The reports."""
    settings: SignalSettings
    """How they are counted and scored."""

    @classmethod
    def of_store(cls, store: ReportStore, settings: SignalSettings | None = None) -> SignalView:
        """Read the store's current distinct cases; an opened store keeps its last views, so that asking again is quick."""
        chosen = settings or SignalSettings()
        view = store.analysis_view(duplicates=chosen.duplicates, drug=chosen.drug_names, reaction=chosen.reactions)
        kept: dict[str, SignalView] = vars(store).setdefault("_signal_views", {})
        key = f"{view.folder.name} {chosen.model_dump_json()}"
        if key not in kept:
            same = next((v for k, v in kept.items() if k.startswith(view.folder.name)), None)
            found = cls(same.reports if same is not None else reports_of_view(view), chosen)
            while len(kept) >= KEPT_VIEWS:
                del kept[next(iter(kept))]
            kept[key] = found
        return kept[key]

    @cached_property
    def counts(self) -> PairCounts:
        """Counts of all pairs, with stratified expected counts if the settings name strata."""
        strata = stratify(self.compared, self.settings.strata) if self.settings.strata else None
        return self._stated(count_pairs(self.compared, self.settings.count, strata=strata))

    @cached_property
    def compared(self) -> CaseReports:
        """The reports that are counted: all, or those of the class whose drugs are compared with each other."""
        members = self.settings.compare_within
        if not members:
            return self.reports
        return reports_of_class(self.reports, members, name="compare_within", roles=self.settings.count.roles)

    def _stated(self, counts: PairCounts) -> PairCounts:
        members = self.settings.compare_within
        if not members:
            return counts
        words = (
            f"reports with another of the {len(members)} drugs {', '.join(members[:5])}{', …' if members[5:] else ''}"
        )
        return replace(counts, definition=replace(counts.definition, comparator=words))

    def with_settings(self, **changes: object) -> SignalView:
        """The same reports under other settings that do not change the counts or the prior, both of which are kept."""
        return kept(self, SignalView(self.reports, self.settings.model_copy(update=changes)))

    def strata(self, by: Sequence[str]) -> dict[str, PairCounts]:
        """Counts of each stratum on its own: universe, margins and comparator are those of the stratum."""
        found = count_by(self.compared, stratify(self.compared, by), self.settings.count)
        return {label: self._stated(counts) for label, counts in found.items()}

    def over_time(self, drug: str, event: str) -> pl.DataFrame:
        """One pair by quarter."""
        return timeline(self.compared, drug, event, config=self.settings.count)

    def with_event_groups(self, groups: Mapping[str, Sequence[str]]) -> SignalView:
        """The same reports with further events, each a list of terms; a report with two of them counts once."""
        return SignalView(group_events(self.reports, groups), self.settings)


def kept(old: PairView, new: V) -> V:
    """Hand on what ``old`` has computed and ``new`` would compute alike."""
    old.__dict__.setdefault("_said", [])
    new.__dict__.update({name: old.__dict__[name] for name in ("counts", "prior", "_said") if name in old.__dict__})
    return new


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())
