"""Volcano: how large and how sure, all pairs of a table at once."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cinchona.pharmacovigilance.signals.pictures.style import GREY, INK, ORANGE, new_figure, shorten, styled

MOST_POINTS: Final = 4_000
"""Pairs that are no signals are thinned out to so many; signals never are."""


@styled
def volcano(
    frame: pl.DataFrame,
    signals: np.ndarray,
    *,
    label: str = "event",
    most_labels: int = 8,
    title: str = "",
) -> Figure:
    """Draw log2 of observed over expected against -log10 of Fisher's p.

    Signals are orange triangles, the others grey points; the surest signals carry their name.

    Args:
        frame: Signal table with ``ic`` and ``fisher_log10p``, and the column ``label``.
        signals: Mask of the pairs that are signals, bool, shape (n,).
        label: Column that names a pair: ``event`` for the pairs of one drug, ``drug`` for those of one event.
        most_labels: Names that are written.
        title: Title of the picture.
    """
    figure, axes = new_figure(6.4, 4.4)
    x, y = frame["ic"].to_numpy(), frame["fisher_log10p"].to_numpy()
    rest = np.flatnonzero(~signals)
    thin = rest[:: max(1, -(-len(rest) // MOST_POINTS))]
    axes.scatter(x[thin], y[thin], s=9, c=GREY, alpha=0.6, linewidths=0, label=f"no signal ({len(rest):,})")
    axes.scatter(
        x[signals], y[signals], s=22, c=ORANGE, marker="^", linewidths=0, label=f"signal ({int(signals.sum()):,})"
    )
    axes.axvline(0.0, color=INK, linewidth=0.7, linestyle=":")
    axes.set_xlabel("information component: log2((n + ½) / (E + ½))")
    axes.set_ylabel("−log10 p, Fisher's exact test, one-sided")
    axes.set_ylim(bottom=0.0)
    chosen = np.flatnonzero(signals)[np.argsort(-y[signals], kind="stable")][:most_labels]
    _write_names(axes, x[chosen], y[chosen], [shorten(str(frame[label][int(k)]), 28) for k in chosen])
    axes.legend(loc="upper left", fontsize=8, handletextpad=0.3)
    axes.set_title(title)
    return figure


def _write_names(axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str]) -> None:
    """Write each name beside its point, moved up where it would lie on one written before."""
    high = max(axes.get_ylim()[1], float(y.max(initial=0.0)) * 1.08)
    left, right = axes.get_xlim()
    width = right - left
    axes.set_xlim(left, right + 0.3 * width)  # room for the names
    line = 0.045 * high
    lowest = -np.inf
    for k in np.argsort(y, kind="stable"):
        height = max(float(y[k]), lowest)
        lowest = height + line
        arrow = {"arrowstyle": "-", "linewidth": 0.4, "color": GREY} if height > y[k] else None
        axes.annotate(
            names[k], (x[k], y[k]), xytext=(x[k] + 0.03 * width, height), fontsize=7.5, va="center", arrowprops=arrow
        )
    axes.set_ylim(0.0, max(high, lowest))
