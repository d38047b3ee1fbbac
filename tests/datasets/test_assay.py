from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import strategies
from hypothesis import given, settings
from sdf_text import sdf

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.config import CurationConfig, ReaderConfig, StandardizeConfig, TargetConfig
from cinchona.datasets.measurements import P_UNIT
from cinchona.errors import ColumnError, InputError, NoUsableRowsError
from cinchona.records import Stage

ROWS = {
    "smiles": ["CCO", "OCC", "c1ccccc1", "C(C", "CCN", "CCCC", "Cc1ccccc1", "CCS"],
    "ID": list("abcdefgh"),
    "IC50 (nM)": ["10", ">1000", "100", "5", "n.d.", "abc", "<1", "0"],
    "active": [1, 0, 1, 1, 0, 1, None, None],
    "year": [2001, 2000, 2003, 2004, 2005, 2006, 2007, 2008],
}


def account(table: AssayTable) -> None:
    """Every row of the source is in exactly one compound or reject."""
    rows = [row for group in table.source_rows for row in group] + [reject.row_id for reject in table.rejects]
    assert sorted(rows) == list(range(table.n_in))
    n, t = len(table), len(table.targets)
    assert (table.values.shape, table.censor.shape, table.extra.num_rows) == ((n, t), (n, t), n)
    assert len(table.compound_ids) == len(table.flags) == len(table.source_rows) == n
    assert len(set(table.smiles)) == n
    assert np.isfinite(table.values).any(axis=1).all()


def test_a_table_by_hand():
    table = read_assay_table(
        pd.DataFrame(ROWS), targets=["IC50 (nM)", "active"], curation=CurationConfig(time_column="year")
    )
    account(table)
    assert [(t.name, t.unit, t.kind, t.source) for t in table.targets] == [
        ("pIC50", P_UNIT, "regression", "IC50 (nM)"),
        ("active", "", "classification", "active"),
    ]
    assert table.compound_ids == ["a", "c", "e", "f", "g"]
    np.testing.assert_array_equal(table.values[:, 0], [8, 7, np.nan, np.nan, 9])
    np.testing.assert_array_equal(table.values[:, 1], [np.nan, 1, 0, 1, np.nan])
    assert table.censor[:, 0].tolist() == [0, 0, 0, 0, 1]
    assert table.source_rows == ((0, 1), (2,), (4,), (5,), (6,))
    assert table.flags[0] == {"replicates_joined", "bound_conflict"}
    assert table.extra.to_pydict() == {"year": ["2000", "2003", "2005", "2006", "2007"]}
    assert [(r.row_id, r.stage) for r in table.rejects] == [(3, Stage.PARSE), (7, Stage.CURATE)]
    assert "no logarithm" in table.rejects[1].reason
    reasons = {problem.row_id: problem.reason for problem in table.problems}
    assert reasons[5] == "IC50 (nM): 'abc' is not a number"
    assert "split evenly" in reasons[0]
    assert any("converted from nM to pIC50" in sentence for sentence in table.decisions)


def test_the_same_table_from_every_source(tmp_path):
    frame = pd.DataFrame(ROWS)
    paths = [tmp_path / name for name in ("t.csv", "t.csv.gz", "t.parquet", "t.tsv")]
    frame.to_csv(paths[0], index=False)
    paths[1].write_bytes(gzip.compress(paths[0].read_bytes()))
    frame.to_parquet(paths[2])
    frame.to_csv(paths[3], index=False, sep="\t")
    sources = [frame, pa.Table.from_pandas(frame), *paths, str(paths[0])]
    tables = [read_assay_table(source, targets=["IC50 (nM)"]) for source in sources]
    for table in tables:
        account(table)
        assert table.compound_ids == ["a", "c", "g"]
        np.testing.assert_array_equal(table.values, tables[0].values)
        assert table.rejects == tables[0].rejects
    assert len({table.digest for table in tables if "." not in table.extra["active"][0].as_py()}) == 1


def test_the_digest_follows_the_content():
    def digest(**changes: object) -> str:
        return read_assay_table(pa.table({**ROWS, **changes}), targets=["IC50 (nM)"]).digest

    assert digest() == digest()
    assert digest() != digest(ID=list("abcdefxh"))
    assert digest() != digest(year=ROWS["year"][::-1])
    assert digest() != digest(**{"IC50 (nM)": ["11", *ROWS["IC50 (nM)"][1:]]})


