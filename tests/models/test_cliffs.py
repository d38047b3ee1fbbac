"""Activity cliffs against the marks of MoleculeACE's authors and a brute search."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.errors import InputError
from cinchona.models.cliffs import Cliffs, _codes, _edit_similarity, cliff_report, find_cliffs

SERIES = [f"c1ccc2c(c1)cccc2CCCCNC(=O)CCCC{end}" for end in ("O", "N", "F", "Cl", "Br", "C")]


def test_a_cliff_is_a_similar_pair_with_more_than_a_tenfold_difference():
    found = find_cliffs([*SERIES[:3], "C1CC1"], np.array([5.0, 5.9, 6.5, 9.0]))
    assert found.pairs.tolist() == [[0, 2]]
    assert found.member.tolist() == [True, False, True, False]
    assert not find_cliffs(SERIES, np.full(6, 5.0)).member.any()
    assert find_cliffs(SERIES[:2], np.array([5.0, math.nan])).pairs.shape == (0, 2)
    assert find_cliffs([], np.zeros(0)).pairs.shape == (0, 2)


def test_a_bond_order_and_an_element_do_not_make_compounds_unlike():
    found = find_cliffs(["C1CCCCC1CCCCCCN", "c1ccccc1CCCCCCO"], np.array([4.0, 8.0]))
    assert found.pairs.tolist() == [[0, 1]], "their graph frameworks are the same"


def test_what_does_not_parse_is_named():
    with pytest.raises(InputError, match="molecule 1"):
        find_cliffs(["CCO", "C1CC"], np.array([1.0, 5.0]))


@cache
def distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@settings(max_examples=60, deadline=None)
@given(st.text("CNO", min_size=1, max_size=12), st.text("CNO", min_size=1, max_size=12))
def test_edit_similarity_is_that_of_the_recursion(a, b):
    codes, ends = _codes([a, b])
    found = float(_edit_similarity(codes, ends, np.array([0]), np.array([1]))[0])
    want = 1 - distance(a, b) / max(len(a), len(b))
    assert found == pytest.approx(want) if found else want <= 0.9 + 1e-12


def test_the_report_counts_as_its_formulas_say():
    cliffs = Cliffs(np.array([True, True, False, True]), np.array([[0, 1], [1, 3]]))
    values, predicted = np.array([5.0, 7.0, 6.0, 5.0]), np.array([5.0, 6.0, 8.0, 6.0])
    found = cliff_report(cliffs, values, predicted)
    assert (found.compounds, found.cliff_compounds, found.pairs) == (4, 3, 2)
    assert found.rmse == pytest.approx(math.sqrt(6 / 4))
    assert found.cliff_rmse == pytest.approx(math.sqrt(2 / 3))
    assert found.right_side == pytest.approx((1 + 0.5) / 2), "the first pair is right, the second a tie"
    missing = cliff_report(cliffs, values, np.array([5.0, math.nan, 8.0, 6.0]))
    assert (missing.pairs, missing.cliff_compounds) == (0, 2)
    assert math.isnan(missing.right_side)
    nothing = cliff_report(cliffs, values, np.full(4, math.nan))
    assert math.isnan(nothing.rmse)
    assert math.isnan(nothing.cliff_rmse)


DATA = os.environ.get("CINCHONA_DATA")


@pytest.mark.skipif(not DATA, reason="CINCHONA_DATA is not set: MoleculeACE is not shipped")
def test_cliffs_are_those_that_the_authors_marked():
    table = pd.read_csv(Path(DATA or "", "molprop", "moleculeace", "CHEMBL2047_EC50.csv"))
    found = find_cliffs(list(table["smiles"]), table["y [pEC50/pKi]"].to_numpy())
    marked = table["cliff_mol"].to_numpy() == 1
    assert (found.member == marked).mean() > 0.98, f"{(found.member != marked).sum()} of {len(table)} differ"
