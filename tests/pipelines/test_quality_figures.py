"""Enrichment and reliability pictures: the corners of the curves, and when there is nothing to draw."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from recorded_models import forest, heldout_table

from cinchona.models.calibration_error import reliability_curve
from cinchona.pipelines.quality_figures import enrichment_svg, quality_pictures, reliability_svg


def points(svg):
    (line,) = re.findall(
        r'<polyline[^>]*class="li"[^>]*points="([^"]+)"|<polyline[^>]*points="([^"]+)"[^>]*class="li"', svg
    )[:1]
    return [tuple(map(float, p.split(","))) for p in (line[0] or line[1]).split()]


def test_a_perfect_ranking_climbs_first_and_a_constant_one_is_the_diagonal():
    actives = np.arange(100) < 10
    perfect = enrichment_svg(actives, -np.arange(100.0), label="y")
    assert "ends at 1" in perfect
    heights = [y for _, y in points(perfect)]
    assert heights[10] == min(heights), "all actives are found in the first tenth"
    assert len(points(enrichment_svg(actives, np.zeros(100), label="y"))) == 2, "ties are one step"


def test_an_honest_model_lies_on_the_diagonal():
    rng = np.random.default_rng(0)
    y = rng.normal(size=50_000)
    promised, found = reliability_curve("regression", y, np.column_stack([np.zeros_like(y), np.ones_like(y)]))
    np.testing.assert_allclose(promised, found, atol=0.01)
    p = rng.random(50_000)
    promised, found = reliability_curve("classification", (rng.random(50_000) < p) * 1.0, np.column_stack([p, p]))
    assert len(promised) == 10
    np.testing.assert_allclose(promised, found, atol=0.02)
    assert "<svg" in reliability_svg(promised, found, kind="classification", label="<y>")
    assert "<y>" not in reliability_svg(promised, found, kind="classification", label="<y>")


@pytest.mark.parametrize("rows,expected", [(100, {"enrichment", "reliability"}), (5, set())])
def test_pictures_of_a_model(tmp_path, rows, expected):
    pictures = quality_pictures(forest(tmp_path / "model"), heldout_table().slice(0, rows))
    assert {name.split("-")[0] for name in pictures} == expected


def test_bounds_are_left_out(tmp_path):
    table = heldout_table()
    censored = table.set_column(table.column_names.index("censor"), "censor", pa.array([1] * len(table), pa.int8()))
    assert quality_pictures(forest(tmp_path / "model"), censored) == {}