def test_chembl_export_with_units_and_relations():
    table = read_assay_table(
        pa.table({
            "smiles": ["CCO", "CCN", "CCC", "CCF", "CCCl"],
            "molecule_chembl_id": list("abcde"),
            "standard_value": ["10", "10", "1", "5", None],
            "standard_units": ["nM", "uM", "mM", "ug/mL", "nM"],
            "standard_relation": ["'='", "'>'", "'<'", "'='", "'='"],
        }),
        targets=["standard_value"],
    )  # fmt: skip
    account(table)
    assert (table.targets[0].name, table.targets[0].unit) == ("p(standard_value)", P_UNIT)
    assert table.values[:, 0].tolist() == [8, 5, 3]
    assert table.censor[:, 0].tolist() == [0, -1, 1]
    assert "not a molar concentration" in table.rejects[0].reason
    assert table.rejects[1].reason == "no label"
    assert any("relations" in sentence for sentence in table.decisions)


def one_column(name: str, cells: list[object], **target: object) -> AssayTable:
    smiles = [f"{'C' * (k + 3)}O" for k in range(len(cells))]
    settings = CurationConfig(targets={name: TargetConfig(**target)} if target else {})
    return read_assay_table(pa.table({"smiles": smiles, name: cells}), targets=[name], curation=settings)


def test_units_are_never_guessed():
    plain = one_column("IC50", ["10", "100"])
    assert (plain.values[:, 0].tolist(), plain.targets[0].unit) == ([10, 100], "")
    assert any("no unit found" in sentence for sentence in plain.decisions)
    solubility = one_column("Solubility (uM)", ["10"])
    assert (solubility.values[0, 0], solubility.targets[0].unit) == (10, "uM")
    assert any("not named as a potency" in sentence for sentence in solubility.decisions)
    stated = one_column("IC50", ["10"], unit="nM")
    assert (stated.values[0, 0], stated.targets[0].name) == (8, "pIC50")
    forced = one_column("Solubility (uM)", ["10"], scale="minus_log10_molar")
    assert (forced.values[0, 0], forced.targets[0].name) == (5, "pSolubility")
    kept = one_column("IC50 (nM)", ["10"], scale="as_given")
    assert (kept.values[0, 0], kept.targets[0].name, kept.targets[0].unit) == (10, "IC50 (nM)", "nM")
    explicit = one_column("act", ["1", "0"], kind="regression")
    assert explicit.targets[0].kind == "regression"


def test_values_in_another_unit_than_the_rest_are_no_labels():
    cells = {"smiles": ["CCO", "CCN", "CCC"], "dose": ["1", "2", "3"], "dose_units": ["mg", "mg", "g"]}
    table = read_assay_table(pa.table(cells), targets=["dose"])
    assert (table.values[:, 0].tolist(), table.targets[0].unit) == ([1, 2], "mg")
    assert "another unit than 'mg'" in table.rejects[0].reason


def test_named_companion_columns_must_exist():
    with pytest.raises(ColumnError, match="no column 'u'"):
        one_column("IC50", ["10"], unit_column="u")
    with pytest.raises(ColumnError, match="no column 'r'"):
        one_column("IC50", ["10"], relation_column="r")


def test_bounds_can_be_left_out():
    settings_ = CurationConfig(censored="exact_only")
    table = read_assay_table(pa.table({"smiles": ["CCO", "CCN"], "x": ["5", ">6"]}), targets=["x"], curation=settings_)
    assert (len(table), table.rejects[0].reason) == (1, "x: a bound, and only exact values are wanted")


def test_kept_columns():
    table = read_assay_table(
        pa.table(ROWS), targets=["active"], curation=CurationConfig(keep_columns=("year",), time_column="year")
    )
    assert table.extra.schema.names == ["year"]
    with pytest.raises(ColumnError, match="'when'"):
        read_assay_table(pa.table(ROWS), targets=["active"], curation=CurationConfig(time_column="when"))
    with pytest.raises(ColumnError, match="'gone'"):
        read_assay_table(pa.table(ROWS), targets=["active"], curation=CurationConfig(keep_columns=("gone",)))


def test_to_arrow_has_nulls_and_relations():
    table = read_assay_table(pa.table(ROWS), targets=["IC50 (nM)", "active"]).to_arrow()
    assert table.schema.names == ["compound_id", "smiles", "pIC50", "pIC50_relation", "active", "active_relation"]
    assert table["pIC50"].to_pylist() == [8, 7, None, None, 9]
    assert table["pIC50_relation"].to_pylist()[-1] == ">"


@pytest.mark.parametrize(
    "targets, changes, match",
    [
        ([], {}, "no target"),
        (["active", "active"], {}, "named twice"),
        (["activ"], {}, "did you mean 'active'"),
        (["ID"], {}, "no value of column 'ID' can be read, for example 'a', 'b', 'c'"),
        (["x"], {"x": ["", "NA"] * 4}, "all cells are empty"),
        (["IC50 (nM)", "pIC50"], {"pIC50": ["5"] * 8}, "both become pIC50"),
    ],
)
def test_target_columns_that_cannot_be(targets, changes, match):
    with pytest.raises(ColumnError, match=match):
        read_assay_table(pa.table({**ROWS, **changes}), targets=targets, reader=ReaderConfig(id_column="year"))


