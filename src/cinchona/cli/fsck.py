"""``cinchona fsck``: what is wrong with the folder of a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, command, new_app

app = new_app("Say what is wrong with the folder of a screen, and repair it.")


@command(app)
def fsck(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the screen.")],
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set aside what cannot be trusted; resume does it again.")
    ] = False,
) -> None:
    """Read every file of a screen, say what is wrong, and repair it on request.

    Ends with 0 if all is well or repaired, 3 if the library is gone or was changed, 5 if faults are left.
    """
    from cinchona.cli.output import show
    from cinchona.pipelines.screen import fsck as check

    checked = check(folder, repair=repair)
    show(common, checked)
    checked.require_sound()
