from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.clusters import leader_clusters
from cinchona.datasets.config import SplitConfig, StandardizeConfig
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.leakage import leakage_report
from cinchona.datasets.scaffolds import scaffold, scaffolds
from cinchona.datasets.splits import Split, assign_groups, deal_groups, kfold_splits, make_split
from cinchona.errors import ColumnError, ConfigError, NoUsableRowsError


def table_of(smiles: list[str], **extra: list[object]) -> AssayTable:
    columns = {"smiles": smiles, "y": list(np.linspace(4, 9, len(smiles))), **extra}
    return read_assay_table(pa.table(columns), targets=["y"], standardize=StandardizeConfig(method="none"))


@pytest.fixture(scope="module")
def table() -> AssayTable:
    smiles = list(dict.fromkeys(strategies.shipped_smiles()))
    years = [str(2000 + k % 20) for k in range(len(smiles))]
    return table_of(smiles, year=years)


def parts_of(split: Split) -> list[set[int]]:
    return [set(rows.tolist()) for rows in (split.train, split.valid, split.test)]


@pytest.mark.parametrize("kind", ["random", "scaffold", "cluster"])
def test_parts_are_disjoint_complete_and_repeatable(table, kind):
    split = make_split(table, SplitConfig(kind=kind), seed=3)
    train, valid, test = parts_of(split)
    assert train.isdisjoint(valid | test)
    assert valid.isdisjoint(test)
    assert train | valid | test == set(range(len(table)))
    assert parts_of(make_split(table, SplitConfig(kind=kind), seed=3)) == [train, valid, test]
    assert parts_of(make_split(table, SplitConfig(kind=kind), seed=4)) != [train, valid, test]
    np.testing.assert_allclose(split.fractions, (0.8, 0.1, 0.1), atol=0.02)
    assert split.to_json()["test"] == sorted(test)
    for rows in (split.train, split.valid, split.test):
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


def test_no_scaffold_is_in_two_parts(table):
    split = make_split(table, SplitConfig(kind="scaffold"), seed=0)
    found = scaffolds(table.smiles)
    sets = [{found[k] for k in rows} for rows in parts_of(split)]
    assert sets[0].isdisjoint(sets[1] | sets[2])
    assert sets[1].isdisjoint(sets[2])


def test_no_cluster_is_in_two_parts(table):
    split = make_split(table, SplitConfig(kind="cluster", cluster_similarity=0.3), seed=0)
    order = np.argsort(np.array(table.smiles))
    cluster = np.empty(len(table), np.int64)
    cluster[order] = leader_clusters(morgan_packed([table.smiles[k] for k in order]), similarity=0.3)
    sets = [{int(cluster[k]) for k in rows} for rows in parts_of(split)]
    assert sets[0].isdisjoint(sets[1] | sets[2])
    assert sets[1].isdisjoint(sets[2])


@pytest.mark.parametrize("kind", ["scaffold", "cluster"])
def test_splits_of_groups_do_not_depend_on_the_order_of_rows(kind):
    smiles = list(dict.fromkeys(strategies.shipped_smiles()))[:60]
    groups = []
    for order in (smiles, smiles[::-1]):
        one = table_of(order)
        folds = kfold_splits(one, 3, kind=kind, seed=1)
        groups.append({frozenset(one.smiles[k] for k in fold.test) for fold in folds})
    sizes = [sorted(map(len, found)) for found in groups]
    assert sizes[0] == sizes[1]


def test_scaffolds_are_rdkits():
    for smiles in strategies.shipped_smiles()[:50]:
        wanted = MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(smiles), includeChirality=False)
        assert scaffold(smiles) == wanted
    assert scaffold("CCO") == scaffold("no molecule") == ""
    assert scaffold("C[C@H]1CCCC[C@@H]1c1ccccc1") == "c1ccc(C2CCCCC2)cc1"


@given(st.lists(st.integers(0, 12), min_size=1, max_size=120), st.integers(0, 5))
def test_groups_are_never_cut(groups, seed):
    parts = assign_groups(np.array(groups), (0.7, 0.15, 0.15), seed=seed)
    assert set(parts.tolist()) <= {0, 1, 2}
    assert len(set(zip(groups, parts.tolist(), strict=True))) == len(set(groups))


@given(st.integers(30, 300), st.integers(0, 5))
def test_single_rows_meet_the_fractions(n, seed):
    parts = assign_groups(np.arange(n), (0.6, 0.2, 0.2), seed=seed)
    counts = np.bincount(parts, minlength=3)
    np.testing.assert_allclose(counts, np.array([0.6, 0.2, 0.2]) * n, atol=1.01)


def test_large_groups_go_to_training():
    groups = np.array([0] * 50 + [1] * 20 + list(range(2, 32)))
    parts = assign_groups(groups, (0.8, 0.1, 0.1), seed=0)
    assert set(parts[:70].tolist()) == {0}
    assert np.bincount(parts).tolist() == [80, 10, 10]


def test_what_cannot_be_met_is_noted():
    table = table_of([f"c1ccccc1{'C' * k}" for k in range(1, 40)])
    split = make_split(table, SplitConfig(kind="scaffold"), seed=0)
    assert (len(split.train), len(split.test)) == (39, 0)
    assert any("test has 0.0% of the rows, 10.0% wanted" in note for note in split.notes)


