"""The hit list: the best distinct compounds of a finished run, with everything known of them.

Only partitions whose best score can reach the list are read: with ``k`` hits that is at most about ``k`` partitions,
however large the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors

from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.sameness import canonical_form
from cinchona.files import atomic_path
from cinchona.screening.csvfile import write_csv
from cinchona.screening.folder import RunFolder
from cinchona.screening.layout import BASE_FIELDS, NEAREST
from cinchona.screening.parts import SCORED
from cinchona.screening.plan import Plan
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import Receipt
from cinchona.screening.sdffile import write_sdf
from cinchona.screening.topk import COLUMNS, Candidate, TopK, by_best_score, just_below

Form = Callable[[str], str]
"""From the structure of a row to what is equal for equal compounds."""

MAX_DUPLICATE_IDS: Final = 100
"""Ids of duplicates that a hit lists at most; ``n_duplicates`` is exact beyond that."""

_FIRST: Final = ("rank", "row_id", "compound_id", "smiles", "parent_smiles", "score")


def write_hits(folder: RunFolder, plan: Plan, best: np.ndarray) -> pa.Table:
    """Find the hits of a complete run and write them as Parquet, CSV and SDF.

    Args:
        folder: The run.
        plan: Its header.
        best: Best score of each partition, NaN where there is none; float64, shape (n_partitions,).

    Returns:
        The hits, best first; see :func:`find_hits`.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    hits = find_hits(folder, plan, best)
    with atomic_path(folder.hits) as temporary:
        pq.write_table(hits, temporary, compression="zstd")
    write_csv(folder.hits.with_suffix(".csv"), hits.to_batches(), hits.schema)
    write_sdf(folder.hits.with_suffix(".sdf"), hits, smiles_column="parent_smiles", title_column="compound_id")
    return hits


def find_hits(folder: RunFolder, plan: Plan, best: np.ndarray) -> pa.Table:
    """The best ``top_k`` distinct compounds: higher score first, then lower row id.

    Returns:
        Columns ``rank`` (from 1), ``row_id``, ``compound_id``, ``smiles``, ``parent_smiles``, ``score``, the columns of
        each endpoint, ``flags``, ``n_duplicates`` (further rows of the same compound in the library),
        ``duplicate_ids`` (joined by ``;``), ``mw`` (g/mol), ``logp`` (Crippen) and ``tpsa`` (square angstrom).
    """
    form = _form(plan)
    ranked = _ranked(folder, best, plan.screen.top_k, form)
    rows, duplicates = _collect(folder, plan, best, ranked, form)
    return _assemble(plan, rows, duplicates)


def _form(plan: Plan) -> Form | None:
    """What makes parents comparable where they are structures as given; None where they are canonical already."""
    return cache(canonical_form) if plan.standardize.keeps_texts else None


def _ranked(folder: RunFolder, best: np.ndarray, k: int, form: Form | None) -> list[Candidate]:
    """The best ``k`` distinct compounds; their parents in canonical form."""
    wanted = k if form is None else k + k // 20 + 1  # a few may turn out to be one compound
    while True:
        top = TopK(wanted)
        for _, receipt in _promising(folder, best, top):
            top.add(pq.read_table(folder.root / receipt.file, columns=list(COLUMNS)))
        found = top.ranked()
        if form is None:
            return found
        distinct: dict[str, Candidate] = {}
        for candidate in found:
            parent = form(candidate.parent_smiles)
            distinct.setdefault(parent, replace(candidate, parent_smiles=parent))
        if len(distinct) >= k or len(found) < wanted:
            return list(distinct.values())[:k]
        wanted *= 2


def _promising(folder: RunFolder, best: np.ndarray, top: TopK) -> Iterator[tuple[int, Receipt]]:
    """Partitions that can still change the list, most promising first."""
    book = ReceiptBook(folder)
    for partition_id in by_best_score(best):
        if best[partition_id] < top.bar:
            return
        receipt = book.find(partition_id)
        assert receipt is not None, partition_id
        yield partition_id, receipt


def _collect(
    folder: RunFolder, plan: Plan, best: np.ndarray, ranked: Sequence[Candidate], form: Form | None
) -> tuple[pa.Table, dict[str, list[str]]]:
    """Full rows of the hits in their order, and for each parent the ids of its other rows in row order."""
    wanted = pa.array([c.row_id for c in ranked], pa.int64())
    parents = pa.array([c.parent_smiles for c in ranked], pa.string())
    others: dict[str, list[str]] = {c.parent_smiles: [] for c in ranked}
    found = [plan.layout.arrow_schema().empty_table()]
    reach = just_below(ranked[-1].score) if ranked else np.inf
    book = ReceiptBook(folder)
    for partition_id in np.flatnonzero(best >= reach).tolist():
        receipt = book.find(partition_id)
        assert receipt is not None, partition_id
        part = _in_form(pq.read_table(folder.root / receipt.file), reach, form)
        same = part.filter(pc.and_(pc.is_in(part["parent_smiles"], parents), pc.equal(part["status"], SCORED)))
        is_hit = pc.is_in(same["row_id"], wanted)
        found.append(same.filter(is_hit))
        for row in same.filter(pc.invert(is_hit)).select(["parent_smiles", "compound_id"]).to_pylist():
            others[row["parent_smiles"]].append(row["compound_id"] or "")
    table = pa.concat_tables(found)
    return table.take(pc.index_in(wanted, table["row_id"].combine_chunks())), others


def _in_form(part: pa.Table, reach: float, form: Form | None) -> pa.Table:
    """The part itself, or its rows that score as well as a hit with their parents in canonical form."""
    if form is None:
        return part
    part = part.filter(pc.greater_equal(part["score"], pa.scalar(reach, pa.float32())))
    place = part.schema.get_field_index("parent_smiles")
    parents = [form(parent) for parent in part["parent_smiles"].to_pylist()]
    return part.set_column(place, part.schema.field(place), pa.array(parents, pa.string()))


def _assemble(plan: Plan, rows: pa.Table, duplicates: dict[str, list[str]]) -> pa.Table:
    own = [duplicates[parent] for parent in rows["parent_smiles"].to_pylist()]
    columns = {"rank": pa.array(range(1, rows.num_rows + 1), pa.int64())}
    columns |= {name: rows[name] for name in _FIRST[1:]}
    base = {f.name for f in BASE_FIELDS} | {NEAREST}
    columns |= {name: rows[name] for name in rows.schema.names if name not in base}
    if plan.layout.nearest:
        columns[NEAREST] = rows[NEAREST]
    columns["flags"] = rows["flags"]
    columns["n_duplicates"] = pa.array([len(ids) for ids in own], pa.int64())
    columns["duplicate_ids"] = pa.array([";".join(ids[:MAX_DUPLICATE_IDS]) for ids in own], pa.string())
    columns |= _properties(rows["parent_smiles"].to_pylist())
    return pa.table(columns).combine_chunks()


def _properties(smiles: Sequence[str]) -> dict[str, pa.Array]:
    mols = [parse_smiles(s) for s in smiles]
    figures: dict[str, Callable[[Chem.Mol], float]] = {
        "mw": Descriptors.MolWt,  # type: ignore[attr-defined]
        "logp": lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
        "tpsa": rdMolDescriptors.CalcTPSA,
    }
    return {
        name: pa.array([None if isinstance(m, Rejected) else figure(m) for m in mols], pa.float32())
        for name, figure in figures.items()
    }
