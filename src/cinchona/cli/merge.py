"""``cinchona merge``: several finished screens as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, Out, command, new_app

app = new_app("Merge finished screens of one model into one list of hits.")


@command(app)
def merge(
    common: Common,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished screens.")],
    *,
    out: Out,
) -> None:
    """Merge finished screens of one model into one list of hits.

    Hits, rejects and counts are those of screening all libraries as one. Runs of another model or configuration are
    refused; identifiers that stand in more than one run are told.
    """
    from cinchona.cli.output import show
    from cinchona.screening.merge import merge_runs

    show(common, merge_runs(runs, out))
