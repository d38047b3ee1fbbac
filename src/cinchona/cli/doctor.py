"""``cinchona doctor``: check the installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, command, new_app
from cinchona.errors import ExitCode

app = new_app("Check this installation.")


@command(app)
def doctor(
    common: Common,
    *,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="Check also whether this site can be used from here."),
    ] = None,
) -> None:
    """Check this installation: versions, extras, threads, disk, the record of runs, and a site on request.

    Ends with 0 if everything needed works (a missing extra is a remark), with 2 if something must be mended.
    """
    from cinchona.cli.checkup import examine
    from cinchona.cli.output import show, show_record, show_table

    found = examine(common.config, common.overrides or (), profile=profile)
    if common.as_json:
        show(common, found)
    else:
        show_record(found["versions"], title="Versions")
        show_record(found["host"], title="Host")
        show_table(found["checks"], title="Checks")
    if not found["ok"]:
        raise typer.Exit(int(ExitCode.USAGE))
