from __future__ import annotations

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from rdkit import Chem

from cinchona.datasets.graphcodes import AtomField, GraphCodes, codes
from cinchona.datasets.molgraph import (
    ATOM_DIM,
    BOND_DIM,
    ELEMENTS,
    FEATURE_SCHEMA,
    MolGraph,
    directed,
    features,
    featurize,
    featurize_batch,
    graph_of,
)
from cinchona.datasets.parsing import Rejected
from cinchona.errors import ShapeError
from cinchona.records import Stage

BLOCKS = {"element": 24, "degree": 8, "charge": 6, "chirality": 4, "hydrogens": 6, "hybridization": 8}


def block(graph: MolGraph, name: str) -> np.ndarray:
    start = 0
    for key, width in BLOCKS.items():
        if key == name:
            return graph.atoms[:, start : start + width]
        start += width
    raise AssertionError(name)


def test_the_schema_is_frozen():
    """These numbers are in every saved model; another layout needs another schema name."""
    assert (FEATURE_SCHEMA, ATOM_DIM, BOND_DIM, len(ELEMENTS)) == ("cinchona-1", 59, 15, 23)
    assert sum(BLOCKS.values()) + 3 == ATOM_DIM
    graph = featurize("C[C@H](N)C(=O)[O-]")
    assert np.flatnonzero(graph.atoms[1]).tolist() == [3, 27, 34, 40, 43, 51, 58]
    assert np.flatnonzero(graph.bonds[6]).tolist() == [1, 6, 13]
    assert graph.atoms[1, 58] == pytest.approx(0.12011)


@settings(max_examples=80)
@given(strategies.smiles())
def test_graphs_have_documented_shapes(smiles):
    mol = Chem.MolFromSmiles(smiles)
    graph = featurize(smiles)
    n, m = mol.GetNumAtoms(), mol.GetNumBonds()
    assert (graph.n_atoms, graph.n_bonds) == (n, m)
    assert (graph.atoms.shape, graph.bonds.shape, graph.edges.shape) == ((n, ATOM_DIM), (2 * m, BOND_DIM), (2, 2 * m))
    assert (graph.atoms.dtype, graph.bonds.dtype, graph.edges.dtype) == (np.float32, np.float32, np.int64)
    for name in BLOCKS:
        assert (block(graph, name).sum(axis=1) == 1).all()
    assert (graph.bonds[:, :6].sum(axis=1) == 1).all()
    assert (graph.bonds[:, 6:13].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(graph.edges[:, ::2], graph.edges[::-1, 1::2])
    np.testing.assert_array_equal(graph.bonds[::2], graph.bonds[1::2])


@settings(max_examples=40)
@given(strategies.rewritten_smiles(strategies.built_smiles(companions=False)))
def test_a_graph_does_not_depend_on_the_spelling_but_for_chirality(pair):
    first, second = (featurize(smiles) for smiles in pair)
    for name in set(BLOCKS) - {"chirality"}:
        rows = [sorted(map(tuple, block(graph, name).tolist())) for graph in (first, second)]
        assert rows[0] == rows[1]


@pytest.mark.parametrize(
    "smiles, name, column",
    [
        ("[U]", "element", -1),
        ("*C", "element", -1),
        ("[Pt]", "element", 22),
        ("[Fe+3]", "charge", -1),
        ("[O-2]", "charge", 0),
        ("F[S@TB1](F)(F)(F)F", "chirality", -1),
        ("[SiH4]", "hydrogens", 4),
        ("[BiH5]", "hydrogens", -1),
    ],
)
def test_unknown_buckets(smiles, name, column):
    graph = featurize(smiles)
    k = 1 if smiles.startswith("F") else 0
    row = block(graph, name)[k]
    assert row[column] == row.sum() == 1


def test_rare_bonds():
    dative = featurize("[NH3]->[Cu]")
    assert dative.bonds[0, :6].tolist() == [0, 0, 0, 0, 1, 0]
    mol = Chem.MolFromSmiles("CC")
    mol.GetBondWithIdx(0).SetBondType(Chem.BondType.HYDROGEN)
    assert featurize(mol).bonds[0, :6].tolist() == [0, 0, 0, 0, 0, 1]
    assert featurize("C/C=C/C").bonds[2, 6:13].tolist() == [0, 0, 0, 1, 0, 0, 0]


def test_the_smallest_molecules():
    methane, hydrogen = featurize("C"), featurize("[H][H]")
    assert (methane.edges.shape, methane.bonds.shape) == ((2, 0), (0, BOND_DIM))
    assert hydrogen.edges.tolist() == [[0, 1], [1, 0]]


def test_isotopes_have_their_mass():
    masses = [featurize(smiles).atoms[0, -1] for smiles in ("[CH4]", "[13CH4]", "[2H][2H]", "[99CH4]")]
    assert masses == pytest.approx([0.12011, 0.1300335, 0.0201410, 0.99], abs=1e-6)


def test_what_has_no_graph_says_why():
    found = featurize_batch(["CC", "C(", "C" * 60, Chem.MolFromSmiles("N"), Chem.Mol()], max_atoms=50)
    assert isinstance(found[0], MolGraph)
    assert isinstance(found[3], MolGraph)
    assert [item.stage for item in found if isinstance(item, Rejected)] == [Stage.PARSE] + 2 * [Stage.FEATURIZE]
    assert "60 atoms, expected 1 to 50" in found[2].reason


@settings(max_examples=40)
@given(strategies.smiles())
def test_codes_survive_their_bytes(smiles):
    graph = codes(Chem.MolFromSmiles(smiles))
    twin = GraphCodes.from_bytes(graph.to_bytes())
    for name in ("atoms", "bonds", "ends"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(graph, name))
        assert getattr(twin, name).dtype == getattr(graph, name).dtype
    np.testing.assert_array_equal(graph_of(twin).atoms, featurize(smiles).atoms)
    assert len(graph.to_bytes()) == 7 + 16 * len(graph.atoms) + 7 * len(graph.bonds)


def test_features_of_several_molecules_laid_end_to_end():
    parts = [codes(Chem.MolFromSmiles(smiles)) for smiles in ("CCO", "c1ccccc1[N+](=O)[O-]", "[2H]C")]
    joined = GraphCodes(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("atoms", "bonds", "ends")))
    atoms, bonds = features(joined)
    np.testing.assert_array_equal(atoms, np.concatenate([features(part)[0] for part in parts]))
    np.testing.assert_array_equal(bonds, np.concatenate([features(part)[1] for part in parts]))


