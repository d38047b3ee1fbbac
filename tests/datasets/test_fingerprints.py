from __future__ import annotations

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from cinchona.datasets.clusters import leader_clusters
from cinchona.datasets.fingerprints import morgan_bits, morgan_counts, morgan_packed, nearest, pack, tanimoto
from cinchona.errors import InputError, ShapeError

SMILES = strategies.shipped_smiles()[:120]
BATCHES = st.lists(st.sampled_from(SMILES), min_size=1, max_size=12)


def test_bits_and_counts_are_rdkits():
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    mols = [Chem.MolFromSmiles(smiles) for smiles in SMILES[:40]]
    wanted = np.array([list(generator.GetFingerprint(mol)) for mol in mols], np.uint8)
    np.testing.assert_array_equal(morgan_bits(mols), wanted)
    np.testing.assert_array_equal(morgan_bits(SMILES[:40]), wanted)
    np.testing.assert_array_equal(morgan_packed(mols), pack(wanted))
    counts = morgan_counts(mols[:5], radius=3, size=512)
    other = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=512)
    assert counts.tolist() == [list(other.GetCountFingerprint(mol)) for mol in mols[:5]]


def test_chirality_is_optional():
    pair = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]
    assert (morgan_bits(pair)[0] == morgan_bits(pair)[1]).all()
    chiral = morgan_bits(pair, chirality=True)
    assert (chiral[0] != chiral[1]).any()


def test_a_bad_molecule_is_named():
    with pytest.raises(InputError, match="molecule 1 has no fingerprint: unclosed ring"):
        morgan_bits(["CCO", "C1CC"])


@settings(max_examples=25)
@given(BATCHES, BATCHES)
def test_tanimoto_is_rdkits(left, right):
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    vectors = [[generator.GetFingerprint(Chem.MolFromSmiles(smiles)) for smiles in side] for side in (left, right)]
    wanted = [DataStructs.BulkTanimotoSimilarity(vector, vectors[1]) for vector in vectors[0]]
    a, b = morgan_packed(left), morgan_packed(right)
    np.testing.assert_allclose(tanimoto(a, b), wanted, atol=1e-6)
    best, where = nearest(a, b)
    np.testing.assert_allclose(best, np.max(wanted, axis=1), atol=1e-6)
    assert where.tolist() == np.argmax(wanted, axis=1).tolist()


def test_blocks_do_not_change_the_nearest(monkeypatch):
    packed = morgan_packed(SMILES)
    whole = nearest(packed[:50], packed[30:])
    monkeypatch.setattr("cinchona.datasets.fingerprints._QUERY_BLOCK", 7)
    monkeypatch.setattr("cinchona.datasets.fingerprints._REFERENCE_BLOCK", 11)
    blocked = nearest(packed[:50], packed[30:])
    for one, other in zip(whole, blocked, strict=True):
        np.testing.assert_array_equal(one, other)


def test_empty_fingerprints_are_alike():
    nothing = np.zeros((1, 8), np.uint8)
    something = np.full((1, 8), 255, np.uint8)
    assert tanimoto(nothing, nothing)[0, 0] == 1
    assert tanimoto(nothing, something)[0, 0] == 0
    assert tanimoto(np.repeat(nothing, 9, axis=0), something).tolist() == [[0.0]] * 9


def test_shapes_are_checked():
    with pytest.raises(ShapeError):
        tanimoto(np.zeros((1, 8), np.uint8), np.zeros((1, 16), np.uint8))
    with pytest.raises(ShapeError):
        nearest(np.zeros((1, 8), np.uint8), np.zeros((0, 8), np.uint8))
    assert tanimoto(np.zeros((0, 8), np.uint8), np.zeros((3, 8), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize("block", [5, 1000])
@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.9])
def test_clusters_keep_their_promise(monkeypatch, similarity, block):
    monkeypatch.setattr("cinchona.datasets.clusters._BLOCK", block)
    packed = morgan_packed([*SMILES, *SMILES[:10]])
    cluster = leader_clusters(packed, similarity=similarity)
    leaders = np.array([np.flatnonzero(cluster == k)[0] for k in range(cluster.max() + 1)])
    to_leader = tanimoto(packed, packed[leaders])
    assert (to_leader[np.arange(len(packed)), cluster] >= similarity - 1e-6).all()
    among = tanimoto(packed[leaders], packed[leaders]) - np.eye(len(leaders))
    assert among.max() < similarity
    np.testing.assert_array_equal(cluster[:10], cluster[-10:])


def test_clusters_agree_with_a_plain_loop():
    packed = morgan_packed(SMILES[:60])
    similarity = tanimoto(packed, packed)
    leaders: list[int] = []
    wanted = []
    for k in range(60):
        best = int(np.argmax(similarity[k, leaders])) if leaders else -1
        if best < 0 or similarity[k, leaders[best]] < 0.35:
            leaders.append(k)
            best = len(leaders) - 1
        wanted.append(best)
    assert leader_clusters(packed, similarity=0.35).tolist() == wanted
