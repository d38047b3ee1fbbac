"""The linear stand-in on hashed environments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from small_screens import NCI

from cinchona.errors import ShapeError
from cinchona.models.coded_input import molecules_of
from cinchona.models.surrogate import RADIUS, Surrogate, environment_counts
from cinchona.records import CompoundBatch

SMILES = [
    Chem.MolToSmiles(mol)
    for line in NCI.read_text().splitlines()[:2_500]
    if (mol := Chem.MolFromSmiles(line.split()[0], sanitize=True)) is not None and "." not in line
]


def coded(smiles: list[str]):
    return molecules_of(CompoundBatch.of(smiles))[0]


def test_every_atom_has_one_environment_of_each_radius() -> None:
    counts = environment_counts(coded(SMILES[:200]))
    atoms = [Chem.MolFromSmiles(s).GetNumAtoms() for s in SMILES[:200]]
    found = np.add.reduceat(np.expm1(counts.data), counts.indptr[:-1])
    assert found == pytest.approx((RADIUS + 1) * np.array(atoms), rel=1e-5)


@given(st.integers(0, 2**31 - 1))
def test_the_order_of_atoms_does_not_matter(seed: int) -> None:
    chosen = np.random.default_rng(seed).choice(SMILES, 5).tolist()
    shuffled = [Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(s), 1, seed % 10_000 + 1)[0] for s in chosen]
    assert (environment_counts(coded(chosen)) != environment_counts(coded(shuffled))).nnz == 0


def test_environments_tell_what_a_radius_of_two_can_see_and_no_more() -> None:
    rows = environment_counts(coded(["CCCCCCCCO", "CCCCCCCCN", "CCCCO", "CCO", "OCC"]))
    assert (rows[[0]] != rows[[1]]).nnz > 0
    assert (rows[[3]] != rows[[4]]).nnz == 0
    same_at_centre = set(rows[[0]].indices) & set(rows[[2]].indices)
    assert len(same_at_centre) > len(set(rows[[0]].indices) & set(rows[[3]].indices))


def test_it_learns_what_is_additive_and_generalizes() -> None:
    weight = np.array([Chem.MolFromSmiles(s).GetNumHeavyAtoms() for s in SMILES], float)
    model = Surrogate.fit(coded(SMILES[:1_500]), weight[:1_500], seed=1)
    estimate = model.predict(coded(SMILES[1_500:]))
    assert np.corrcoef(estimate, weight[1_500:])[0, 1] > 0.95
    assert estimate[:7] == pytest.approx(model.predict(coded(SMILES[1_500:1_507])), abs=1e-5)


def test_noise_is_not_learnt() -> None:
    noise = np.random.default_rng(5).normal(size=len(SMILES))
    model = Surrogate.fit(coded(SMILES[:1_500]), noise[:1_500], seed=1)
    assert abs(np.corrcoef(model.predict(coded(SMILES[1_500:])), noise[1_500:])[0, 1]) < 0.15


def test_a_score_a_molecule() -> None:
    with pytest.raises(ShapeError, match="score"):
        Surrogate.fit(coded(["CCO", "CCN"]), np.zeros(3), seed=0)
