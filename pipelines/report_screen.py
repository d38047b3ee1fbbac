"""What the report of a screen shows, read from its run folder."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from markupsafe import Markup

from cinchona.errors import InputError, UsageError
from cinchona.manifest import Manifest
from cinchona.models.folder import model_fingerprint, read_trust
from cinchona.pipelines.figures import histogram_svg
from cinchona.pipelines.hit_explanations import EXPLANATIONS, explain_hits, write_explanations
from cinchona.pipelines.report_hits import PICTURE, Column, Hit, columns_of, flags_of, hit_rows
from cinchona.pipelines.report_metrics import MetricsTable, facts_of, metrics_tables
from cinchona.pipelines.report_screen_domain import domain_facts
from cinchona.screening.cascade_audit import audit_run
from cinchona.screening.cascade_record import CascadeRecord
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.plan import Plan, load_plan
from cinchona.screening.receipt_book import ReceiptBook

_ATOM: Final = re.compile(r"# \d+")
"""Position of an atom in a reason; without it, rows with the same fault count together."""

logger = logging.getLogger(__name__)

MAX_REASONS: Final = 12
"""Different reasons of rejects in the table; the rest is one line."""
REASONS_READ: Final = 1_000_000
"""Rejects that are read to find the most frequent reasons; the counts by stage are exact beyond that."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class RejectCount:
    """Rows with one reason."""

    stage: str
    reason: str
    rows: str


@dataclass(frozen=True, slots=True)
class Facts:
    """A titled list of facts."""

    title: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ScreenView:
    """Everything that the template of a screen shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    figures: list[Figure]
    remarks: list[str]
    histogram: Markup
    score_note: str
    rejects: list[RejectCount]
    hits_note: str
    legend: Markup
    explanation_note: str
    columns: list[Column]
    hits: list[Hit]
    flags: list[str]
    has_domain: bool
    domain: list[tuple[str, str]]
    """Shares of library and hits inside the model's domain, and what it means."""
    origin: list[Facts]
    software: list[tuple[str, str]]
    metrics: list[MetricsTable]
    settings: str


def screen_view(root: Path, *, max_hits: int) -> ScreenView:
    """Read a finished screen.

    Raises:
        InputError: if the folder holds no finished screen.
    """
    folder = RunFolder(root)
    plan = load_plan(folder)
    manifest = _manifest(folder)
    hits = pq.read_table(folder.hits)
    shown = hits.slice(0, max_hits)
    histogram, seconds = _from_receipts(folder, plan)
    trust = _trust(plan)
    last = float(hits["score"][-1].as_py()) if hits.num_rows else None
    columns = columns_of(shown, plan.layout)
    explained = explain_hits(plan.model, shown, manifest.config, size=PICTURE)
    write_explanations(root / EXPLANATIONS, explained)
    return ScreenView(
        title=f"Screen of {_library(plan)}",
        subtitle=f"with {plan.model.name}, {manifest.created:%d %B %Y %H:%M} UTC",
        figures=_figures(manifest, hits, seconds),
        remarks=[
            *_remarks(manifest, 0 if plan.screen.cascade else histogram.not_finite),
            *_cascade(folder, plan, hits),
        ],
        histogram=Markup(histogram_svg(histogram.edges.tolist(), histogram.counts, label="score", mark=last)),  # noqa: S704 - drawn by us
        score_note=f"Ranked by {plan.model.objective}; higher is better. The dashed line is the score of the last hit.",
        rejects=list(_rejects(folder, manifest)),
        hits_note=_hits_note(shown.num_rows, hits.num_rows),
        columns=columns,
        legend=explained.legend,
        explanation_note=explained.note,
        hits=list(hit_rows(shown, columns, plan.layout, explained=explained.pictures)),
        flags=flags_of(shown),
        has_domain="in_domain" in plan.layout.details,
        domain=list(domain_facts(folder, plan, hits, trust)),
        origin=list(_origin(plan, manifest, trust)),
        software=[(k, str(v)) for k, v in (manifest.versions | manifest.host).items()],
        metrics=metrics_tables(trust),
        settings=json.dumps(manifest.config, indent=2, ensure_ascii=False, default=str),
    )


def _manifest(folder: RunFolder) -> Manifest:
    for path in (folder.manifest, folder.hits, folder.rejects):
        if not path.is_file():
            raise InputError(
                f"the screen is not finished: {path.name} is missing",
                where=str(folder.root),
                expected="the folder of a finished screen",
                remedy=f"finish it with: cinchona resume {folder.root}",
            )
    return Manifest.model_validate_json(folder.manifest.read_bytes())


