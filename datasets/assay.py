"""Assay tables: measured compounds, one row a compound, curated for training.

Every row of the source ends in exactly one place: in ``source_rows`` of one compound, or in ``rejects``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cinchona.datasets.config import CurationConfig, ReaderConfig, StandardizeConfig, TargetConfig
from cinchona.datasets.frames import Frame, read_frame
from cinchona.datasets.labels import LabelColumn, TargetColumn, exact_only, read_labels
from cinchona.datasets.merging import Merged, merge
from cinchona.digests import digest_json, digest_table
from cinchona.errors import ColumnError, NoUsableRowsError
from cinchona.records import Reject

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class AssayTable:
    """Measured compounds, one row a compound, in the order of their first row in the source."""

    compound_ids: list[str]
    """Identifier of the first source row of each compound, length n."""
    smiles: list[str]
    """Canonical isomeric SMILES of the standardized parent, length n, all different."""
    targets: tuple[TargetColumn, ...]
    """The t columns of labels."""
    values: np.ndarray
    """Labels, float64, shape (n, t); NaN where missing."""
    censor: np.ndarray
    """-1 where the true value is below the label, 0 where it is the label, 1 where it is above; int8, shape (n, t)."""
    source_rows: tuple[tuple[int, ...], ...]
    """Rows of the source that were joined into each compound, length n."""
    flags: tuple[frozenset[str], ...]
    """What was changed or is doubtful about each compound, length n."""
    extra: pa.Table
    """Other columns of the source as text, n rows: values of each compound's first row, of the time column the
    earliest."""
    rejects: tuple[Reject, ...]
    """Source rows that are part of no compound, with reasons, by row."""
    problems: tuple[Reject, ...]
    """Cells without a value although they hold something, of rows that are kept for another label."""
    n_in: int
    """Rows of the source."""
    digest: str
    """Digest of the content, hex: ids, SMILES, targets, labels and ``extra``."""
    decisions: tuple[str, ...] = field(default=())
    """What was found out rather than told (columns, units, kinds), one sentence each."""

    def __len__(self) -> int:
        return len(self.smiles)

    def to_arrow(self) -> pa.Table:
        """The table for reports and files: ``compound_id``, ``smiles``, each target, each bound as ``<`` or ``>``."""
        columns: dict[str, pa.Array] = {"compound_id": pa.array(self.compound_ids), "smiles": pa.array(self.smiles)}
        for k, target in enumerate(self.targets):
            values = self.values[:, k]
            columns[target.name] = pa.array(values, mask=np.isnan(values))
            columns[f"{target.name}_relation"] = pa.array(np.array(["<", "", ">"])[self.censor[:, k] + 1])
        return pa.table(columns)


def read_assay_table(
    source: str | Path | pa.Table | pd.DataFrame,
    *,
    targets: Sequence[str],
    curation: CurationConfig | None = None,
    standardize: StandardizeConfig | None = None,
    reader: ReaderConfig | None = None,
) -> AssayTable:
    """Read and curate a table of measurements.

    Args:
        source: A file of any format that libraries have, ``catalogue:NAME``, an Arrow table or a pandas DataFrame.
        targets: Columns of the measurements.
        curation: How replicates, units and bounds are treated.
        standardize: How structures are standardized.
        reader: How the file is read.

    Raises:
        ColumnError: if a column is missing or ambiguous, or a target has no readable value.
        InputError: if the file cannot be read.
        NoUsableRowsError: if no compound has a structure and a label.
    """
    rules = curation or CurationConfig()
    _check_targets(targets, rules)
    frame = read_frame(source, reader or ReaderConfig(), targets=targets)
    labels = [
        _labels(frame, name, rules.targets.get(wanted)) for name, wanted in zip(frame.targets, targets, strict=True)
    ]
    if rules.censored == "exact_only":
        labels = [exact_only(column) for column in labels]
    _check_names([column.target for column in labels])
    merged = merge(frame, labels, curation=rules, standardize=standardize or StandardizeConfig())
    told = [sentence for column in labels for sentence in column.decisions]
    for sentence in told:
        logger.info("%s: %s", frame.name, sentence)
    decisions = (*frame.decisions, *told)
    if not merged.smiles:
        raise _nothing_left(frame, merged)
    return _table(frame, merged, tuple(column.target for column in labels), decisions)


def _check_targets(targets: Sequence[str], rules: CurationConfig) -> None:
    doubled = {name for name in targets if list(targets).count(name) > 1}
    if not targets or doubled:
        raise ColumnError(
            f"target columns named twice: {', '.join(sorted(doubled))}" if doubled else "no target column named",
            expected="each column with measurements once",
            remedy="name them with --target COLUMN",
        )
    unknown = set(rules.targets) - set(targets)
    if unknown:
        raise ColumnError(
            f"settings for {', '.join(sorted(unknown))}, which is no target",
            where="curation.targets",
            expected=f"one of {', '.join(targets)}",
        )


def _check_names(found: Sequence[TargetColumn]) -> None:
    for k, target in enumerate(found):
        earlier = [other.source for other in found[:k] if other.name == target.name]
        if earlier:
            raise ColumnError(
                f"columns {earlier[0]!r} and {target.source!r} both become {target.name}", expected="different names"
            )


def _labels(frame: Frame, name: str, given: TargetConfig | None) -> LabelColumn:
    config = given or TargetConfig()
    if config.unit is None and config.unit_column is None and name in frame.units:
        config = config.model_copy(update={"unit": frame.units[name]})
    return read_labels(frame.columns, name, config)


def _table(frame: Frame, merged: Merged, targets: tuple[TargetColumn, ...], decisions: tuple[str, ...]) -> AssayTable:
    draft = AssayTable(
        compound_ids=merged.compound_ids,
        smiles=merged.smiles,
        targets=targets,
        values=merged.values,
        censor=merged.censor,
        source_rows=merged.source_rows,
        flags=merged.flags,
        extra=merged.extra,
        rejects=merged.rejects,
        problems=merged.problems,
        n_in=frame.n_in,
        digest="",
        decisions=decisions,
    )
    content = digest_table([*draft.to_arrow().combine_chunks().to_batches()])
    extra = digest_table([*draft.extra.combine_chunks().to_batches()])
    named = [[t.name, t.unit, t.kind] for t in targets]
    return replace(draft, digest=digest_json([content, extra, named]))


def _nothing_left(frame: Frame, merged: Merged) -> NoUsableRowsError:
    shown = "; ".join(f"row {r.row_id}: {r.reason}" for r in merged.rejects[:3])
    return NoUsableRowsError(
        f"none of {frame.n_in:,} rows has both a structure and a label" + (f" ({shown})" if shown else ""),
        where=frame.name,
        expected="rows with a valid SMILES and a value in a target column",
        remedy="look at the first reasons, and check which columns are read",
    )


__all__ = ["AssayTable", "read_assay_table"]
