"""Charts: right numbers, nothing but allowed markup, a text for those who cannot see them."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona.pipelines.figures import (
    Axis,
    curves_svg,
    histogram_svg,
    nice_step,
    parity_svg,
    roc_svg,
    standalone,
    tick,
)

SVG = "{http://www.w3.org/2000/svg}"


def test_histogram_bars_are_as_high_as_their_counts():
    svg = ET.fromstring(histogram_svg([0, 1, 2, 3], [4, 0, 8], label="pIC50", mark=2.5))
    heights = [float(bar.get("height")) for bar in svg.iter(f"{SVG}rect")]
    assert heights[1] / heights[0] == pytest.approx(2, rel=0.01)
    assert "12 values from 0 to 3" in svg.get("aria-label")
    assert svg.get("role") == "img"
    assert len(svg.findall(f".//{SVG}line[@class='gu']")) == 1


def test_a_mark_outside_is_not_drawn():
    assert 'class="gu"' not in histogram_svg([0, 1], [1], label="x", mark=7)


def test_parity_leaves_gaps_out_and_tells_the_error():
    svg = parity_svg(np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.0, 3.0, 2.0, np.inf]), label="pIC50")
    assert svg.count("<circle") == 2
    assert "2 compounds, root mean square error 0.707" in svg


def test_large_sets_are_thinned():
    values = np.arange(5_000.0)
    assert parity_svg(values, values, label="x").count("<circle") == 2_000


def test_curves_and_roc_have_legends_and_ends():
    svg = curves_svg([("train", [1.0, 0.5]), ("valid", [1.2, math.nan, 0.7])], x_label="epoch", y_label="RMSE")
    assert "train ends at 0.5; valid ends at 0.7" in svg
    assert svg.count("<polyline") == 2
    roc = roc_svg([("GNN", np.array([0, 0.1, 1]), np.array([0, 0.8, 1]))])
    assert roc.count("<polyline") == 2, "one curve and the diagonal"


@pytest.mark.parametrize(
    "svg,reason",
    [
        (histogram_svg([], [], label="x"), "no finite scores"),
        (parity_svg(np.array([]), np.array([]), label="x"), "no values to compare"),
        (curves_svg([("a", [])], x_label="x", y_label="y"), "no values yet"),
        (roc_svg([]), "only one class"),
    ],
)
def test_a_chart_without_data_says_so(svg, reason):
    assert reason in svg


def test_labels_are_escaped_and_alone_it_is_a_whole_file():
    svg = standalone(histogram_svg([0, 1], [1], label="<b>&"))
    assert "<b>" not in svg
    root = ET.fromstring(svg)
    assert root.find(f"{SVG}rect").get("fill") == "#ffffff"


@given(st.floats(1e-12, 1e12))
def test_nice_steps_are_one_two_or_five_and_not_much_larger(rough):
    step = nice_step(rough)
    assert rough * 0.999 <= step <= rough * 2.51
    assert re.fullmatch(r"[125]", f"{step:.0e}"[0])


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_lie_within_the_axis(low, span):
    axis = Axis(low, low + span, 0, 100)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-6 * (abs(low) + span) <= t <= low + span + 1e-6 * (abs(low) + span) for t in ticks)


def test_ticks_are_short():
    assert [tick(v) for v in (0.1 + 0.2, 1234, 25_000, 3e6, 2e9)] == ["0.3", "1234", "25k", "3M", "2G"]
    assert nice_step(0) == 1.0


@pytest.mark.parametrize("last", [0.0, 1.0])
def test_curves_do_not_run_behind_their_legend(last):
    svg = ET.fromstring(curves_svg([("one", [0.5, 1.0, 0.2, 0.2, last])], x_label="epoch", y_label="loss"))
    (line,) = (each for each in svg.iter(f"{SVG}polyline"))
    x, y = (float(part) for part in line.get("points").split()[-1].split(","))
    (box,) = (rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "fi")
    assert x >= float(box.get("x"))
    assert y > float(box.get("y")) + float(box.get("height"))


def test_names_too_long_for_their_place_are_cut():
    name = "measured log solubility in mols per litre"
    svg = parity_svg(np.array([1.0, 2.0]), np.array([1.0, 3.0]), label=name)
    assert "predicted measured log solubility in mols pe…" in svg
    assert f"Parity plot of {name}" in svg, "the text has it whole"
    assert "<" not in re.sub(r"</?[a-z]+[^>]*>", "", curves_svg([("<b>" * 20, [1.0, 2.0])], x_label="<i>", y_label="y"))