def test_a_batch_gives_the_graphs_of_single_calls(monkeypatch):
    monkeypatch.setattr("cinchona.datasets.molgraph._CHUNK", 3)
    texts = ["CCO", "C", "C(", "c1ccccc1", "[H][H]", "CC", "N", "O=C=O"]
    for text, graph in zip(texts, featurize_batch(texts), strict=True):
        single = featurize(text)
        if isinstance(single, Rejected):
            assert graph == single
            continue
        for name in ("atoms", "bonds", "edges"):
            np.testing.assert_array_equal(getattr(graph, name), getattr(single, name))
            assert getattr(graph, name).dtype == getattr(single, name).dtype
    assert featurize_batch([]) == []


def test_damaged_codes_are_refused():
    data = codes(Chem.MolFromSmiles("CCO")).to_bytes()
    for bad in (b"", data[:-1], data + b"\0", b"\7" + data[1:]):
        with pytest.raises(ShapeError):
            GraphCodes.from_bytes(bad)
    with pytest.raises(ShapeError):
        GraphCodes(np.zeros((2, 3), np.int16), np.zeros((0, 3), np.uint8), np.zeros((0, 2), np.int16))
    with pytest.raises(ShapeError):
        GraphCodes(np.zeros((2, 8), np.int16), np.zeros((1, 3), np.uint8), np.zeros((2, 2), np.int16))


def test_codes_are_rdkits_facts():
    mol = Chem.MolFromSmiles("C[C@@H](F)c1cc[nH]c1.[37Cl-]")
    graph = codes(mol)
    assert graph.atoms[:, AtomField.DEGREE].tolist() == [atom.GetDegree() for atom in mol.GetAtoms()]
    assert graph.atoms[-1].tolist()[:3] == [17, 0, -1]
    assert graph.atoms[-1, AtomField.ISOTOPE] == 37
    assert directed(graph.ends).shape == (2, 2 * mol.GetNumBonds())
