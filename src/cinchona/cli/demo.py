"""``cinchona demo``: the main job on data that comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import OptionalOut, Seeded, command, new_app

app = new_app("Train and screen on data that comes with the package.")


@command(app)
def demo(
    common: Seeded,
    *,
    out: OptionalOut = None,
    library: Annotated[
        list[str] | None, typer.Option("--library", metavar="NAME", help="Catalogue library to screen; repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Most rows to screen.")] = None,
) -> None:
    """Train on RDKit's Nav1.7 series and screen libraries of the catalogue; needs no download."""
    from cinchona.cli.results import show_demo
    from cinchona.cli.tracking import open_tracker
    from cinchona.pipelines.demo import DEMO_LIBRARIES
    from cinchona.pipelines.demo import demo as run_demo

    settings = common.settings()
    tracker = open_tracker(settings.tracking)
    result = run_demo(
        out=out or Path("cinchona-demo"), libraries=library or DEMO_LIBRARIES, limit=limit, settings=settings,
        seed=common.seed, tracker=tracker,
    )  # fmt: skip
    show_demo(common, result, record=tracker.describe())