def _from_receipts(folder: RunFolder, plan: Plan) -> tuple[ScoreHistogram, float]:
    """Histogram of all scores, and working time of all workers in seconds."""
    histogram, seconds = ScoreHistogram(), 0.0
    for receipt in ReceiptBook(folder).receipts():
        if receipt.plan == plan.fingerprint:
            histogram = ScoreHistogram.merge((histogram, receipt.histogram))
            seconds += sum(receipt.seconds.values())
    return histogram, seconds


def _library(plan: Plan) -> str:
    names = [f.name for f in plan.inputs]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _figures(manifest: Manifest, hits: pa.Table, seconds: float) -> list[Figure]:
    counts = manifest.counts
    figures = [
        Figure("rows in the library", f"{counts['rows']:,}"),
        Figure("scored", f"{counts['scored']:,}"),
        Figure("rejected", f"{counts['rejected']:,}"),
        Figure("duplicates of scored rows", f"{counts.get('duplicates', 0):,}"),
        Figure("hits", f"{hits.num_rows:,}"),
    ]
    if hits.num_rows:
        figures.append(Figure("best score", f"{hits['score'][0].as_py():.4g}"))
    if seconds > 0:
        figures.append(Figure("rows per second and worker", f"{counts['rows'] / seconds:,.0f}"))
    return figures


def _remarks(manifest: Manifest, not_finite: int) -> list[str]:
    counts, remarks = manifest.counts, []
    if counts["rows"] != counts["scored"] + counts["rejected"]:
        remarks.append("The counts do not add up: rows is not scored plus rejected. Do not rely on this run.")
    if not_finite:
        remarks.append(f"{not_finite:,} scores are not finite; they are never hits.")
    return remarks


def _cascade(folder: RunFolder, plan: Plan, hits: pa.Table) -> Iterator[str]:
    if plan.screen.cascade:
        record = CascadeRecord.read(folder.cascade)
        yield f"Cascade {'on' if record.used else 'off'}: {record.why}."
        audit = audit_run(folder, plan, hits)
        if audit is not None:
            yield f"Audit of the cascade: {audit}"


def _rejects(folder: RunFolder, manifest: Manifest) -> Iterator[RejectCount]:
    """The most frequent reasons, and one line for what is left of each stage."""
    counts: Counter[tuple[str, str]] = Counter()
    with pq.ParquetFile(folder.rejects) as table:
        for batch in table.iter_batches(columns=["stage", "reason"]):
            stages, reasons = (column.to_pylist() for column in batch.columns)
            counts.update(
                (stage, _ATOM.sub("# n", reason or "")) for stage, reason in zip(stages, reasons, strict=True)
            )
            if sum(counts.values()) >= REASONS_READ:
                break
    told: Counter[str] = Counter()
    for (stage, reason), rows in counts.most_common(MAX_REASONS):
        told[stage] += rows
        yield RejectCount(str(stage), str(reason), f"{rows:,}")
    for name, rows in manifest.counts.items():
        stage = name.removeprefix("rejected_at_")
        if stage != name and rows > told[stage]:
            yield RejectCount(stage, "other reasons", f"{rows - told[stage]:,}")


def _hits_note(shown: int, total: int) -> str:
    what = f"The best {shown:,} of {total:,} hits" if shown < total else f"All {total:,} hits"
    return (
        f"{what}, each a distinct standardized compound; all columns and all hits are in hits.parquet, hits.csv and "
        "hits.sdf. Equal scores stand in the order of the library."
    )


def _origin(plan: Plan, manifest: Manifest, trust: Mapping[str, Any]) -> Iterator[Facts]:
    yield Facts("Library", [(f.name, f"{f.rows:,} rows, SHA-256 {f.digest}") for f in plan.inputs])
    endpoints = ", ".join(f"{e.name} [{e.unit or 'no unit'}]" for e in plan.layout.endpoints)
    model = [("name", plan.model.name), ("fingerprint", plan.model.fingerprint), ("endpoints", endpoints)]
    yield Facts("Model", [*model, *facts_of(trust)])
    run = [("plan", plan.fingerprint), ("seed", str(manifest.seed)), *manifest.outputs.items()]
    yield Facts("Run", list(dict(run).items()))


def _trust(plan: Plan) -> dict[str, Any]:
    """The model's trust record, if its folder is still there and still that model's; else nothing."""
    folder = Path(plan.model.path)
    if not plan.model.path or not folder.is_dir():
        return {}
    try:
        return read_trust(folder) if model_fingerprint(folder) == plan.model.fingerprint else {}
    except UsageError as error:
        logger.warning("the report has no model card: %s", error.what)
        return {}
