"""What the report of a search shows: how the loss fell, what each setting did, the best settings, and every trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

from markupsafe import Markup

from cinchona.files import write_text
from cinchona.models.tuning.trial import TrialRecord
from cinchona.pipelines.figures import lines_svg, points_svg
from cinchona.pipelines.report import REPORT, render
from cinchona.pipelines.report_training import Picture

SHOWN: Final = 100
"""Trials in the report, best first; all of them are in ``trials.csv``."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What was found out about one setting."""

    name: str
    best: str
    """Its value in the best trial; a dash where it does not count there."""
    importance: str
    """Share of the losses' spread that it explains; a dash where too few trials say."""
    values: list[tuple[str, int, str]]
    """Of a setting with up to eight values: value, whole trials, smallest loss."""


@dataclass(frozen=True, slots=True)
class TuningView:
    """Everything that the template shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    pictures: list[Picture]
    settings: list[Setting]
    names: list[str]
    trials: list[tuple[int, str, str, str, list[str], str]]
    more: int
    best: str
    facts: list[tuple[str, str]]


def write_tuning_report(
    folder: Path,
    records: Sequence[TrialRecord],
    *,
    importances: Mapping[str, float],
    best: str,
    facts: Sequence[tuple[str, str]],
) -> Path:
    """Write ``report.html`` of a search into ``folder``.

    Args:
        folder: Of the search.
        records: All trials.
        importances: Share of the losses' spread by setting; empty where unknown.
        best: The best settings as YAML.
        facts: Further facts, name and value.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    whole = sorted(_whole(records), key=lambda r: (r.loss, r.number))
    names = list(dict.fromkeys(name for record in records for name in record.values))
    ranked = sorted(records, key=lambda r: (r.state != "complete", r.loss is None, r.loss or 0.0, r.number))
    view = TuningView(
        title=f"Search {folder.name}",
        subtitle=f"{len(whole)} whole trials, smallest mean held-out loss {whole[0].loss:.4f}"
        if whole
        else "no whole trial",
        pictures=[*_history(records), *_slices(whole, names)],
        settings=[_setting(name, whole, importances) for name in names],
        names=names,
        trials=[_row(record, names) for record in ranked[:SHOWN]],
        more=max(0, len(ranked) - SHOWN),
        best=best,
        facts=list(facts),
    )
    target = folder / REPORT
    write_text(target, render("tuning.html.j2", view))
    return target


def _whole(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if record.state == "complete" and record.loss is not None]


def _history(records: Sequence[TrialRecord]) -> list[Picture]:
    whole = _whole(records)
    if not whole:
        return []
    losses = [(float(r.number), float(r.loss or 0.0)) for r in whole]
    best = list(zip((x for x, _ in losses), accumulate((y for _, y in losses), min), strict=True))
    low, high = min(y for _, y in losses), max(y for _, y in losses)
    room = 0.05 * (high - low) or 0.05
    svg = lines_svg(
        [("each whole trial", losses), ("best so far", best)], y_range=(low - room, high + room),
        x_label="trial", y_label="mean held-out loss",
    )  # fmt: skip
    return [Picture("How the loss fell", Markup(svg))]  # noqa: S704 - ours


def _slices(whole: Sequence[TrialRecord], names: Sequence[str]) -> list[Picture]:
    found = []
    for name in names:
        points = [(float(r.values[name]), float(r.loss or 0.0)) for r in whole if _is_number(r.values.get(name))]
        if len({x for x, _ in points}) > 2:
            svg = points_svg(points, x_label=name, y_label="mean held-out loss")
            found.append(Picture(f"Loss by {name}", Markup(svg)))  # noqa: S704 - ours
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _setting(name: str, whole: Sequence[TrialRecord], importances: Mapping[str, float]) -> Setting:
    tried: dict[str, list[float]] = {}
    for record in whole:
        if name in record.values:
            tried.setdefault(_text(record.values[name]), []).append(float(record.loss or 0.0))
    values = [(value, len(losses), f"{min(losses):.4f}") for value, losses in sorted(tried.items())]
    best = _text(whole[0].values[name]) if whole and name in whole[0].values else "–"
    share = f"{importances[name]:.2f}" if name in importances else "–"
    return Setting(name, best, share, values if len(values) <= 8 else [])


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "none" if value == "" else str(value)


def _row(record: TrialRecord, names: Sequence[str]) -> tuple[int, str, str, str, list[str], str]:
    loss = "–" if record.loss is None else f"{record.loss:.4f}"
    if record.state == "pruned":
        loss += f" (folds: {len(record.folds)})"
    values = [_text(record.values[name]) if name in record.values else "–" for name in names]
    return record.number, record.state, loss, f"{record.seconds:.0f}", values, record.reason


__all__ = ["SHOWN", "Setting", "TuningView", "write_tuning_report"]
