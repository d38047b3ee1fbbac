"""``cinchona status``: how far a screen has come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, command, new_app

app = new_app("Say how far a screen has come.")


@command(app)
def status(
    common: Common, folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the screen.")]
) -> None:
    """Say how far a screen has come: while it runs, after it died, and from another machine."""
    from cinchona.cli.output import show
    from cinchona.pipelines.screen import status as run_status
    from cinchona.pipelines.space import space_status
    from cinchona.screening.synthons.plan import is_space_run

    show(common, space_status(folder) if is_space_run(folder) else run_status(folder))
