"""Duplicates and other forms of known compounds, and their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from small_assays import SMILES

from cinchona.datasets.fingerprints import morgan_packed, nearest
from cinchona.datasets.overlap import overlap

KNOWN = ("CC(=O)CC(C)=O", "C[C@H](N)C(=O)O", "Oc1ccccn1", "c1ccccc1", "CC(C)CC(=O)O")


@pytest.mark.parametrize(
    ("tested", "kind"),
    [
        ("c1ccccc1", "duplicate"),
        ("C[C@@H](N)C(=O)O", "twin"),  # the other enantiomer
        ("CC(N)C(=O)O", "twin"),  # without its stereo
        ("O=c1cccc[nH]1", "twin"),  # lactam of the lactim: the InChIKey knows
        ("CC(=O)C=C(C)O", "twin"),  # enol of the ketone: the InChIKey does not
        ("CCCCC(=O)O", "new"),  # an isomer, no tautomer
        ("Cc1ccccc1", "new"),
    ],
)
def test_each_compound_is_what_it_is(tested, kind):
    found = overlap([tested], KNOWN)
    assert (bool(found.duplicate[0]), bool(found.twin[0])) == (kind == "duplicate", kind == "twin")
    assert bool(found.seen[0]) == (kind != "new")


def test_neighbours_are_the_nearest():
    found = overlap(SMILES[20:], SMILES[:20])
    similarity, place = nearest(morgan_packed(SMILES[20:]), morgan_packed(SMILES[:20]))
    np.testing.assert_array_equal(found.similarity, similarity)
    np.testing.assert_array_equal(found.nearest, place)


@pytest.mark.parametrize(("tested", "known"), [((), KNOWN), (KNOWN, ()), ((), ())])
def test_nothing_is_in_common_with_nothing(tested, known):
    found = overlap(tested, known)
    assert len(found.seen) == len(tested)
    assert not found.seen.any()
    assert found.nearest.tolist() == [-1] * len(tested)
