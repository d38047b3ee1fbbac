"""One pair over time: the information component with its band, and the counts."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cinchona.pharmacovigilance.signals.pictures.style import BLUE, INK, ORANGE, SKY, new_figure, styled

MOST_LABELS: Final = 8
"""Periods that are named below a picture."""


@styled
def ic_over_time(frame: pl.DataFrame, *, cumulative: bool = True, title: str = "") -> Figure:
    """Draw the information component by period with its 95 % credibility band.

    Periods whose lower bound lies above 0 are marked by an orange triangle.

    Args:
        frame: As :func:`cinchona.pharmacovigilance.signals.counting.timeline.timeline` gives it.
        cumulative: Figures up to each period's end; else those within each period.
        title: Title of the picture.
    """
    figure, axes = new_figure(6.4, 3.2)
    suffix = "_cumulative" if cumulative else ""
    value, lower, upper = (frame[f"{name}{suffix}"].to_numpy() for name in ("ic", "ic025", "ic975"))
    low = np.maximum(lower, min(float(value.min(initial=0.0)) - 3.0, -3.0))  # bounds at n = 0 are far below
    x = np.arange(frame.height)
    axes.fill_between(x, low, upper, color=SKY, alpha=0.4, linewidth=0, label="95 % credibility")
    axes.plot(x, value, "-o", color=BLUE, markersize=3.5, linewidth=1.4, label="IC")
    above = lower > 0
    axes.plot(x[above], value[above], "^", color=ORANGE, markersize=6, label="lower bound above 0")
    axes.axhline(0.0, color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylabel("information component" + (", cumulated" if cumulative else ""))
    _periods(axes, frame["period"].to_list())
    axes.legend(fontsize=8, ncols=3, loc="upper left", bbox_to_anchor=(0.0, -0.18))
    axes.set_title(title)
    return figure


@styled
def counts_over_time(frame: pl.DataFrame, *, title: str = "") -> Figure:
    """Draw reports of the pair by period as bars, and the number expected as a line.

    Args:
        frame: As :func:`cinchona.pharmacovigilance.signals.counting.timeline.timeline` gives it.
        title: Title of the picture.
    """
    figure, axes = new_figure(6.4, 2.9)
    x = np.arange(frame.height)
    axes.bar(x, frame["n"].to_numpy(), color=BLUE, width=0.7, label="reports of the pair")
    axes.plot(x, frame["expected"].to_numpy(), "--", color=ORANGE, linewidth=1.6, marker="_", label="expected")
    axes.set_ylabel("reports")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _periods(axes, frame["period"].to_list())
    axes.legend(fontsize=8, ncols=2, loc="upper left", bbox_to_anchor=(0.0, -0.18))
    axes.set_title(title)
    return figure


def _periods(axes: Axes, names: list[str]) -> None:
    """Label at most :data:`MOST_LABELS` periods, evenly, quarters by whole years where there are many."""
    step = max(1, -(-len(names) // MOST_LABELS))
    quarters = bool(names) and "Q" in names[0]
    if quarters and step > 1:
        step = 4 * -(-step // 4)
    axes.set_xticks(range(0, len(names), step), names[::step])
