"""Rows of an assay table to compounds: standardize, group by parent, join the replicates, account for every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from cinchona.datasets.config import CurationConfig, StandardizeConfig
from cinchona.datasets.frames import Frame
from cinchona.datasets.labels import LabelColumn, column
from cinchona.datasets.replicates import Joined, groups_of, join_classification, join_regression
from cinchona.datasets.standardize import FLAGS, Rejected, Standardized, standardize_distinct
from cinchona.datasets.times import earliest
from cinchona.records import Reject, Stage

_CHUNK: Final = 10_000

REPLICATES: Final = "replicates_joined"
"""Flag of a compound that stands for several rows."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Compounds and what is left over; fields as in :class:`~cinchona.datasets.assay.AssayTable`."""

    compound_ids: list[str]
    smiles: list[str]
    values: np.ndarray
    censor: np.ndarray
    source_rows: tuple[tuple[int, ...], ...]
    flags: tuple[frozenset[str], ...]
    extra: pa.Table
    rejects: tuple[Reject, ...]
    problems: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class _Compound:
    """Positions in the frame of one compound's rows, its parent, and its joined labels."""

    positions: list[int]
    parent: Standardized
    joined: list[Joined]

    @property
    def has_label(self) -> bool:
        return any(np.isfinite(label.value) for label in self.joined)


def merge(
    frame: Frame, labels: Sequence[LabelColumn], *, curation: CurationConfig, standardize: StandardizeConfig
) -> Merged:
    """Group the rows of ``frame`` by standardized parent and join their labels.

    Args:
        frame: Rows with SMILES.
        labels: One column a target, aligned with the frame.
        curation: How replicates are joined.
        standardize: How structures are standardized.
    """
    rejects = list(frame.rejects)
    labelled = _with_label(frame, labels, rejects)
    parents = _parents(frame, labelled, standardize, rejects)
    positions = list(parents)
    groups = [[positions[k] for k in group] for group in groups_of([parents[p].parent for p in positions])]
    compounds = [_Compound(g, parents[g[0]], [_join(column, g, curation) for column in labels]) for g in groups]
    for compound in compounds:
        if not compound.has_label:
            rejects.extend(_no_label(frame, compound, labels))
    kept = [compound for compound in compounds if compound.has_label]
    return Merged(
        compound_ids=[frame.compound_ids[c.positions[0]] for c in kept],
        smiles=[c.parent.parent for c in kept],
        values=np.array([[j.value for j in c.joined] for c in kept], float).reshape(-1, len(labels)),
        censor=np.array([[j.censor for j in c.joined] for c in kept], np.int8).reshape(-1, len(labels)),
        source_rows=tuple(tuple(int(frame.row_ids[p]) for p in c.positions) for c in kept),
        flags=tuple(_flags(frame, c, parents) for c in kept),
        extra=_extra(frame, kept, labels, curation),
        rejects=tuple(sorted(rejects, key=lambda r: r.row_id)),
        problems=_problems(frame, kept, labels),
    )


def _with_label(frame: Frame, labels: Sequence[LabelColumn], rejects: list[Reject]) -> list[int]:
    has = np.any([np.isfinite(column.values) for column in labels], axis=0)
    for position in np.flatnonzero(~has).tolist():
        reasons = [column.problems[position] for column in labels if position in column.problems]
        rejects.append(Reject(int(frame.row_ids[position]), Stage.CURATE, "; ".join(reasons) or "no label"))
    return [int(position) for position in np.flatnonzero(has)]


def _parents(
    frame: Frame, positions: Sequence[int], config: StandardizeConfig, rejects: list[Reject]
) -> dict[int, Standardized]:
    known: dict[str, Standardized | Rejected] = {}
    for start in range(0, len(positions), _CHUNK):
        texts = {frame.smiles[position] for position in positions[start : start + _CHUNK]}
        known |= standardize_distinct(sorted(texts - set(known)), config)
    parents = {}
    for position in positions:
        result = known[frame.smiles[position]]
        if isinstance(result, Standardized):
            parents[position] = result
        else:
            rejects.append(result.of_row(int(frame.row_ids[position])))
    return parents


def _join(labels: LabelColumn, positions: Sequence[int], curation: CurationConfig) -> Joined:
    values = labels.values[positions]
    if labels.target.kind == "classification":
        return join_classification(values)
    return join_regression(values, labels.censor[positions], curation)


def _no_label(frame: Frame, compound: _Compound, labels: Sequence[LabelColumn]) -> list[Reject]:
    reasons = [f"{c.target.source}: {j.problem}" for c, j in zip(labels, compound.joined, strict=True) if j.problem]
    reason = "; ".join(reasons)
    return [Reject(int(frame.row_ids[position]), Stage.CURATE, reason) for position in compound.positions]


def _problems(frame: Frame, kept: Sequence[_Compound], labels: Sequence[LabelColumn]) -> tuple[Reject, ...]:
    found = []
    for compound in kept:
        for label, joined in zip(labels, compound.joined, strict=True):
            cells = [(p, label.problems[p]) for p in compound.positions if p in label.problems]
            if joined.problem:
                cells += [(p, f"{label.target.source}: {joined.problem}") for p in compound.positions]
            found += [Reject(int(frame.row_ids[p]), Stage.CURATE, reason) for p, reason in cells]
    return tuple(sorted(found, key=lambda r: r.row_id))


def _flags(frame: Frame, compound: _Compound, parents: dict[int, Standardized]) -> frozenset[str]:
    flags: set[str] = set()
    for position in compound.positions:
        flags |= parents[position].flags | set(filter(None, frame.flags[position].split(";")))
    flags |= {joined.flag for joined in compound.joined if joined.flag}
    return frozenset(flags | ({REPLICATES} if len(compound.positions) > 1 else set()))


def _extra(
    frame: Frame, kept: Sequence[_Compound], labels: Sequence[LabelColumn], curation: CurationConfig
) -> pa.Table:
    used = {column.target.source for column in labels} | {FLAGS}
    names = [name for name in frame.columns if name not in used]
    if curation.keep_columns is not None:
        wanted = [*curation.keep_columns, *([curation.time_column] if curation.time_column else [])]
        names = [name for name in dict.fromkeys(wanted) if column(frame.columns, name) is not None]
    elif curation.time_column is not None:
        column(frame.columns, curation.time_column)
    firsts = [compound.positions[0] for compound in kept]
    texts = {name: [frame.columns[name][first] for first in firsts] for name in names}
    if curation.time_column in texts:
        times = frame.columns[curation.time_column]
        texts[curation.time_column] = [earliest([times[p] for p in compound.positions]) for compound in kept]
    # Selecting from a table with a column keeps the number of rows even where no column is left.
    columns = {"": pa.nulls(len(kept)), **{name: pa.array(cells, pa.string()) for name, cells in texts.items()}}
    return pa.table(columns).select(list(texts))


__all__ = ["REPLICATES", "Merged", "merge"]
