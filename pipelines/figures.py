"""Small charts as inline SVG: no library, no script, readable by screen readers, light and dark by the page's colours.

Colours are CSS variables with fallbacks, so the same picture stands in a report, in a file of its own and in a
tracking store.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

WIDTH: Final = 640
HEIGHT: Final = 260
MAX_POINTS: Final = 2_000
"""Points of a scatter plot; a larger set is thinned evenly in the order given."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 44
_LETTER: Final = 6.4
"""Mean width of a letter of 12 pixels."""
_SERIES: Final = ("c1", "c2", "c3", "c4")
_STYLE: Final = (
    "<style>.ax{stroke:currentColor;opacity:.35}.gr{stroke:currentColor;opacity:.1}"
    ".tx{fill:currentColor;font:12px system-ui,sans-serif}.c1{--c:var(--series-1,#2f6fdb)}.c2{--c:var(--series-2,#d9632b)}"
    ".c3{--c:var(--series-3,#2e9461)}.c4{--c:var(--series-4,#8a56c2)}.fi{fill:var(--c)}.li{stroke:var(--c);fill:none;"
    "stroke-width:2}.pt{fill:var(--c);opacity:.55}.gu{stroke:currentColor;opacity:.5;stroke-dasharray:4 4;fill:none}</style>"
)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values to pixels along one side."""

    low: float
    high: float
    start: float
    """Pixel of ``low``."""
    stop: float
    """Pixel of ``high``."""

    def at(self, value: float) -> float:
        """Pixel of ``value``, to a tenth."""
        span = self.high - self.low or 1.0
        return round(self.start + (value - self.low) / span * (self.stop - self.start), 1)

    def ticks(self, count: int = 6) -> list[float]:
        """About ``count`` round values within the axis."""
        step = nice_step((self.high - self.low) / max(count - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def nice_step(rough: float) -> float:
    """The round step (1, 2 or 5 times a power of ten) next above ``rough``.

    >>> nice_step(0.3), nice_step(7.0)
    (0.5, 10.0)
    """
    if not rough > 0 or not math.isfinite(rough):
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(float(f"{m * power:.12g}") for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def histogram_svg(edges: Sequence[float], counts: Sequence[int], *, label: str, mark: float | None = None) -> str:
    """Draw a histogram.

    Args:
        edges: Edges of the bins, ascending, length n + 1.
        counts: Entries in each bin, length n.
        label: Name of the horizontal axis, with unit.
        mark: Value to mark by a dashed line, such as the score of the last hit.
    """
    if not counts or sum(counts) == 0:
        return empty_svg("no finite scores", label=f"Histogram of {label}")
    x = Axis(float(edges[0]), float(edges[-1]), _LEFT, WIDTH - _RIGHT)
    y = Axis(0.0, float(max(counts)) * 1.05, HEIGHT - _BOTTOM, _TOP)
    bars = "".join(
        f'<rect x="{x.at(lo)}" y="{y.at(n)}" width="{max(x.at(hi) - x.at(lo) - 0.5, 0.5):.1f}" '
        f'height="{y.at(0) - y.at(n):.1f}"><title>{lo:.4g} to {hi:.4g}: {n:,}</title></rect>'
        for lo, hi, n in zip(edges[:-1], edges[1:], counts, strict=True)
        if n
    )
    line = ""
    if mark is not None and x.low <= mark <= x.high:
        line = f'<line class="gu" x1="{x.at(mark)}" x2="{x.at(mark)}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
    told = f"Histogram of {label}: {sum(counts):,} values from {edges[0]:.4g} to {edges[-1]:.4g}"
    return _chart(f'<g class="c1 fi">{bars}</g>{line}', x, y, names=(label, "compounds"), told=told)


def parity_svg(actual: np.ndarray, predicted: np.ndarray, *, label: str) -> str:
    """Draw predictions against measurements with the line of equality.

    Args:
        actual: Measured values, float, shape (n,); rows with NaN on either side are left out.
        predicted: Predicted values, float, shape (n,).
        label: Name and unit of the target.
    """
    ok = np.isfinite(actual) & np.isfinite(predicted)
    a, p = actual[ok].astype(float), predicted[ok].astype(float)
    if not len(a):
        return empty_svg("no values to compare", label=f"Parity plot of {label}")
    low, high = _padded(float(min(a.min(), p.min())), float(max(a.max(), p.max())))
    x, y = Axis(low, high, _LEFT, HEIGHT + 60), Axis(low, high, HEIGHT + 60 - _BOTTOM, _TOP)
    keep = _thin(len(a))
    points = "".join(f'<circle cx="{x.at(a[i])}" cy="{y.at(p[i])}" r="2.6"/>' for i in keep)
    guide = f'<line class="gu" x1="{x.at(low)}" y1="{y.at(low)}" x2="{x.at(high)}" y2="{y.at(high)}"/>'
    rmse = float(np.sqrt(np.mean((a - p) ** 2)))
    told = f"Parity plot of {label}: {len(a):,} compounds, root mean square error {rmse:.3g}"
    size = (HEIGHT + 60 + _RIGHT, HEIGHT + 60)
    return _chart(
        f'{guide}<g class="c1 pt">{points}</g>',
        x,
        y,
        names=(f"measured {label}", f"predicted {label}"),
        told=told,
        size=size,
    )


def curves_svg(curves: Sequence[tuple[str, Sequence[float]]], *, x_label: str, y_label: str) -> str:
    """Draw up to four curves over their index, from 0, with a legend; values that are not finite are left out."""
    drawn = [(n, [(i, float(v)) for i, v in enumerate(c) if math.isfinite(v)]) for n, c in curves[: len(_SERIES)]]
    points = [p for _, c in drawn for p in c]
    if not points:
        return empty_svg("no values yet", label=y_label)
    low, high = _padded(min(v for _, v in points), max(v for _, v in points))
    return lines_svg(
        [(n, c) for n, c in drawn if c], y_range=(low, high + _room(points, low, high, len(drawn))), x_label=x_label,
        y_label=y_label,
    )  # fmt: skip


def _room(points: Sequence[Point], low: float, high: float, names: int) -> float:
    """What is added to the y axis so that no point on the right lies behind a legend of ``names`` rows; 0 where none would."""
    legend, height = 18 * names + 8, HEIGHT - _TOP - _BOTTOM
    left = (WIDTH - _RIGHT - 190) / WIDTH * max(x for x, _ in points)
    behind = any(x >= left and v > high - legend / height * (high - low) for x, v in points)
    return legend / (height - legend) * (high - low) if behind else 0.0


def roc_svg(curves: Sequence[tuple[str, np.ndarray, np.ndarray]], *, y_label: str = "true positive rate") -> str:
    """Draw up to four ROC curves given as name, false and true positive rates in [0, 1]; the diagonal is a guess."""
    lines = [(n, list(zip(map(float, fpr), map(float, tpr), strict=True))) for n, fpr, tpr in curves[: len(_SERIES)]]
    lines = [(n, [c[i] for i in _thin(len(c))] + c[-1:]) for n, c in lines if c]
    if not lines:
        return empty_svg("only one class", label="ROC curve")
    return lines_svg(lines, y_range=(0.0, 1.0), x_label="false positive rate", y_label=y_label, guide=((0, 0), (1, 1)))


def lines_svg(
    lines: Sequence[tuple[str, Sequence[Point]]],
    *,
    y_range: tuple[float, float],
    x_label: str,
    y_label: str,
    guide: tuple[Point, Point] | None = None,
    legend: Literal["top", "bottom"] | None = None,
) -> str:
    """Draw named lines through points, with a legend (at the bottom beside a guide, unless asked otherwise) and a dashed guide."""
    ends = [p[0] for points in (*(c for _, c in lines), guide or ()) for p in points]
    x = Axis(min(ends), max(*ends, min(ends) + 1e-9), _LEFT, WIDTH - _RIGHT)
    y = Axis(*y_range, HEIGHT - _BOTTOM, _TOP)
    body = "" if guide is None else _polyline(x, y, guide, "gu")
    for css, (name, points) in zip(_SERIES, lines, strict=False):
        body += f'<g class="{css}"><title>{html.escape(name)}</title>{_polyline(x, y, points, "li")}</g>'
    on_top = legend == "top" or (legend is None and guide is None)
    body += _legend([name for name, _ in lines], top=_TOP + 4 if on_top else HEIGHT - _BOTTOM - 18 * len(lines) - 4)
    told = f"{y_label} over {x_label}: " + "; ".join(f"{n} ends at {c[-1][1]:.3g}" for n, c in lines)
    return _chart(body, x, y, names=(x_label, y_label), told=told)


def points_svg(points: Sequence[Point], *, x_label: str, y_label: str) -> str:
    """Draw points; those that are not finite are left out."""
    drawn = [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])]
    if not drawn:
        return empty_svg("no values yet", label=y_label)
    ranges = [_padded(min(p[side] for p in drawn), max(p[side] for p in drawn)) for side in (0, 1)]
    x, y = Axis(*ranges[0], _LEFT, WIDTH - _RIGHT), Axis(*ranges[1], HEIGHT - _BOTTOM, _TOP)
    body = "".join(f'<circle cx="{x.at(a)}" cy="{y.at(b)}" r="3.2"/>' for a, b in drawn)
    told = f"{y_label} over {x_label}: {len(drawn):,} points"
    return _chart(f'<g class="c1 pt">{body}</g>', x, y, names=(x_label, y_label), told=told)


def bars_svg(marks: Sequence[tuple[float, float, float, float]], *, label: str, x_label: str, y_label: str) -> str:
    """Draw points with vertical intervals in the unit square; the diagonal is what was promised.

    Args:
        marks: Place, height, lower and upper end of the interval of each point, all in [0, 1].
        label: Name of the target.
        x_label: Name of the horizontal axis.
        y_label: Name of the vertical axis.
    """
    if not marks:
        return empty_svg("no values to compare", label=label)
    x, y = Axis(0.0, 1.0, _LEFT, WIDTH - _RIGHT), Axis(0.0, 1.0, HEIGHT - _BOTTOM, _TOP)
    drawn = "".join(
        f'<line class="li" x1="{x.at(at)}" x2="{x.at(at)}" y1="{y.at(low)}" y2="{y.at(high)}"/>'
        f'<circle class="fi" cx="{x.at(at)}" cy="{y.at(height)}" r="4"><title>{at:.3f}: {height:.3f} ({low:.3f} to {high:.3f})</title></circle>'
        for at, height, low, high in marks
    )
    told = f"{y_label} over {x_label} of {label}: {len(marks)} points, the last one {marks[-1][1]:.3g} at {marks[-1][0]:.3g}"
    body = _polyline(x, y, ((0, 0), (1, 1)), "gu") + f'<g class="c1">{drawn}</g>'
    return _chart(body, x, y, names=(x_label, y_label), told=told)


def empty_svg(text: str, *, label: str) -> str:
    """A chart that says why it shows nothing."""
    body = f'<text class="tx" x="{WIDTH // 2}" y="{HEIGHT // 2}" text-anchor="middle">{html.escape(text)}</text>'
    return _svg(body, told=f"{label}: {text}", size=(WIDTH, HEIGHT))


def standalone(svg: str) -> str:
    """The chart as a file of its own: on white, whatever shows it."""
    head, _, rest = svg.partition(">")
    return f'{head} color="#1d2430">{_STYLE}<rect width="100%" height="100%" fill="#ffffff"/>{rest}'


def chart_style() -> str:
    """CSS that a page with charts needs once."""
    return _STYLE.removeprefix("<style>").removesuffix("</style>")


def _chart(
    body: str, x: Axis, y: Axis, *, names: tuple[str, str], told: str, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> str:
    bottom, left = y.start, x.start
    grid = "".join(f'<line class="gr" x1="{left}" x2="{x.stop}" y1="{y.at(t)}" y2="{y.at(t)}"/>' for t in y.ticks(5))
    marks = _texts(((x.at(t), bottom + 16, tick(t)) for t in x.ticks()), "middle")
    marks += _texts(((left - 6, y.at(t) + 4, tick(t)) for t in y.ticks(5)), "end")
    axes = f'<line class="ax" x1="{left}" x2="{x.stop}" y1="{bottom}" y2="{bottom}"/>'
    middle = (bottom + y.stop) / 2
    title = (
        f'<text class="tx" x="{(left + x.stop) / 2:.0f}" y="{size[1] - 8}" text-anchor="middle">{_fitting(names[0], x.stop - left + 40)}</text>'
        f'<text class="tx" x="13" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 13 {middle:.0f})">'
        f"{_fitting(names[1], bottom - y.stop + 30)}</text>"
    )
    return _svg(grid + body + axes + marks + title, told=told, size=size)


def _fitting(name: str, pixels: float) -> str:
    """``name`` escaped, and cut where it would be longer than ``pixels``; the text of the picture has it whole."""
    longest = int(pixels / _LETTER)
    return html.escape(name if len(name) <= longest else f"{name[: longest - 1]}…")


def _svg(body: str, *, told: str, size: tuple[int, int]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{html.escape(told)}" class="chart">{body}</svg>'
    )


def _texts(places: Iterable[tuple[float, float, str]], anchor: str) -> str:
    return "".join(f'<text class="tx" x="{x}" y="{y}" text-anchor="{anchor}">{t}</text>' for x, y, t in places)


def _legend(names: Sequence[str], *, top: int) -> str:
    rows = (
        f'<g class="{css}"><rect class="fi" x="{WIDTH - 190}" y="{top + 18 * i}" width="12" height="12"/>'
        f'<text class="tx" x="{WIDTH - 172}" y="{top + 11 + 18 * i}">{_fitting(name, 172)}</text></g>'
        for i, (css, name) in enumerate(zip(_SERIES, names, strict=False))
    )
    return "".join(rows)


def _polyline(x: Axis, y: Axis, points: Iterable[Point], css: str) -> str:
    return f'<polyline class="{css}" points="{" ".join(f"{x.at(a)},{y.at(b)}" for a, b in points)}"/>'


def tick(value: float) -> str:
    """Label of a tick: short, with k, M and G for thousands, millions and billions (10^9).

    >>> tick(0.30000000000000004), tick(25000), tick(0)
    ('0.3', '25k', '0')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:.4g}"


def _thin(count: int) -> Sequence[int]:
    return range(count) if count <= MAX_POINTS else np.linspace(0, count - 1, MAX_POINTS).astype(int).tolist()


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad
