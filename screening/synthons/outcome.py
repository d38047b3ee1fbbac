"""The end of a run over a space: sums of all units, hits, rejects and the account of the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.errors import RetryableError
from cinchona.files import atomic_path
from cinchona.protocols import Scorer
from cinchona.screening.csvfile import write_csv
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.layout import TableLayout
from cinchona.screening.sdffile import write_sdf
from cinchona.screening.synthons.collect import BINS, merged_best
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.plan import SpacePlan, read_result
from cinchona.screening.synthons.search import agree
from cinchona.screening.synthons.space import SynthonSpace

REJECTS: Final = pa.schema([("reaction", pa.string()), ("reagent", pa.string()), ("smiles", pa.string()),
                            ("reason", pa.string()), ("combinations", pa.int64())])  # fmt: skip
"""Columns of ``rejects.parquet`` of a run over a space."""

FILTERED: Final = "outside the filters"
"""Reason of products that the filters leave out."""


@dataclass(frozen=True, slots=True)
class SpaceAudit:
    """Random products that were built and scored the ordinary way."""

    products: int
    """Products compared."""
    largest: float
    """Largest difference of a score, in its unit; 0 without products."""
    differing: int
    """Products that differed by more than 1e-5; their blocks were divided or built one by one."""
    missing: int
    """Products that the tables scored and RDKit could not build."""


@dataclass(slots=True, eq=False)
class SpaceTotals:
    """Sums over a whole space. Always ``offered == scored + rejected``."""

    scored: int = 0
    """Products with a score."""
    rejected: int = 0
    """Combinations without."""
    reached: int = 0
    """Products that reach the threshold, if there is one."""
    built: int = 0
    """Products scored one by one."""
    divided: int = 0
    """Blocks that were divided because built products differed."""
    seconds: float = 0.0
    """Processor time of all workers, seconds."""
    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)
    """All scores."""
    best: tuple[np.ndarray, np.ndarray] = field(
        default_factory=lambda: (np.empty(0, np.float32), np.empty(0, np.int64))
    )
    """Scores and numbers of the best products, best first."""
    sums: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """Sum of scores by reagent, for each route and role."""
    tops: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """Best score by reagent, for each route and role."""
    seen: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """Products with a score by reagent, for each route and role."""
    skipped: int = 0
    """Products that provably cannot be among the hits and were not scored one by one; counted as scored."""
    misjudged: int = 0
    """Audited products that the filters judged otherwise than RDKit does."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Combinations that units rejected, by reason."""
    audit: SpaceAudit = field(default_factory=lambda: SpaceAudit(0, 0.0, 0, 0))
    """What the audit found."""


def sum_up(folder: RunFolder, space: SynthonSpace, plan: SpacePlan) -> SpaceTotals:
    """Add up all units and check that no combination is missing.

    Raises:
        RetryableError: if a unit is missing, or the counts do not add up.
    """
    totals, counts = SpaceTotals(), np.zeros(BINS, np.int64)
    heard: list[tuple[np.ndarray, np.ndarray]] = []
    not_finite = 0
    for unit in range(plan.units):
        found = read_result(folder, plan, unit)
        if found is None:
            raise _incomplete(folder, f"unit {unit} has no valid receipt")
        result, seconds = found
        totals.seconds += seconds
        totals.built, totals.divided = totals.built + result.built, totals.divided + result.divided
        totals.reasons.update(result.rejects)
        totals.misjudged += result.misjudged
        heard.append((result.table_scores, result.built_scores))
        for assay, kept in result.collected.items():
            totals.scored += kept.scored
            totals.reached += kept.reached
            not_finite += kept.not_finite
            counts += kept.counts
            totals.best = merged_best([totals.best, kept.ranked()], plan.top_k)
            totals.skipped += kept.skipped
            if kept.filtered:
                totals.reasons[FILTERED] += kept.filtered
            for role, (sums, tops, seen) in enumerate(zip(kept.sums, kept.tops, kept.seen, strict=True)):
                totals.sums[assay, role] = totals.sums.get((assay, role), 0.0) + sums
                totals.tops[assay, role] = np.maximum(totals.tops.get((assay, role), -np.inf), tops)
                totals.seen[assay, role] = totals.seen.get((assay, role), 0) + seen
    totals.histogram = plan.bins.histogram(counts).model_copy(update={"not_finite": not_finite})
    totals.rejected = plan.offered - plan.numbered + sum(a.impossible for a in space.assays) + totals.reasons.total()
    totals.audit = _audit(heard)
    if totals.scored + totals.rejected != plan.offered:
        raise _incomplete(folder, f"{totals.scored:,} scored and {totals.rejected:,} rejected of {plan.offered:,}")
    return totals


