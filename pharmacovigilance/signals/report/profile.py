"""What a report says: gathered from a view, before any of it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl

from cinchona.errors import ColumnError, UsageError
from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet, rank_signals, rule_set
from cinchona.pharmacovigilance.signals.scoring import SignalTable
from cinchona.pharmacovigilance.signals.view import PairView

REPORT_MEASURES: Final = ("rrr", "prr", "ror", "chi2_yates", "fisher", "ic")
"""Measures that every report needs."""
SUBGROUPS: Final = ("sex", "age", "reporter")
"""Facts that the leading pair is broken down by, where the cases have them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The signals of one drug or one event."""

    kind: Literal["drug", "event"]
    """What the report is on."""
    name: str
    """Name of the drug or event."""
    other: Literal["event", "drug"]
    """Column that names a pair."""
    table: SignalTable
    """All pairs of the drug or event."""
    rule: RuleSet
    """Rule that picks the signals."""
    signals: pl.DataFrame
    """Ranked signals with reasons."""
    leading: str
    """Other name of the first signal, or of the most reported pair where there is none."""
    timeline: pl.DataFrame | None
    """The leading pair over time; None when the cases have no dates."""
    subgroups: pl.DataFrame
    """The leading pair in subgroups: ``label``, ``n``, ``value``, ``lower``, ``upper`` of the reporting odds ratio."""
    neighbours: pl.DataFrame
    """Pairs of the leading names, for the heat map."""


def profile(
    view: PairView, *, drug: str | None = None, event: str | None = None, rule: RuleSet | None = None
) -> Profile:
    """Gather the report on one drug or one event.

    Args:
        view: Reports and settings; measures that the report and the rule need are added to those of the settings.
        drug: Name of the drug, or
        event: name of the event; exactly one of the two.
        rule: Rule that picks the signals; None takes ``ror025``, which needs no prior.

    Raises:
        UsageError: if not exactly one of drug and event is given.
        UnknownNameError: if the name does not occur.
        PriorNotUsableError: if the rule needs a prior and the fit is not usable.
    """
    if (drug is None) == (event is None):
        raise UsageError("a report is on one drug or on one event", expected="exactly one of drug and event")
    chosen = rule or rule_set("ror025")
    wide = view.with_measures([*REPORT_MEASURES, *chosen.measures])
    if chosen.needs_prior:
        wide.require_prior()
    table = wide.table(drug, event)
    signals = rank_signals(table.frame, chosen)
    kind, other = ("drug", "event") if drug is not None else ("event", "drug")
    name = table.frame[kind][0]  # as the reports spell it
    leaders = signals if signals.height else table.frame.sort("n", other, descending=[True, False])
    leading = str(leaders[other][0])
    pair = (str(name), leading) if drug is not None else (leading, str(name))
    return Profile(
        kind, str(name), other, table, chosen, signals, leading, _timeline(wide, pair), _subgroups(wide, pair),  # type: ignore[arg-type]
        _neighbours(wide, table.frame, leaders, pair),
    )  # fmt: skip


def _timeline(view: PairView, pair: tuple[str, str]) -> pl.DataFrame | None:
    try:
        found = view.over_time(*pair)
    except ColumnError:
        return None
    return found if found.height > 1 else None


def _subgroups(view: PairView, pair: tuple[str, str]) -> pl.DataFrame:
    rows = [view.signals(*pair).select(pl.lit("all reports").alias("label"), "n", "ror", "ror025", "ror975")]
    for by in SUBGROUPS:
        try:
            found = view.signals(*pair, by=by)
        except ColumnError:
            continue
        if found.height > 1:
            label = pl.concat_str(pl.lit(f"{by}: "), pl.col(by)).alias("label")
            rows.append(found.select(label, "n", "ror", "ror025", "ror975"))
    return pl.concat(rows).rename({"ror": "value", "ror025": "lower", "ror975": "upper"})


def _neighbours(view: PairView, frame: pl.DataFrame, leaders: pl.DataFrame, pair: tuple[str, str]) -> pl.DataFrame:
    """Pairs of the leading events with the drugs most reported with them, or the other way round."""
    on_drug = frame["drug"].n_unique() == 1 and pair[0] == frame["drug"][0]
    own, other = ("drug", "event") if on_drug else ("event", "drug")
    names = leaders[other].to_list()[:12]
    everything = view.signals(**{other: names})
    common = everything.group_by(own).agg(pl.col("n").sum()).sort("n", own, descending=[True, False])[own].to_list()
    mine = pair[0] if on_drug else pair[1]
    columns = [mine, *[name for name in common if name != mine][:9]]
    kept = everything.filter(pl.col(own).is_in(columns))
    order = {name: k for k, name in enumerate(columns)} | {name: 100 + k for k, name in enumerate(names)}
    rank = np.array([[order[row[0]], order[row[1]]] for row in kept.select(own, other).iter_rows()])
    return kept[np.lexsort((rank[:, 1], rank[:, 0]))] if kept.height else kept
