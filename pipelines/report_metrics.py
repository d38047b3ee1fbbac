"""The metrics of a model beside its baselines, as tables for reports, read from its trust record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cinchona.models.metrics import METRICS
from cinchona.pipelines.card_words import leakage_words


@dataclass(frozen=True, slots=True)
class Score:
    """One cell: a figure with its interval."""

    value: str
    interval: str
    best: bool
    """Whether no other model of the table has a better figure."""


@dataclass(frozen=True, slots=True)
class MetricsTable:
    """All models and metrics of one target."""

    target: str
    metrics: list[str]
    """Titles of the columns."""
    rows: list[tuple[str, list[Score]]]
    """Name of the model and its cells."""
    note: str
    """How many compounds, which way is good."""


def metrics_tables(trust: Mapping[str, Any], *, of: str = "held-out compounds") -> list[MetricsTable]:
    """One table a target from ``trust["metrics"]``; figures of unknown metrics are left out.

    Args:
        trust: The record.
        of: What the figures are over.
    """
    entries = [e for e in trust.get("metrics") or () if isinstance(e, dict) and e.get("metric") in METRICS]
    targets = list(dict.fromkeys(str(e.get("target")) for e in entries))
    return [_table(target, [e for e in entries if str(e.get("target")) == target], of) for target in targets]


def facts_of(trust: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Data, split and leakage of a trust record, for people."""
    data, split = trust.get("data") or {}, trust.get("split") or {}
    if data:
        yield "data", f"{data.get('name')}: {_count(data, 'rows')} rows, {_count(data, 'compounds')} compounds"
        yield "data digest", str(data.get("digest"))
    for target in data.get("targets") or ():
        span = f"{target.get('lowest'):.4g} to {target.get('highest'):.4g}, mean {target.get('mean'):.4g}"
        yield f"target {target.get('name')}", f"{_count(target, 'labels')} labels, {span} {target.get('unit') or ''}"
    if split:
        parts = ", ".join(f"{_count(split, part)} {part}" for part in ("train", "valid", "test"))
        yield "split", f"{split.get('kind')}, seed {split.get('seed')}: {parts}"
    told = leakage_words(trust.get("leakage") or {})
    if told:
        yield "leakage", told
    for decision in data.get("decisions") or ():
        yield "decision", str(decision)


def _count(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return f"{value:,}" if isinstance(value, int) else "?"


def _table(target: str, entries: Sequence[Mapping[str, Any]], of: str) -> MetricsTable:
    names = [name for name in METRICS if any(e["metric"] == name for e in entries)]
    models = list(dict.fromkeys(str(e.get("model")) for e in entries))
    best = {name: _best(name, entries) for name in names}
    found = {(str(e.get("model")), e["metric"]): e for e in entries}
    return MetricsTable(
        target=target,
        metrics=[f"{METRICS[n].title}\N{NO-BREAK SPACE}{'↑' if METRICS[n].higher_is_better else '↓'}" for n in names],
        rows=[(model, [_score(found.get((model, name)), best[name]) for name in names]) for model in models],
        note=f"{max((e.get('n') or 0 for e in entries), default=0):,} {of}; 95 % bootstrap intervals "
        "over compounds; ↑ higher is better, ↓ lower is better; the best figure of a column is bold, which does not "
        "say that the others are worse beyond chance.",
    )


def _best(name: str, entries: Sequence[Mapping[str, Any]]) -> float | None:
    values = [e["estimate"] for e in entries if e["metric"] == name and isinstance(e.get("estimate"), int | float)]
    pick = max if METRICS[name].higher_is_better else min
    return pick(values, default=None)


def _score(entry: Mapping[str, Any] | None, best: float | None) -> Score:
    value = None if entry is None else entry.get("estimate")
    if entry is None or not isinstance(value, int | float):
        return Score("–", "", best=False)
    low, high = entry.get("lower"), entry.get("upper")
    known = isinstance(low, int | float) and isinstance(high, int | float)
    return Score(_third(value), f"{_third(low)} to {_third(high)}" if known else "", best=value == best)


def _third(value: Any) -> str:  # noqa: ANN401 - read from a file
    """Three decimals, zero without a sign."""
    return f"{round(value, 3) + 0.0:.3f}"
