"""Counted substructures against RDKit's own arithmetic, and kernels against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.scorer import GOOD_SMILES
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import Descriptors, rdFingerprintGenerator
from small_assays import SMILES

from cinchona.datasets.descriptors import quick_descriptors
from cinchona.errors import ConfigError, ModelFileError
from cinchona.models.classical.counts import FAMILIES, MOST, Counts, References, count_substructures
from cinchona.models.classical.descriptors import check_descriptors, descriptors, quantiles_of, ranked
from cinchona.models.classical.kernels import KERNELS, distance_kernel, median_distance
from cinchona.models.classical.rarity import family_of

MOLECULES = [Chem.MolFromSmiles(text) for text in SMILES]

rows_of_counts = st.lists(st.dictionaries(st.integers(0, 12), st.integers(1, 5), max_size=8), min_size=1, max_size=8)


def counts_of(rows) -> Counts:
    ordered = [sorted(row.items()) for row in rows]
    start = np.cumsum([0, *(len(row) for row in ordered)]).astype(np.int64)
    flat = [pair for row in ordered for pair in row]
    return Counts(start, np.array([k for k, _ in flat], np.uint64), np.array([c for _, c in flat], np.uint8))


@given(rows_of_counts, rows_of_counts)
def test_similarity_is_shared_over_either(left, right):
    found = References(counts_of(right)).similarity(counts_of(left))
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            keys = set(a) | set(b)
            shared = sum(min(a.get(k, 0), b.get(k, 0)) for k in keys)
            either = sum(max(a.get(k, 0), b.get(k, 0)) for k in keys)
            assert found[i, j] == np.float32(shared / either if either else 1.0)


@given(rows_of_counts, st.randoms())
def test_rows_keep_their_substructures_when_some_are_taken(rows, draw):
    picks = np.array([draw.randrange(len(rows)) for _ in range(5)], np.int64)
    taken, wanted = counts_of(rows).take(picks), counts_of([rows[k] for k in picks])
    for name in ("start", "ids", "counts"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(wanted, name))


@given(rows_of_counts, st.integers(1, 20))
def test_folding_keeps_every_count(rows, size):
    folded = counts_of(rows).folded(size)
    np.testing.assert_array_equal(folded.sum(axis=1), counts_of(rows).totals())
    assert folded[0].tolist() == [sum(c for k, c in rows[0].items() if k % size == col) for col in range(size)]


@settings(max_examples=25)
@given(rows_of_counts)
def test_the_kernel_is_positive_definite(rows):
    gram = References(counts_of(rows)).similarity(counts_of(rows)).astype(float)
    assert np.linalg.eigvalsh((gram + gram.T) / 2).min() > -1e-5
    np.testing.assert_array_equal(np.diag(gram), 1)


def test_similarity_is_that_of_rdkit():
    make = rdFingerprintGenerator.GetMorganGenerator(radius=3, includeChirality=True)
    prints = [make.GetSparseCountFingerprint(mol) for mol in MOLECULES]
    want = np.array([DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints])
    counts = count_substructures(MOLECULES, "morgan3")
    np.testing.assert_allclose(References(counts).similarity(counts), want, atol=1e-6)


def test_stereoisomers_differ_and_other_families_count_other_things():
    pair = [Chem.MolFromSmiles(text) for text in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O")]
    for family in ("morgan2", "morgan3", "features3"):
        counts = count_substructures(pair, family)
        assert References(counts).similarity(counts)[0, 1] < 1, family
    ids = {family: set(count_substructures(MOLECULES[-1:], family).ids.tolist()) for family in FAMILIES}
    assert ids["morgan2"] <= ids["morgan3"]
    assert not ids["pairs"] & ids["torsions"]
    with pytest.raises(ConfigError, match="'beauty'"):
        count_substructures(pair, "beauty")


def test_a_polymer_is_cut():
    counts = count_substructures([Chem.MolFromSmiles("C" * 400)], "morgan2")
    assert counts.counts.max() == MOST


def test_no_molecule_and_no_substructure():
    nothing = count_substructures([], "pairs")
    assert References(nothing).similarity(nothing).shape == (0, 0)
    methane = count_substructures([Chem.MolFromSmiles("C")], "torsions")
    others = count_substructures(MOLECULES[:2], "torsions")
    assert References(methane).similarity(methane).tolist() == [[1.0]]
    assert References(others).similarity(methane).shape == (1, 2)


def test_descriptors_are_those_of_rdkit_and_finite():
    rows = descriptors(MOLECULES)
    assert rows.shape == (len(SMILES), len(quick_descriptors()))
    assert len(quick_descriptors()) > 80
    column = quick_descriptors().index("MolWt")
    np.testing.assert_allclose(rows[:, column], [Descriptors.MolWt(mol) for mol in MOLECULES], rtol=1e-6)
    odd = [Chem.MolFromSmiles(text) for text in ("[Na+].[Cl-]", "[Pt]", "[H][H]", "C" * 300, "[Fe]", "B", "*")]
    assert np.isfinite(descriptors(odd)).all()
    assert descriptors([]).shape == (0, len(quick_descriptors()))


def test_other_descriptors_are_refused_by_name():
    check_descriptors(quick_descriptors())
    with pytest.raises(ModelFileError, match="MolWt"):
        check_descriptors([name for name in quick_descriptors() if name != "MolWt"])
    with pytest.raises(ModelFileError, match="order"):
        check_descriptors(quick_descriptors()[::-1])


@given(st.lists(st.integers(-5, 5), min_size=3, max_size=40))
def test_ranks_rise_with_the_values_and_stay_in_range(values):
    rows = np.array(values, np.float32)[:, None]
    place = ranked(rows, quantiles_of(rows))[:, 0]
    assert np.abs(place).max() <= 1
    order = np.argsort(values, kind="stable")
    assert (np.diff(place[order]) >= -1e-6).all()
    if len(set(values)) > 1:
        assert ranked(np.array([[99.0]], np.float32), quantiles_of(rows))[0, 0] == pytest.approx(place.max(), abs=1e-6)


def test_a_constant_descriptor_tells_only_who_differs():
    quantiles = quantiles_of(np.full((10, 1), 3.0, np.float32))
    assert ranked(np.array([[2.0], [3.0], [7.0]], np.float32), quantiles)[:, 0].tolist() == [-1, 0, 1]


def test_the_kernel_of_descriptors_follows_its_formula():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(4, 7)).astype(np.float32), rng.normal(size=(5, 7)).astype(np.float32)
    want = np.exp(-np.abs(left[:, None] - right[None]).sum(axis=2) / 3.0)
    np.testing.assert_allclose(distance_kernel(left, right, 3.0), want, rtol=1e-5)
    np.testing.assert_array_equal(np.diag(distance_kernel(left, left, 3.0)), 1)
    assert median_distance(np.array([[0.0], [1.0], [3.0]], np.float32)) == 2
    assert median_distance(np.zeros((1, 3), np.float32)) == 1


def test_kernels_are_weighted_means():
    for name, parts in KERNELS.items():
        assert sum(parts.values()) == pytest.approx(1), name
        assert {family_of(part) for part in parts} <= {*FAMILIES, "descriptors"}
    assert len(GOOD_SMILES) > 5