def find_hits(space: SynthonSpace, scorer: Scorer, plan: SpacePlan, totals: SpaceTotals) -> pa.Table:
    """The best products, built and scored the ordinary way beside.

    Returns:
        Columns ``rank``, ``row_id`` (number of the product), ``compound_id``, ``parent_smiles`` (canonical), ``score`` (from
        the tables, which ranks), ``score_built`` (the ordinary way, on the built molecule), the columns of each endpoint,
        ``reaction``, and for each role ``reagent_<n>`` and ``reagent_<n>_smiles``.
    """
    scores, numbers = totals.best
    if plan.space.threshold is not None:
        reach = scores >= np.float32(plan.space.threshold)
        scores, numbers = scores[reach], numbers[reach]
    found = score_products(space, scorer, numbers.tolist())
    if len(found.numbers) != len(numbers):
        raise RetryableError("a hit cannot be built", where=next(iter(found.rejects.values()), ""))
    columns: dict[str, pa.Array] = {
        "rank": pa.array(range(1, len(numbers) + 1), pa.int64()),
        "row_id": pa.array(numbers, pa.int64()),
        "compound_id": pa.array([space.name(n) for n in numbers.tolist()], pa.string()),
        "parent_smiles": pa.array(found.smiles, pa.string()),
        "score": pa.array(scores, pa.float32()),
    }
    if found.scores is not None:
        columns["score_built"] = pa.array(found.scores.score, pa.float32())
        layout = TableLayout.probe(scorer).columns(found.scores)
        columns |= {name: values for name, values in layout.items() if name not in columns}
    columns |= _reagents(space, numbers.tolist())
    return pa.table(columns)


def write_tables(folder: RunFolder, hits: pa.Table, rejects: pa.Table, reagents: pa.Table) -> None:
    """Write hits (Parquet, CSV, SDF), rejects and figures by reagent (Parquet, CSV).

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    for path, table in ((folder.hits, hits), (folder.rejects, rejects), (folder.root / "reagents.parquet", reagents)):
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        write_csv(path.with_suffix(".csv"), table.to_batches(), table.schema)
    write_sdf(folder.hits.with_suffix(".sdf"), hits, smiles_column="parent_smiles", title_column="compound_id")


def reject_table(space: SynthonSpace, totals: SpaceTotals) -> pa.Table:
    """What has no score, with reasons; the column ``combinations`` adds up to all rejects."""
    rows = [*space.rejects(), *(("", "products", "", reason, n) for reason, n in sorted(totals.reasons.items()))]
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(REJECTS)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, REJECTS, strict=True)], schema=REJECTS)


def reagent_table(space: SynthonSpace, totals: SpaceTotals) -> pa.Table:
    """Figures by reagent.

    Returns:
        Columns ``reaction``, ``role`` (from 1), ``reagent``, ``smiles``, ``products`` with a score, ``mean`` (null where
        products were skipped), ``best``.
    """
    rows = list(_reagent_rows(space, totals))
    names = ("reaction", "role", "reagent", "smiles", "products", "mean", "best")
    kinds = (pa.string(), pa.int64(), pa.string(), pa.string(), pa.int64(), pa.float64(), pa.float64())
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=list(names))


def _reagent_rows(
    space: SynthonSpace, totals: SpaceTotals
) -> Iterator[tuple[str, int, str, str, int, float | None, float]]:
    for (number, role), sums in totals.sums.items():
        assay, seen, tops = space.assays[number], totals.seen[number, role], totals.tops[number, role]
        for k in np.flatnonzero(seen).tolist():
            reagent = assay.route.slots[role][assay.roles[role].picks[k].reagent]
            mean = None if totals.skipped else float(sums[k] / seen[k])
            yield assay.route.name, role + 1, reagent.id, reagent.smiles, int(seen[k]), mean, float(tops[k])


def _reagents(space: SynthonSpace, numbers: list[int]) -> dict[str, pa.Array]:
    chosen = [space.reagents(n) for n in numbers]
    most = max((len(r) for r in chosen), default=0)
    columns: dict[str, pa.Array] = {"reaction": pa.array([space.picks(n)[0].route.name for n in numbers], pa.string())}
    for k in range(most):
        of = [r[k] if k < len(r) else None for r in chosen]
        columns[f"reagent_{k + 1}"] = pa.array([None if r is None else r.id for r in of], pa.string())
        columns[f"reagent_{k + 1}_smiles"] = pa.array([None if r is None else r.smiles for r in of], pa.string())
    return columns


def _audit(heard: list[tuple[np.ndarray, np.ndarray]]) -> SpaceAudit:
    table = np.concatenate([np.empty(0, np.float32), *(t for t, _ in heard)])
    built = np.concatenate([np.empty(0, np.float32), *(b for _, b in heard)])
    difference = np.abs(table.astype(np.float64) - built)
    known = difference[np.isfinite(difference)]
    return SpaceAudit(
        products=len(table),
        largest=float(known.max()) if len(known) else 0.0,
        differing=int((~agree(table, built)).sum()),
        missing=int((np.isnan(built) & ~np.isnan(table)).sum()),
    )


def _incomplete(folder: RunFolder, what: str) -> RetryableError:
    return RetryableError(f"the run is not complete: {what}", where=str(folder.root),
                          remedy=f"go on with: cinchona resume {folder.root}")  # fmt: skip


__all__ = ["SpaceAudit", "SpaceTotals", "find_hits", "reagent_table", "reject_table", "sum_up", "write_tables"]
