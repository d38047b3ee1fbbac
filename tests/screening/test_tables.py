"""CSV and SD files that hostile identifiers cannot break or turn into formulas."""

from __future__ import annotations

import csv

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from cinchona.screening.csvfile import FORMULA_STARTS, safe_cell, write_csv
from cinchona.screening.sdffile import sdf_text, write_sdf

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
HOSTILE = ["=1+1", "+A1", "-2", "@SUM(A1)", "\t=1", "\r=1", 'a"b', "a,b", "two\nlines", "", "CCO", "\u2028x"]


@given(st.lists(st.one_of(st.none(), texts, st.sampled_from(HOSTILE)), max_size=6))
@settings(max_examples=50)
def test_csv_reads_back_without_formulas(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    table = pa.table({"id": pa.array(cells, pa.string()), "x": pa.array([-1.5] * len(cells), pa.float32())})
    write_csv(path, table.to_batches(max_chunksize=2), table.schema)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "x"]
    assert [row[0] for row in rows] == ["" if c is None else safe_cell(c) for c in cells]
    assert not [row for row in rows if row[0].startswith(FORMULA_STARTS)]
    assert all(row[1] == "-1.5" for row in rows), "numbers stay numbers"


@pytest.mark.parametrize("text", HOSTILE)
def test_safe_cells_hide_nothing(text):
    assert safe_cell(text).removeprefix("'") == text.removeprefix("'")


def test_csv_of_numbers_and_nulls(tmp_path):
    table = pa.table(
        {"f": pa.array([0.1, None], pa.float32()), "i": pa.array([None, 7], pa.int64()), "=n": pa.array(["a", None])}
    )
    write_csv(tmp_path / "t.csv", table.to_batches(), table.schema)
    assert (tmp_path / "t.csv").read_text() == "f,i,'=n\n0.1,,a\n,7,\n"


@given(texts)
def test_sdf_text_is_one_harmless_line(text):
    line = sdf_text(text)
    assert len(line.splitlines()) <= 1
    assert not line.startswith(("$$$$", ">"))


def test_sdf_keeps_rows_and_records_aligned(tmp_path):
    ids = ["$$$$", "> <score>\n99\n", "plain", None, "x" * 200]
    table = pa.table(
        {
            "compound_id": ids,
            "parent_smiles": ["CCO", "c1ccccc1", "not a molecule", "C[C@H](N)O", "CC"],
            "score": pa.array([1.5, 2.5, None, -1.0, 0.0], pa.float32()),
            "a <b>": ["v"] * 5,
        }
    )
    path = tmp_path / "hits.sdf"
    write_sdf(path, table, smiles_column="parent_smiles", title_column="compound_id")
    records = list(Chem.SDMolSupplier(str(path)))
    assert len(records) == 5
    assert [m.GetNumAtoms() for m in records] == [3, 6, 0, 4, 2]
    assert records[1].GetProp("score") == "2.5"
    assert not records[2].HasProp("score")
    assert records[0].GetProp("a_b_") == "v"
    assert records[3].GetConformer().GetAtomPosition(1).Length() >= 0
    assert Chem.MolToSmiles(records[3]) == Chem.MolToSmiles(Chem.MolFromSmiles("C[C@H](N)O"))
    assert len(records[4].GetProp("_Name")) == 80
