"""The report of a run over a space: what was scored, what the audit found, the best products and reagents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from markupsafe import Markup

from cinchona.manifest import Manifest
from cinchona.pipelines.depict import SIZE, structure_svg
from cinchona.pipelines.figures import histogram_svg
from cinchona.pipelines.hit_explanations import EXPLANATIONS, explain_hits, write_explanations
from cinchona.pipelines.report import REPORT, render
from cinchona.screening.folder import RunFolder
from cinchona.screening.synthons.outcome import SpaceTotals
from cinchona.screening.synthons.plan import SpacePlan

_HITS: Final = 100
_REAGENTS: Final = 12
_REJECTS: Final = 20
_ENDPOINTS: Final = 3


@dataclass(frozen=True, slots=True)
class Drawn:
    """Something with a picture."""

    picture: Markup
    name: str
    score: str
    more: str


@dataclass(frozen=True, slots=True)
class RoleView:
    """The best reagents of one role."""

    title: str
    reagents: list[Drawn]


@dataclass(frozen=True, slots=True)
class SpaceView:
    """Everything that the template shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    figures: list[tuple[str, str]]
    remarks: list[str]
    histogram: Markup
    score_note: str
    audit: str
    tables: str
    rejects: list[tuple[str, str, str, str]]
    hits: list[Drawn]
    legend: Markup
    explanation_note: str
    roles: list[RoleView]
    origin: list[tuple[str, str]]


