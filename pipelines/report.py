"""Reports for people: one HTML file, nothing to download, opens without a network.

The page may run no script and load no style but its own two, which its content security policy names by digest, and
may reach no address at all. Every text from a file is escaped; structures are drawn, never copied.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2
import pyarrow as pa
from markupsafe import Markup

import cinchona
from cinchona.files import write_text
from cinchona.pipelines.figures import chart_style

MAX_HITS: Final = 200
"""Hits with a picture in a report; all of them are in ``hits.csv``. 200 make about 0.8 MB."""
REPORT: Final = "report.html"
_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Asset:
    """A style sheet or script that stands in the page."""

    text: Markup
    """Its content."""
    digest: str
    """SHA-256 in base64, as content security policies write it."""

    @classmethod
    def of(cls, text: str) -> Asset:
        """Digest ``text``.

        Raises:
            ValueError: if it could end its own element.
        """
        if "</" in text:
            raise ValueError("a style or script inside a page must not contain '</'")
        return cls(Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())  # noqa: S704 - ours


def write_screen_report(folder: Path, *, max_hits: int = MAX_HITS) -> Path:
    """Write ``report.html`` of a finished screen from its folder alone.

    Args:
        folder: Run folder with plan, receipts, manifest, hits and rejects.
        max_hits: Hits to show with pictures, best first.

    Returns:
        Path of the report.

    Raises:
        InputError: if the folder holds no finished screen.
        RetryableError: if the disk is full, read-only or failing.
    """
    from cinchona.pipelines.report_screen import screen_view  # draws with RDKit

    target = folder / REPORT
    write_text(target, render("screen.html.j2", screen_view(folder, max_hits=max_hits)))
    return target


def write_training_report(
    folder: Path, *, predictions: pa.Table | None = None, curves: Mapping[str, Sequence[float]] | None = None
) -> Path:
    """Write ``report/report.html`` into the folder of a trained model.

    Args:
        folder: The model folder with its trust record.
        predictions: Held-out compounds in any order, one row a compound and target: ``compound_id``, ``smiles``,
            ``target``, ``measured``, ``predicted`` (float), and where known ``kind`` (as of an endpoint).
        curves: Values by epoch from 0, by name such as ``train/loss``.

    Returns:
        Path of the report.

    Raises:
        ModelFileError: if the folder holds no model, or a damaged one.
        RetryableError: if the disk is full, read-only or failing.
    """
    from cinchona.pipelines.report_training import training_view

    target = folder / "report" / REPORT
    view = training_view(folder, predictions=predictions, curves=curves)
    write_text(target, render("training.html.j2", view))
    return target


def write_evaluation_report(folder: Path, *evaluated: Any, **described: Any) -> Path:  # noqa: ANN401 - passed on
    """Write ``report.html`` of an evaluation into ``folder``.

    Args:
        folder: Made if missing.
        evaluated: As :func:`cinchona.pipelines.report_evaluation.evaluation_view` takes.
        described: As it takes.

    Returns:
        Path of the report.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    from cinchona.pipelines.report_evaluation import evaluation_view

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / REPORT
    write_text(target, render("evaluation.html.j2", evaluation_view(*evaluated, **described)))
    return target


def render(template: str, view: Any) -> str:  # noqa: ANN401 - a view belongs to its template
    """Fill ``template`` with ``view``; every value that is not markup of ours is escaped."""
    style, script = _assets()
    text = (
        _environment()
        .get_template(template)
        .render(view=view, style=style, script=script, version=cinchona.__version__)
    )
    return str(text)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _assets() -> tuple[Asset, Asset]:
    style = (_TEMPLATES / "report.css").read_text("utf-8") + chart_style()
    return Asset.of(style), Asset.of((_TEMPLATES / "report.js").read_text("utf-8"))
