"""Forest plot: figures with their intervals, one row each."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from cinchona.pharmacovigilance.signals.pictures.style import BLUE, INK, ORANGE, new_figure, shorten, styled


@styled
def forest(
    rows: pl.DataFrame, *, axis: str = "reporting odds ratio", null: float = 1.0, log: bool = True, title: str = ""
) -> Figure:
    """Draw a figure with its interval for each row, first row on top.

    Intervals that lie wholly above the null value are orange with a triangle, the others blue with a circle. A row
    without a finite interval is named and left empty, never dropped.

    Args:
        rows: Columns ``label``, ``value``, ``lower``, ``upper`` and optionally ``n``.
        axis: Name of the axis.
        null: Value of no association.
        log: Logarithmic axis.
        title: Title of the picture.
    """
    figure, axes = new_figure(6.8, 1.1 + 0.26 * max(rows.height, 1))
    value, lower, upper = (rows[name].to_numpy().astype(float) for name in ("value", "lower", "upper"))
    height = np.arange(rows.height)[::-1]
    drawn = np.isfinite(value) & np.isfinite(lower) & np.isfinite(upper) & ((lower > 0) | (not log))
    above = drawn & (lower > null)
    for mask, colour, marker in ((above, ORANGE, "^"), (drawn & ~above, BLUE, "o")):
        axes.hlines(height[mask], lower[mask], upper[mask], color=colour, linewidth=1.6)
        axes.plot(value[mask], height[mask], marker, color=colour, markersize=5)
    axes.axvline(null, color=INK, linewidth=0.8, linestyle=":")
    if log:
        axes.set_xscale("log")
        ends = np.append(np.concatenate([lower[drawn], upper[drawn]]), null)
        decades = float(np.log10(ends.max() / ends.min()))
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,), numticks=8))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    names = [shorten(str(name), 40) for name in rows["label"]]
    if "n" in rows.columns:
        names = [f"{name}  (n = {n})" for name, n in zip(names, rows["n"], strict=True)]
    names = [name if ok else f"{name}: no interval" for name, ok in zip(names, drawn, strict=True)]
    axes.set_yticks(height, names)
    axes.set_ylim(-0.6, max(rows.height, 1) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(axis)
    axes.set_title(title)
    return figure
