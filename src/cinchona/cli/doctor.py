"""``cinchona doctor``: check the installation."""

from __future__ import annotations

import typer

from cinchona.cli.common import Common, command, new_app
from cinchona.errors import ExitCode

app = new_app("Check this installation.")


@command(app)
def doctor(common: Common) -> None:
    """Check this installation: versions, extras, threads, disk and the record of runs.

    Ends with 0 if everything needed works (a missing extra is a remark), with 2 if something must be mended.
    """
    from cinchona.cli.checkup import examine
    from cinchona.cli.output import show, show_record, show_table

    found = examine(common.config, common.overrides or ())
    if common.as_json:
        show(common, found)
    else:
        show_record(found["versions"], title="Versions")
        show_record(found["host"], title="Host")
        show_table(found["checks"], title="Checks")
    if not found["ok"]:
        raise typer.Exit(int(ExitCode.USAGE))
