"""Pictures: right marks, names drawn as they are, files that do not change, colours apart for every eye."""

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_rgb

from cinchona.errors import ColumnError, UsageError
from cinchona.pharmacovigilance.signals.counting.timeline import timeline
from cinchona.pharmacovigilance.signals.pictures import style
from cinchona.pharmacovigilance.signals.pictures.forest import forest
from cinchona.pharmacovigilance.signals.pictures.heat import heat_map
from cinchona.pharmacovigilance.signals.pictures.scatter import MOST_POINTS, volcano
from cinchona.pharmacovigilance.signals.pictures.time import counts_over_time, ic_over_time

ROWS = pl.DataFrame(
    {
        "label": ["a", "b $x_1$ <script>", "c", "d"], "n": [5, 3, 2, 1], "value": [3.0, 1.1, 0.5, np.inf],
        "lower": [1.5, 0.7, 0.1, np.nan], "upper": [6.0, 1.9, 2.0, np.nan],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def pairs(view):
    return view.with_measures(["fisher", "ic"]).signals("drug 000")


@pytest.fixture(scope="module")
def periods(case_reports):
    return timeline(case_reports, "drug 000", "event 000")


@pytest.fixture(scope="module")
def every(pairs, periods, view):
    small = view.signals(["drug 000", "drug 001"], ["event 000", "event 001", "event 002"])
    return {
        "volcano": volcano(pairs, pairs["ic025"].to_numpy() > 0),
        "forest": forest(ROWS),
        "heat": heat_map(small),
        "ic": ic_over_time(periods),
        "ic in periods": ic_over_time(periods, cumulative=False),
        "counts": counts_over_time(periods),
    }


class TestFiles:
    @pytest.mark.parametrize("name", ["volcano", "forest", "heat", "ic", "ic in periods", "counts"])
    def test_svg_and_png(self, every, name, tmp_path):
        for suffix, begin in ((".svg", b"<?xml"), (".png", b"\x89PNG")):
            path = style.save_figure(every[name], tmp_path / f"picture{suffix}")
            assert path.read_bytes().startswith(begin)

    def test_the_same_picture_is_the_same_file(self, periods, tmp_path):
        one, two = (style.save_figure(ic_over_time(periods), tmp_path / name) for name in ("1.svg", "2.svg"))
        assert one.read_bytes() == two.read_bytes()
        assert b"<dc:date>" not in one.read_bytes()

    def test_other_suffixes_are_refused(self, every, tmp_path):
        with pytest.raises(UsageError, match=r"\.svg or \.png"):
            style.save_figure(every["forest"], tmp_path / "picture.pdf")

    def test_pictures_of_one_page_share_no_ids(self, every):
        texts = [style.svg_text(every[name], name=name) for name in ("volcano", "ic")]
        ids = [{part.split('"')[0] for part in text.split(' id="')[1:] if part.startswith("p")} for text in texts]
        clips = [{i for i in found if len(i) == 11} for found in ids]
        assert clips[0]
        assert not clips[0] & clips[1]

    def test_names_are_escaped_and_no_formula(self):
        text = style.svg_text(forest(ROWS), name="x")
        assert "&lt;script&gt;" in text
        assert "<script>" not in text
        assert "$x_1$" in text

    def test_the_callers_settings_are_left_alone(self, every):
        assert mpl.rcParams["text.parse_math"] is True
        assert mpl.rcParams["svg.hashsalt"] is None


class TestContent:
    def test_volcano_shows_every_signal_and_thins_the_rest(self, pairs):
        many = pl.concat([pairs] * (2 * MOST_POINTS // pairs.height + 1))
        signals = np.zeros(many.height, bool)
        signals[:7] = True
        axes = volcano(many, signals).axes[0]
        rest, marked = (len(points.get_offsets()) for points in axes.collections)
        assert marked == 7
        assert rest <= MOST_POINTS
        assert "signal (7)" in [t.get_text() for t in axes.get_legend().get_texts()]
        assert len(axes.texts) == 7

    def test_names_in_the_volcano_do_not_overlap(self, pairs):
        signals = np.zeros(pairs.height, bool)
        signals[:8] = True
        axes = volcano(pairs, signals).axes[0]
        heights = sorted(text.xyann[1] for text in axes.texts)
        assert (np.diff(heights) > 0.02 * axes.get_ylim()[1]).all()
        assert min(heights) >= 0

    def test_forest_names_rows_without_an_interval(self):
        axes = forest(ROWS).axes[0]
        names = [t.get_text() for t in axes.get_yticklabels()]
        assert names[0] == "a  (n = 5)"
        assert names[3].endswith("no interval")
        above, others = axes.collections[:2]
        assert len(above.get_segments()) == 1
        assert len(others.get_segments()) == 2

    def test_forest_on_a_plain_axis(self):
        axes = forest(ROWS.drop("n"), log=False, null=0.0).axes[0]
        assert axes.get_xscale() == "linear"

    def test_heat_map_marks_what_is_sure_and_what_was_never_reported(self):
        frame = pl.DataFrame(
            {"drug": ["A", "A", "B"], "event": ["X", "Y", "X"], "ic": [2.0, -1.0, 9.0], "ic025": [1.0, -3.0, 4.0]}
        )
        axes = heat_map(frame).axes[0]
        rings, dots = (c.get_offsets() for c in axes.collections)
        assert sorted(map(tuple, rings)) == [(0, 0), (1, 0)]
        assert list(map(tuple, dots)) == [(1, 1)]
        assert axes.images[0].get_array().max() == 3.0
        with pytest.raises(ColumnError, match="ic025"):
            heat_map(frame.drop("ic025"))

    def test_band_contains_the_line(self, periods):
        axes = ic_over_time(periods).axes[0]
        band = axes.collections[0].get_paths()[0].vertices[:, 1]
        line = axes.lines[0].get_ydata()
        assert band.min() <= line.min()
        assert band.max() >= line.max()

    def test_long_names_are_cut_in_the_middle(self):
        assert style.shorten("short") == "short"
        cut = style.shorten("a" * 30 + " " + "b" * 30, 21)
        assert len(cut) <= 21
        assert "…" in cut
        assert cut.endswith("b")


def test_colours_are_apart_in_lightness():
    """Colours that mean different things differ in lightness too, so they can be told apart in grey."""
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(to_rgb, (style.ORANGE, style.BLUE, style.SKY))]
    assert min(abs(a - b) for k, a in enumerate(light) for b in light[:k]) > 0.03
    ends = mpl.colormaps[style.DIVERGING]([0.0, 0.5, 1.0])[:, :3]
    assert ends[1].min() > 0.9  # the null is white, whichever end is meant
