"""Conformal quantiles: the correction for finite samples, exactly and on drawn data."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona.models.calibration.quantiles import LEVELS, conformal_quantiles


@pytest.mark.parametrize(
    "n,level,rank", [(9, 0.9, 9), (10, 0.9, 10), (8, 0.9, None), (19, 0.95, 19), (99, 0.99, 99), (1, 0.5, 1)]
)
def test_ranks_are_those_of_the_definition(n, level, rank):
    (found,) = conformal_quantiles(np.arange(1.0, n + 1), [level])
    assert found == (np.inf if rank is None else rank)


@given(st.integers(1, 400), st.sampled_from(LEVELS))
def test_rank_is_the_smallest_that_exchangeable_scores_bear_out(n, level):
    (found,) = conformal_quantiles(np.arange(1.0, n + 1), [level])
    wanted = Fraction(str(level))
    # Among n + 1 exchangeable scores the new one is at most the k-th smallest of the n with probability k / (n + 1).
    if np.isinf(found):
        assert Fraction(n, n + 1) < wanted
    else:
        assert Fraction(int(found), n + 1) >= wanted
        assert found == 1 or Fraction(int(found) - 1, n + 1) < wanted


def test_coverage_is_exact_on_average():
    scores = np.random.default_rng(0).random((20_000, 20))
    covered = [new <= conformal_quantiles(row, [0.9])[0] for *row, new in scores]
    assert np.mean(covered) == pytest.approx(18 / 20, abs=0.007)  # 20 old and new scores: rank 18 of 19