@pytest.mark.parametrize("kind", ["scaffold", "random", "cluster"])
def test_folds_cover_every_row_once(table, kind):
    splits = kfold_splits(table, 5, kind=kind, seed=2, valid_fraction=0.1)
    tested = Counter(row for split in splits for row in split.test.tolist())
    assert tested == Counter(range(len(table)))
    for split in splits:
        train, valid, test = parts_of(split)
        assert train | valid | test == set(range(len(table)))
        assert len(train) + len(valid) + len(test) == len(table)
        assert 0.05 < split.fractions[1] < 0.2
    if kind == "random":
        assert {len(split.test) for split in splits} <= {len(table) // 5, len(table) // 5 + 1}


def test_folds_without_validation(table):
    assert all(len(split.valid) == 0 for split in kfold_splits(table, 3))


@given(st.lists(st.integers(0, 9), min_size=10, max_size=80), st.integers(2, 4))
def test_dealt_groups_are_never_cut(groups, k):
    if len(set(groups)) < k:
        with pytest.raises(ConfigError):
            deal_groups(np.array(groups), k, seed=0)
        return
    folds = deal_groups(np.array(groups), k, seed=0)
    assert set(folds.tolist()) == set(range(k))
    assert len(set(zip(groups, folds.tolist(), strict=True))) == len(set(groups))


def test_one_fold_is_an_error(table):
    with pytest.raises(ConfigError):
        kfold_splits(table, 1)


def test_time_splits_keep_the_newest_for_the_test(table):
    split = make_split(table, SplitConfig(kind="time", time_column="year"), seed=0)
    years = np.array(table.extra["year"].to_pylist(), float)
    assert years[split.train].max() < years[split.valid].min() <= years[split.valid].max() < years[split.test].min()
    np.testing.assert_allclose(split.fractions, (0.8, 0.1, 0.1), atol=0.02)


def test_rows_without_a_time_are_in_training():
    table = table_of(["CCO", "CCN", "CCC", "CCF", "CCS", "CCCl"], when=["", "2001", "2002-05-01", "x", "2003", "2004"])
    split = make_split(table, SplitConfig(kind="time", time_column="when", fractions=(0.6, 0.2, 0.2)), seed=0)
    assert {0, 3} <= set(split.train.tolist())
    assert 5 in split.test
    assert any("2 rows without a time" in note for note in split.notes)


def test_columns_say_the_parts():
    words = ["train", "Validation", "TEST", "", "val", "Training"]
    table = table_of(["CCO", "CCN", "CCC", "CCF", "CCS", "CCCl"], split=words)
    split = make_split(table, SplitConfig(kind="column", split_column="split"), seed=0)
    assert parts_of(split) == [{0, 5}, {1, 4}, {2}]
    assert "1 rows are in no part" in split.notes


@pytest.mark.parametrize(
    "config, match",
    [
        (SplitConfig(kind="time", time_column="when"), "no column 'when'"),
        (SplitConfig(kind="time"), "no column named"),
        (SplitConfig(kind="time", time_column="word"), "is a time"),
        (SplitConfig(kind="column", split_column="word"), "'alpha'"),
    ],
)
def test_columns_that_cannot_be(config, match):
    table = table_of(["CCO", "CCN"], word=["alpha", "beta"])
    with pytest.raises(ColumnError, match=match):
        make_split(table, config, seed=0)


def test_an_empty_training_part_is_an_error():
    table = table_of(["CCO", "CCN"], part=["test", "test"])
    with pytest.raises(NoUsableRowsError, match="training part is empty"):
        make_split(table, SplitConfig(kind="column", split_column="part"), seed=0)


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_fractions_are_shares(fractions):
    with pytest.raises(ValidationError):
        SplitConfig(fractions=fractions)


# ---------------------------------------------------------------------------------------------- leakage


def test_leakage_by_hand():
    smiles = [
        "CCCCCCCC",
        "CC(=O)NC",
        "C[C@H](N)C(=O)O",
        "c1ccc(CC2CC2)cc1",
        "CC(O)=NC",
        "C[C@@H](N)C(=O)O",
        "c1ccc(CC2CC2)cc1C",
        "[Br-]",
    ]
    table = table_of(smiles)
    split = Split(np.arange(3), np.array([3]), np.arange(4, 8), "column", 0)
    report = leakage_report(table, split)
    assert (report.n_train, report.n_test, report.duplicates) == (4, 4, 0)
    assert report.twins == 2  # the tautomer of row 1 and the mirror image of row 2
    assert report.shared_scaffolds == 1
    assert sum(report.histogram) == 4
    assert report.share_above_0_9 == 0.25  # without chirality the mirror image has the same fingerprint
    assert "2 stereo or tautomer twins" in report.summary()
    assert report.to_json()["histogram"] == list(report.histogram)


def test_duplicates_are_found():
    table = table_of(["CCO", "CCN", "CCC"])
    doubled = AssayTable(**{
        **{name: getattr(table, name) for name in AssayTable.__slots__}, "smiles": ["CCO", "CCN", "CCO"],
    })  # fmt: skip
    report = leakage_report(doubled, Split(np.array([0]), np.array([1]), np.array([2]), "column", 0))
    assert (report.duplicates, report.twins, report.median_similarity) == (1, 0, 1)


def test_nothing_to_test():
    table = table_of(["CCO", "CCN"])
    report = leakage_report(table, Split(np.arange(2), np.arange(0), np.arange(0), "column", 0))
    assert (report.n_test, report.share_above_0_5, sum(report.histogram)) == (0, 0, 0)
    assert np.isnan(report.median_similarity)


@settings(max_examples=4)
@given(st.integers(0, 100))
def test_a_split_by_scaffold_shares_none(seed):
    smiles = list(dict.fromkeys(strategies.shipped_smiles()))[:60]
    table = table_of(smiles)
    split = make_split(table, SplitConfig(kind="scaffold"), seed=seed)
    report = leakage_report(table, split)
    assert (report.shared_scaffolds, report.duplicates) == (0, 0)
