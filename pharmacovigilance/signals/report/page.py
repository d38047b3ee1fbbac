"""The page: pictures as inline SVG, every text escaped, no script, nothing loaded from anywhere."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import polars as pl
from markupsafe import Markup

import cinchona
from cinchona.files import write_text
from cinchona.pharmacovigilance.signals.gps.fit import PriorFit
from cinchona.pharmacovigilance.signals.measures.catalogue import COLUMNS
from cinchona.pharmacovigilance.signals.pictures.forest import forest
from cinchona.pharmacovigilance.signals.pictures.heat import heat_map
from cinchona.pharmacovigilance.signals.pictures.scatter import volcano
from cinchona.pharmacovigilance.signals.pictures.style import svg_text
from cinchona.pharmacovigilance.signals.pictures.time import counts_over_time, ic_over_time
from cinchona.pharmacovigilance.signals.preview import figure_text
from cinchona.pharmacovigilance.signals.report.profile import Profile

MOST_ROWS = 200
"""Signals that the page lists; the table files hold all."""
TABLE_COLUMNS = (
    "n", "n_drug", "n_event", "expected", "rrr", "prr", "prr025", "ror", "ror025", "chi2_yates", "ic", "ic025",
    "ebgm", "eb05", "eb95",
)  # fmt: skip
"""Columns of the page's table, those that the signal table has."""


def render_report(profile: Profile, *, source: str = "", made: datetime | None = None) -> str:
    """Write the report as one HTML page.

    Args:
        profile: What it says.
        source: Name of the data, for the heading.
        made: When it was made; now if None.
    """
    columns = [c for c in TABLE_COLUMNS if c in profile.table.frame.columns and not _is_blank(profile, c)]
    signals = profile.signals.head(MOST_ROWS)
    prior = profile.table.prior
    return _environment().get_template("report.html.j2").render(
        profile=profile, source=source, version=cinchona.__version__,
        made=(made or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        definition=profile.table.definition, columns=columns, rows=signals.to_dicts(), most_rows=MOST_ROWS,
        pictures=_pictures(profile), conventions=profile.table.conventions().to_dicts(),
        prior=prior.summary() | {"verdict": prior.verdict} if isinstance(prior, PriorFit) else None,
        blank=[c for c in TABLE_COLUMNS if c in COLUMNS and COLUMNS[c].needs_prior and _is_blank(profile, c)],
        sparse=int(profile.signals["sparse"].sum()),
    )  # fmt: skip


def write_report(profile: Profile, path: Path, *, source: str = "") -> Path:
    """Write the report to ``path``, atomically.

    Raises:
        RetryableError: if the disk is full or failing.
    """
    write_text(path, render_report(profile, source=source))
    return path


def _pictures(profile: Profile) -> list[dict[str, Any]]:
    frame = profile.table.frame
    mask = np.isin(frame[profile.other].to_numpy(), profile.signals[profile.other].to_numpy())
    leaders = profile.signals if profile.signals.height else frame.sort("n", profile.other, descending=[True, False])
    top = leaders.head(15)
    rows = top.select(
        pl.col(profile.other).alias("label"), "n", pl.col("ror").alias("value"), pl.col("ror025").alias("lower"),
        pl.col("ror975").alias("upper"),
    )  # fmt: skip
    pair = f"{profile.name} and {profile.leading}"
    drawn = [
        ("All pairs", f"Every {profile.other} reported with {profile.name}.",
         volcano(frame, mask, label=profile.other)),
        ("Leading pairs", "Reporting odds ratios with 95 % intervals.", forest(rows)),
        ("Neighbours", f"Information component of the leading {profile.other}s with {profile.name} and others.",
         heat_map(profile.neighbours)),
        ("Subgroups", f"{pair}, each group with its own comparator.{_without(profile.subgroups)}",
         forest(profile.subgroups.filter(pl.col("n") > 0))),
    ]  # fmt: skip
    if profile.timeline is not None:
        drawn += [
            ("Over time", f"{pair}: information component of all reports up to the end of each quarter.",
             ic_over_time(profile.timeline)),
            ("Counts", f"{pair}: reports in each quarter.", counts_over_time(profile.timeline)),
        ]  # fmt: skip
    return [
        {"title": title, "caption": caption, "svg": Markup(svg_text(figure, name=f"{title} {k}"))}  # noqa: S704 - made by matplotlib, which escapes names
        for k, (title, caption, figure) in enumerate(drawn)
    ]


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cinchona.pharmacovigilance.signals.report"),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["figure"] = figure_text
    return environment


def _is_blank(profile: Profile, column: str) -> bool:
    """True if the column is there and holds nothing, as where the prior may not be used."""
    frame = profile.table.frame
    return column in frame.columns and frame[column].null_count() == frame.height


def _without(subgroups: pl.DataFrame) -> str:
    """Names the subgroups that have no report of the pair, which are not drawn."""
    empty = subgroups.filter(pl.col("n") == 0)["label"].to_list()
    return f" No report of the pair in {len(empty)} groups: {', '.join(empty)}." if empty else ""
