"""``cinchona pretrain``: teach an encoder chemistry from structures alone."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Out, Seeded, command, new_app

app = new_app("Teach an encoder chemistry from structures alone.")


@command(app)
def pretrain(
    common: Seeded,
    library: Annotated[list[str], typer.Argument(metavar="LIBRARY...", help="Files, globs, catalogue:NAME, or -.")],
    *,
    out: Out,
) -> None:
    """Teach an encoder to predict RDKit descriptors and fingerprints of a library, for `cinchona train` to start from.

    No measurement and no download is needed. The same command again goes on where an interrupted one stopped.
    """
    from cinchona.cli.output import plain, show, show_record
    from cinchona.cli.tracking import open_tracker
    from cinchona.pipelines.pretrain import pretrain as run_pretrain

    settings = common.settings()
    tracker = open_tracker(settings.tracking)
    result = run_pretrain(library, out=out, settings=settings, seed=common.seed, tracker=tracker)
    if common.as_json:
        show(common, result)
        return
    show_record(plain(result), title="Encoder")
