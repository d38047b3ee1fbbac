"""Similarity by what is rare, against its formula written out, and its way through model folders."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from small_assays import SMILES

from cinchona.models.classical.blend import BlendScorer, Weighted, compact
from cinchona.models.classical.counts import Counts, count_substructures
from cinchona.models.classical.inputs import Basis, Inputs, Molecules
from cinchona.models.classical.members import Labels
from cinchona.models.classical.rarity import RareReferences, Rarity
from cinchona.models.classical.svm import SvmLearner
from cinchona.records import CompoundBatch, Endpoint

KERNEL = "rare substructures"
MOLECULES = [Chem.MolFromSmiles(text) for text in SMILES]
rows_of_counts = st.lists(st.dictionaries(st.integers(0, 12), st.integers(1, 5), max_size=8), min_size=1, max_size=8)


def counts_of(rows) -> Counts:
    ordered = [sorted(row.items()) for row in rows]
    start = np.cumsum([0, *(len(row) for row in ordered)]).astype(np.int64)
    flat = [pair for row in ordered for pair in row]
    return Counts(start, np.array([k for k, _ in flat], np.uint64), np.array([c for _, c in flat], np.uint8))


@given(rows_of_counts, rows_of_counts)
def test_similarity_follows_its_formula(queries, references):
    having = Counter(key for row in references for key in row)
    weight = {key: math.sqrt(math.log(1 + len(references) / n)) for key, n in having.items() if n >= 2}
    found = RareReferences(counts_of(references)).similarity(counts_of(queries))
    for i, a in enumerate(queries):
        for j, b in enumerate(references):
            pairs = [(w, math.log2(1 + a.get(k, 0)), math.log2(1 + b.get(k, 0))) for k, w in weight.items()]
            shared, either = (sum(w * which(x, y) for w, x, y in pairs) for which in (min, max))
            assert found[i, j] == pytest.approx(shared / either if either else 1.0, abs=1e-6)


@settings(max_examples=25)
@given(rows_of_counts)
def test_the_kernel_is_positive_definite_and_1_to_itself(rows):
    gram = RareReferences(counts_of(rows)).similarity(counts_of(rows)).astype(float)
    assert np.linalg.eigvalsh((gram + gram.T) / 2).min() > -1e-5
    np.testing.assert_array_equal(np.diag(gram), 1)


@given(rows_of_counts, st.randoms())
def test_a_part_of_the_references_and_of_the_queries_has_the_same_similarities(rows, draw):
    counts, some = counts_of(rows), np.array([draw.randrange(len(rows)) for _ in range(4)], np.int64)
    whole = RareReferences(counts)
    np.testing.assert_array_equal(whole.take(some).similarity(counts), whole.similarity(counts)[:, some])
    np.testing.assert_array_equal(whole.similarity(counts.take(some)), whole.similarity(counts)[some])


def test_what_one_compound_has_does_not_count_and_what_few_have_counts_more():
    counts = counts_of([{1: 1, 2: 1, 3: 1}, {1: 2, 2: 1}, {1: 1}, {1: 1}])
    rarity = Rarity.of(counts)
    assert rarity.ids.tolist() == [1, 2]
    np.testing.assert_allclose(rarity.weights**2, np.log([2, 3]))
    found = RareReferences(counts).similarity(counts_of([{1: 1, 2: 1}, {9: 3}]))
    assert found[0, 0] == 1
    assert found[0, 2] < 0.5
    assert found[1].tolist() == [0, 0, 0, 0]


def test_nothing_shared_is_nothing_to_compare():
    alone = RareReferences(count_substructures([Chem.MolFromSmiles("CCO")], "pairs"))
    assert alone.similarity(count_substructures(MOLECULES[:2], "pairs")).tolist() == [[1.0], [1.0]]


@pytest.fixture(scope="module")
def scorer() -> BlendScorer:
    molecules = Molecules(MOLECULES)
    basis, rows = Basis.of(molecules, [KERNEL]), np.arange(len(SMILES))
    values = np.array([mol.GetNumHeavyAtoms() for mol in MOLECULES], float)
    member = SvmLearner(KERNEL).fit(Inputs(molecules, basis), Labels(values, "regression"), rows, seed=0)
    return compact([[Weighted("machine", member, 1.0)]], basis, [Endpoint("y")])


def test_a_model_comes_back_as_it_was(scorer):
    batch = CompoundBatch.of(["CCN", "c1ccccc1CC(=O)O", *SMILES[:3]])
    twin = BlendScorer.restore(scorer.spec(), scorer.arrays(), scorer.endpoints)
    np.testing.assert_array_equal(twin.score(batch).value, scorer.score(batch).value)


@pytest.mark.parametrize("harm", ["fewer weights", "a weight of 0", "out of order", "other counts"])
def test_damaged_weights_are_refused(scorer, harm):
    arrays = dict(scorer.arrays())
    lead = "basis.rare-pairs."
    if harm == "fewer weights":
        arrays[f"{lead}rarity_weights"] = arrays[f"{lead}rarity_weights"][1:]
    elif harm == "a weight of 0":
        arrays[f"{lead}rarity_weights"] = np.zeros_like(arrays[f"{lead}rarity_weights"])
    elif harm == "out of order":
        arrays[f"{lead}rarity_ids"] = arrays[f"{lead}rarity_ids"][::-1]
    else:
        arrays[f"{lead}counts"] = arrays[f"{lead}counts"][1:]
    with pytest.raises(ValueError, match="do not fit"):
        BlendScorer.restore(scorer.spec(), arrays, scorer.endpoints)