def write_space_report(folder: RunFolder, plan: SpacePlan, totals: SpaceTotals) -> Path:
    """Write ``report.html`` of a run whose tables are written.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    from cinchona.files import write_text

    target = folder.root / REPORT
    write_text(target, render("space.html.j2", _view(folder, plan, totals)))
    return target


def _view(folder: RunFolder, plan: SpacePlan, totals: SpaceTotals) -> SpaceView:
    hits, rejects = pq.read_table(folder.hits), pq.read_table(folder.rejects)
    manifest = Manifest.model_validate_json(folder.manifest.read_bytes())
    histogram, endpoints = totals.histogram, _endpoints(hits)
    last = float(hits["score"][-1].as_py()) if hits.num_rows else None
    top = rejects.take(pc.sort_indices(rejects, [("combinations", "descending")]).slice(0, _REJECTS)).to_pylist()
    explained = explain_hits(plan.model, hits.slice(0, _HITS), manifest.config, size=SIZE)
    write_explanations(folder.root / EXPLANATIONS, explained)
    return SpaceView(
        title=f"Screen of the space {plan.name}",
        subtitle=f"with {plan.model.name}, {manifest.created:%d %B %Y %H:%M} UTC",
        figures=_figures(plan, totals, hits.num_rows),
        remarks=_remarks(plan, totals, hits.num_rows) + _outside(hits, endpoints),
        histogram=Markup(histogram_svg(histogram.edges.tolist(), histogram.counts, label="score", mark=last)),  # noqa: S704 - drawn by us
        score_note=f"Scores of all {totals.scored:,} products, ranked by {plan.model.objective}; higher is better. "
        "The dashed line is the score of the last hit.",
        audit=_audit(totals),
        tables=_tables(plan),
        rejects=[(r["reaction"], r["reagent"], r["reason"], f"{r['combinations']:,}") for r in top],
        hits=[_hit(row, endpoints, explained.pictures) for row in hits.slice(0, _HITS).to_pylist()],
        legend=explained.legend,
        explanation_note=explained.note,
        roles=_roles(folder),
        origin=[("space", f"{plan.name}, digest {plan.digest}"), ("model", plan.model.fingerprint),
                ("plan", plan.fingerprint), ("seed", str(plan.seed)), *((k, str(v)) for k, v in manifest.versions.items())],
    )  # fmt: skip


def _figures(plan: SpacePlan, totals: SpaceTotals, hits: int) -> list[tuple[str, str]]:
    figures = [
        ("combinations of reagents", f"{plan.offered:,}"),
        ("products scored", f"{totals.scored:,}"),
        ("combinations without a product", f"{totals.rejected:,}"),
        ("hits", f"{hits:,}"),
        ("audited products", f"{totals.audit.products:,}"),
    ]
    if totals.seconds > 0:
        figures.append(("products per CPU second, audit included", f"{totals.scored / totals.seconds:,.0f}"))
    return figures


def _remarks(plan: SpacePlan, totals: SpaceTotals, hits: int) -> list[str]:
    remarks = []
    if totals.histogram.not_finite:
        remarks.append(f"{totals.histogram.not_finite:,} scores are not finite; they are never hits.")
    if plan.space.threshold is not None and totals.reached > hits:
        remarks.append(f"{totals.reached:,} products reach the threshold; the best {hits:,} are listed (screen.top_k).")
    if totals.skipped:
        remarks.append(
            f"{totals.skipped:,} products cannot be among the hits and were not scored one by one: the histogram lacks them."
        )
    if totals.misjudged:
        remarks.append(f"The filters misjudged {totals.misjudged:,} of {totals.audit.products:,} audited products.")
    if totals.audit.missing:
        remarks.append(f"{totals.audit.missing:,} audited products could not be built.")
    return remarks


def _outside(hits: pa.Table, endpoints: Sequence[str]) -> list[str]:
    """Say how many hits lie outside the domain of the model."""
    told = [f"{name}_in_domain" for name in endpoints if f"{name}_in_domain" in hits.schema.names]
    outside = max((int(pc.sum(pc.equal(hits[name], 0)).as_py() or 0) for name in told), default=0)
    return (
        [f"{outside:,} of {hits.num_rows:,} hits lie outside the applicability domain of the model."] if outside else []
    )


def _audit(totals: SpaceTotals) -> str:
    audit = totals.audit
    text = (
        f"{audit.products:,} random products were built with RDKit and scored the ordinary way; "
        f"the largest difference from the tables was {audit.largest:.2g}."
    )
    if audit.differing:
        text += (
            f" {audit.differing:,} differed by more than 1e-5: {totals.divided:,} blocks of products were divided and "
            f"scored again, {totals.built:,} products built one by one."
        )
    elif totals.built:
        text += f" {totals.built:,} products that cannot be put together from parts were built one by one."
    return text


def _hit(row: dict[str, Any], endpoints: Sequence[str], explained: Mapping[str, Markup]) -> Drawn:
    built = row.get("score_built")
    more = [f"built: {built:.5g}"] if isinstance(built, float) else []
    more += [_trust(row, name) for name in endpoints[:_ENDPOINTS]]
    smiles = str(row["parent_smiles"])
    return Drawn(
        explained.get(smiles) or _picture(smiles), str(row["compound_id"]), f"{row['score']:.5g}", "; ".join(more)
    )


def _endpoints(hits: pa.Table) -> list[str]:
    """Columns of endpoints for which the hits say how far to trust them."""
    names = set(hits.schema.names)
    return [n for n in hits.schema.names if {f"{n}_uncertainty", f"{n}_lower", f"{n}_in_domain"} & names]


def _trust(row: Mapping[str, Any], name: str) -> str:
    """Value of an endpoint with its uncertainty, interval and whether the product is in the domain, as far as the model tells."""
    value, spread = row[name], row.get(f"{name}_uncertainty")
    low, high = row.get(f"{name}_lower"), row.get(f"{name}_upper")
    text = f"{name} {value:.4g}"
    if spread is not None and math.isfinite(spread):
        text += f" \N{PLUS-MINUS SIGN} {spread:.2g}"
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        text += f" ({low:.4g} to {high:.4g})"
    return text + {1: ", inside the domain", 0: ", outside the domain"}.get(row.get(f"{name}_in_domain", -1), "")


def _tables(plan: SpacePlan) -> str:
    """What the run expected of its tables."""
    made: Mapping[str, Any] | None = plan.notes.get("tables")
    if not made:
        return ""
    return (
        f"{made['cells']:,} cells of reagents that are put together in one way; tables of the largest tell {made['classes']:,} classes of "
        f"reagents apart in {made['table_rows']:,} rows ({made['table_bytes'] / 1e6:,.1f} MB). "
        f"Expected, without the audit, were {made['expected_products_per_second']:,.0f} products per CPU second."
    )


def _roles(folder: RunFolder) -> list[RoleView]:
    table = pq.read_table(folder.root / "reagents.parquet")
    views = []
    keys = dict.fromkeys(zip(table["reaction"].to_pylist(), table["role"].to_pylist(), strict=True))
    for reaction, role in list(keys)[:8]:
        mine = table.filter(pc.and_(pc.equal(table["reaction"], reaction), pc.equal(table["role"], role)))
        best = mine.take(
            pc.sort_indices(mine, [("mean", "descending"), ("best", "descending"), ("reagent", "ascending")]).slice(
                0, _REAGENTS
            )
        )
        drawn = [
            Drawn(_picture(r["smiles"]), r["reagent"], _mean(r), f"best product {r['best']:.4g}")
            for r in best.to_pylist()
        ]
        views.append(RoleView(f"{reaction}, reagent {role}", drawn))
    return views


def _mean(row: dict[str, Any]) -> str:
    return "" if row["mean"] is None else f"{row['mean']:.4g}"


def _picture(smiles: str) -> Markup:
    return Markup(structure_svg(smiles))  # noqa: S704 - rebuilt from numbers by us


__all__ = ["Drawn", "RoleView", "SpaceView", "write_space_report"]
