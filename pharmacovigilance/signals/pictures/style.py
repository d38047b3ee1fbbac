"""What all pictures share: colours that everybody can tell apart, plain type, files without a date in them."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cinchona.errors import UsageError
from cinchona.files import atomic_path

ORANGE: Final = "#D55E00"
"""Vermilion of Okabe and Ito: what stands out."""
BLUE: Final = "#0072B2"
"""Blue of Okabe and Ito: the main series."""
SKY: Final = "#56B4E9"
"""Light blue of Okabe and Ito: bands."""
GREY: Final = "#8A8A8A"
"""What is not a signal."""
INK: Final = "#222222"
"""Text and axes."""
DIVERGING: Final = "PuOr_r"
"""Colour map from deficit to excess: purple to orange, told apart with any colour vision."""

STYLE: Final[Mapping[Any, Any]] = MappingProxyType({
    "text.parse_math": False,  # drug names may hold dollar signs
    "svg.fonttype": "none", "svg.hashsalt": "cinchona",
    "font.family": ["DejaVu Sans", "sans-serif"], "font.size": 9.0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "axes.titlesize": 10.5, "axes.titlelocation": "left", "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.grid": False, "figure.facecolor": "white", "legend.frameon": False, "savefig.facecolor": "white",
})  # fmt: skip
"""Settings under which pictures are drawn and saved."""

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under :data:`STYLE`, whatever the caller's matplotlib settings are."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(dict(STYLE)):
            return draw(*args, **kwargs)

    return wrapped


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of ``width`` x ``height`` inches with one pair of axes; nothing global is touched."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a picture as SVG or PNG, by the suffix of ``path``, atomically.

    Raises:
        UsageError: if the suffix is neither ``.svg`` nor ``.png``.
    """
    if path.suffix not in {".svg", ".png"}:
        raise UsageError(f"no picture is written as {path.suffix or path.name!r}", expected=".svg or .png")
    with atomic_path(path) as temporary:
        _render(figure, temporary, path.suffix[1:], "")
    return path


def svg_text(figure: Figure, *, name: str) -> str:
    """The picture as an SVG element to put into a page; ``name`` keeps its ids apart from those of other pictures."""
    buffer = io.BytesIO()
    _render(figure, buffer, "svg", name)
    text = buffer.getvalue().decode()
    return text[text.index("<svg") :]


def shorten(text: str, length: int = 34) -> str:
    """Cut a long name in the middle."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half].rstrip()}…{text[-(length - 1 - half) :].lstrip()}"


def _render(figure: Figure, target: Any, kind: str, salt: str) -> None:  # noqa: ANN401 - a path or a buffer
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"cinchona {salt}"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the reader's font will have it
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(target, format=kind, dpi=150, metadata=metadata)