def test_target_names_without_regard_to_case():
    table = read_assay_table(pa.table(ROWS), targets=["ACTIVE "])
    assert table.targets[0].source == "active"
    with pytest.raises(ColumnError, match="no target column 'X'"):
        read_assay_table(pa.table({"smiles": ["CCO"], "x ": [1.5], " x": [2.5]}), targets=["X"])


def test_settings_for_an_unknown_target():
    with pytest.raises(ColumnError, match="no target"):
        read_assay_table(pa.table(ROWS), targets=["active"], curation=CurationConfig(targets={"x": TargetConfig()}))


def test_tables_without_anything():
    with pytest.raises(NoUsableRowsError, match="no row"):
        read_assay_table(pa.table({"smiles": pa.array([], pa.string()), "x": []}), targets=["x"])
    with pytest.raises(NoUsableRowsError, match="row 0: unclosed ring"):
        read_assay_table(pa.table({"smiles": ["C1CC"], "x": [1.0]}), targets=["x"])
    with pytest.raises(InputError, match="type int"):
        read_assay_table(3, targets=["x"])
    with pytest.raises(ColumnError, match="no text form"):
        read_assay_table(pa.table({"smiles": ["CCO"], "x": [[1]]}), targets=["x"])


def test_sdf_tables_find_properties_of_later_records(tmp_path):
    path = tmp_path / "x.sdf"
    path.write_text(sdf("a") + sdf("b", "N", pIC50="6.1") + sdf("c", "S", pIC50=">7", note="late"))
    table = read_assay_table(path, targets=["pIC50"])
    account(table)
    assert (table.compound_ids, table.values[:, 0].tolist(), table.censor[:, 0].tolist()) == (
        ["b", "c"],
        [6.1, 7],
        [0, 1],
    )
    assert table.extra.to_pydict() == {"note": ["", "late"]}


def test_a_glob_of_tables_must_agree(tmp_path):
    (tmp_path / "1.csv").write_text("smiles,x\nCCO,1.5\n")
    (tmp_path / "2.csv").write_text("smiles,x\nCCN,2.5\nCCO,2.5\n")
    table = read_assay_table(str(tmp_path / "*.csv"), targets=["x"])
    account(table)
    assert table.values[:, 0].tolist() == [2.0, 2.5]
    (tmp_path / "3.csv").write_text("smiles,y\nCCF,1\n")
    with pytest.raises(ColumnError, match="other columns"):
        read_assay_table(str(tmp_path / "*.csv"), targets=["x"])


def test_columns_named_as_ours_are_carried(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("smiles,cmpd_id,row_id,flags\nCCO,a,7,1.5\n")
    table = read_assay_table(path, targets=["flags"])
    assert (table.values[0, 0], table.extra.to_pydict()) == (1.5, {"row_id": ["7"]})


@settings(max_examples=30)
@given(strategies.assay_rows())
def test_any_table_accounts_for_every_row(rows):
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([("compound_id", "string"), ("smiles", "string"), ("pIC50", "double")])
    )
    try:
        found = read_assay_table(table, targets=["pIC50"])
    except (ColumnError, NoUsableRowsError):
        return
    account(found)


@settings(max_examples=30)
@given(strategies.messy_tables(encodings=("utf-8", "latin-1"), max_rows=8))
def test_messy_files_account_for_every_row(tmp_path_factory, table):
    path: Path = tmp_path_factory.mktemp("assay") / "messy.csv"
    path.write_bytes(table.data)
    reader = ReaderConfig(smiles_column=table.header[1], id_column=table.header[0])
    try:
        found = read_assay_table(path, targets=["pIC50"], reader=reader, standardize=StandardizeConfig(method="none"))
    except (ColumnError, NoUsableRowsError):
        return
    account(found)


@pytest.mark.slow
def test_published_row_counts(data_folder):
    """ESOL has 1,128 rows and BBBP 2,050, of which 11 structures are invalid (MoleculeNet)."""
    folder = data_folder / "molprop" / "moleculenet"
    plain = StandardizeConfig(method="none")
    esol = read_assay_table(
        folder / "esol_delaney.csv", targets=["measured log solubility in mols per litre"], standardize=plain
    )
    bbbp = read_assay_table(folder / "bbbp.csv", targets=["p_np"], standardize=plain)
    account(esol)
    account(bbbp)
    assert (esol.n_in, bbbp.n_in) == (1_128, 2_050)
    assert sum(reject.stage is Stage.PARSE for reject in bbbp.rejects) == 11
    assert bbbp.targets[0].kind == "classification"
