"""Part files: one row for each input row, whatever became of it."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from cheap_scorer import CheapScorer
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import ContractError
from cinchona.records import CompoundBatch, Reject, Stage
from cinchona.screening.layout import TableLayout
from cinchona.screening.parts import PartitionRows, build_part, row_range, write_part
from cinchona.screening.scoring import Scored, score_in_batches

SCORER = CheapScorer(rejects="F", raises="I", detailed=True)
LAYOUT = TableLayout.probe(SCORER)
cells = st.sampled_from(["C", "CC", "CC", "CCO", "OCC", "FC", "CF", "CI", "not a molecule", "C1CC", None])


def rows_of(smiles, first_row=1000, scorer=SCORER) -> PartitionRows:
    """Rows of a partition; None stands for a row that could not be read."""
    readable = [(first_row + i, s) for i, s in enumerate(smiles) if s is not None]
    given_rows = CompoundBatch.of(
        [s for _, s in readable], row_ids=[r for r, _ in readable], compound_ids=[f"id{r}" for r, _ in readable]
    )
    unreadable = tuple(Reject(first_row + i, Stage.READ, "torn") for i, s in enumerate(smiles) if s is None)
    standardized = standardize_batch(given_rows, StandardizeConfig(method="none"))
    distinct = standardized.batch.take(np.flatnonzero(standardized.duplicate_of < 0))
    scored = score_in_batches(scorer, distinct, rows=3)
    return PartitionRows(first_row, len(smiles), given_rows, standardized, unreadable, scored)


@given(st.lists(cells, max_size=20))
@settings(max_examples=60)
def test_every_row_is_there_once_in_order(smiles):
    table = build_part(rows_of(smiles), LAYOUT)
    assert table.schema == LAYOUT.arrow_schema()
    assert table["row_id"].to_pylist() == list(range(1000, 1000 + len(smiles)))
    first = {}
    for row, given_smiles in zip(table.to_pylist(), smiles, strict=True):
        assert row["smiles"] == given_smiles
        assert (row["status"] == "scored") == (row["score"] is not None) == (row["stage"] is None)
        assert (row["reason"] is None) == (row["stage"] is None)
        if given_smiles is None:
            assert (row["stage"], row["compound_id"], row["parent_smiles"]) == ("read", None, None)
            continue
        assert row["compound_id"] == f"id{row['row_id']}"
        parent = row["parent_smiles"]
        assert (parent is None) == (given_smiles in {"not a molecule", "C1CC"})
        if parent is None:
            assert row["stage"] == "parse"
            continue
        expected = first.setdefault(parent, row["row_id"])
        assert row["duplicate_of"] == (-1 if expected == row["row_id"] else expected)
        assert (row["stage"] == "score") == ("F" in parent or "I" in parent)
        if row["status"] == "scored":
            assert row["score"] == row["pX"] == np.float32(SCORER.value_of(parent))
            assert (row["pX_uncertainty"], row["nearest_train_id"]) == (0.5, "t1")


def test_duplicates_of_rejected_compounds_say_so():
    table = build_part(rows_of(["C", "FC", "CF"]), LAYOUT)
    assert table["reason"].to_pylist() == [None, "not to my taste", "not to my taste (same compound as row 1001)"]


def test_a_lost_row_is_noticed():
    rows = rows_of(["C", "CC"])
    broken = PartitionRows(1000, 2, rows.given, rows.standardized, (), Scored(None, ()))
    with pytest.raises(ContractError, match="2 rows are scored and rejected, or neither"):
        build_part(broken, LAYOUT)


def test_part_files_are_never_overwritten(tmp_path):
    path = tmp_path / "sub" / "part-0-a.parquet"
    table = build_part(rows_of(["C", None]), LAYOUT)
    write_part(table, path, partition_id=0)
    assert pq.read_table(path) == table
    assert row_range(path) == (1000, 1001, 2)
    with pytest.raises(FileExistsError):
        write_part(table, path, partition_id=0)
