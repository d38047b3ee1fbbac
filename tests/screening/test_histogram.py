"""Histograms merge exactly: the whole equals its parts, however it was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import score_columns

from cinchona.screening.histogram import MAX_BINS, ScoreHistogram

wild = st.lists(st.floats(width=32), max_size=40).map(lambda v: np.array(v, np.float32))


@given(st.lists(st.one_of(score_columns(), wild), max_size=4))
def test_merging_loses_nothing(parts):
    whole = np.concatenate([*parts, np.empty(0, np.float32)])
    merged = ScoreHistogram.merge(ScoreHistogram.of(p) for p in parts)
    assert merged == ScoreHistogram.of(whole)
    assert merged == ScoreHistogram.merge(ScoreHistogram.of(p) for p in reversed(parts))
    assert merged.total + merged.not_finite == len(whole)


@given(st.one_of(score_columns(), wild))
def test_bins_hold_what_they_say(scores):
    histogram = ScoreHistogram.of(scores)
    finite = scores[np.isfinite(scores)].astype(np.float64)
    assert len(histogram.counts) <= MAX_BINS
    if len(finite):
        counts, _ = np.histogram(finite, np.append(histogram.edges[:-1], np.inf))
        assert tuple(counts) == histogram.counts
        assert histogram.edges[0] <= finite.min() < histogram.edges[1]
        assert histogram.edges[-2] <= finite.max() < histogram.edges[-1]
    else:
        assert len(histogram.edges) == 0


def test_bins_are_as_fine_as_they_can_be():
    scores = np.linspace(3, 11, 1000, dtype=np.float32)
    histogram = ScoreHistogram.of(scores)
    assert histogram.width == 0.125
    assert 64 < len(histogram.counts) <= MAX_BINS


def test_survives_json():
    histogram = ScoreHistogram.of(np.array([1.5, np.nan, -3.25], np.float32))
    assert ScoreHistogram.model_validate_json(histogram.model_dump_json()) == histogram
    assert histogram.not_finite == 1


@pytest.mark.parametrize("value", [0.0, 1e-30, -1e30, 3.4e38])
def test_a_single_value_is_one_bin(value):
    assert ScoreHistogram.of(np.array([value] * 3, np.float32)).counts == (3,)
