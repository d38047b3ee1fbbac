"""``cinchona fewshot``: make a ranker from a few actives."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Out, Seeded, command, new_app

app = new_app("Make a ranker from a few actives.")


@command(app)
def fewshot(
    common: Seeded,
    actives: Annotated[list[str], typer.Argument(metavar="ACTIVES...", help="Files with known actives, or -.")],
    *,
    out: Out,
    background: Annotated[
        list[str] | None,
        typer.Option(
            "--background",
            metavar="LIBRARY",
            help="Other molecules, best those to be screened; repeatable. Default: catalogue:nci5k.",
        ),
    ] = None,
    sample: Annotated[
        int,
        typer.Option(
            "--sample", metavar="N", min=50, max=100_000, help="Molecules to draw from each file of the background."
        ),
    ] = 2_000,
) -> None:
    """Make a ranker from a few actives, without measurements and without inactives.

    It looks for what the actives share and a background library lacks. `cinchona screen` takes the folder like that of any model.
    """
    from cinchona.cli.output import plain, show, show_record
    from cinchona.pipelines.fewshot import BACKGROUND
    from cinchona.pipelines.fewshot import fewshot as run_fewshot

    settings = common.settings()
    result = run_fewshot(
        actives, out=out, background=background or BACKGROUND, sample=sample, settings=settings, seed=common.seed
    )
    if common.as_json:
        show(common, result)
        return
    show_record(plain(result), title="Ranker")
