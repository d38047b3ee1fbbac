"""Heat map: drugs by events."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from cinchona.errors import ColumnError
from cinchona.pharmacovigilance.signals.pictures.style import DIVERGING, INK, new_figure, shorten, styled


@styled
def heat_map(
    frame: pl.DataFrame, *, column: str = "ic", sure: str = "ic025", limit: float = 3.0, title: str = ""
) -> Figure:
    """Draw a figure for each pair of a small table; white with a dot where the pair was never reported.

    A ring marks pairs whose ``sure`` column lies above 0, so the picture can be read without colour.

    Args:
        frame: Signal table with ``drug``, ``event``, ``column`` and ``sure``; about 30 x 40 names at most.
        column: Figure whose null value is 0.
        sure: Lower bound of it.
        limit: Figures beyond this are drawn like it.
        title: Title of the picture.

    Raises:
        ColumnError: if a column is missing.
    """
    missing = [name for name in ("drug", "event", column, sure) if name not in frame.columns]
    if missing:
        raise ColumnError(f"the table has no column {', '.join(missing)}", expected=", ".join(frame.columns))
    drugs, events = (frame[name].unique(maintain_order=True).to_list() for name in ("drug", "event"))
    grid = np.full((len(events), len(drugs)), np.nan)
    ring = np.zeros_like(grid, bool)
    place = {name: k for k, name in enumerate(drugs)}, {name: k for k, name in enumerate(events)}
    for drug, event, value, low in frame.select("drug", "event", column, sure).iter_rows():
        grid[place[1][event], place[0][drug]], ring[place[1][event], place[0][drug]] = value, low > 0
    figure, axes = new_figure(max(2.6 + 0.34 * len(drugs), 5.0), max(1.7 + 0.24 * len(events), 3.2))
    image = axes.imshow(np.clip(grid, -limit, limit), cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    rows, columns = np.nonzero(ring)
    axes.scatter(columns, rows, s=26, facecolors="none", edgecolors=INK, linewidths=0.9, label=f"{sure} > 0")
    rows, columns = np.nonzero(np.isnan(grid))
    axes.scatter(columns, rows, s=2, c=INK, linewidths=0, label="never reported")
    axes.set_xticks(range(len(drugs)), [shorten(str(d), 22) for d in drugs], rotation=50, ha="right")
    axes.set_yticks(range(len(events)), [shorten(str(e), 34) for e in events])
    figure.colorbar(image, ax=axes, label=f"{column}, cut at ±{limit:g}", ticks=[-limit, 0.0, limit])
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=7.5, borderaxespad=0.2)
    axes.set_title(title, pad=22.0)
    return figure
