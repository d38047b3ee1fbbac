"""``cinchona screen``: score a library and keep the best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Model, Out, Seeded, command, new_app

app = new_app("Score a compound library and keep the best.")

Library = Annotated[
    list[str],
    typer.Argument(
        metavar="LIBRARY...", help="Files, globs, catalogue:NAME, - for standard input, or one space of products."
    ),
]


@command(app)
def screen(  # noqa: PLR0913 - one argument for each option
    common: Seeded,
    library: Library,
    *,
    model: Model,
    out: Out,
    objective: Annotated[
        str | None,
        typer.Option("--objective", metavar="TEXT", help="What ranks, over the endpoints: 'pIC50 - 2 * hERG'."),
    ] = None,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Learn a cheap first stage that spares the model hopeless compounds.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Score about 1,000 rows and predict time, memory and disk; write nothing.")
    ] = False,
    profile: Annotated[
        Path | None, typer.Option("--profile", metavar="FILE", help="Where workers run: the profile of a site, YAML.")
    ] = None,
    array: Annotated[
        int | None,
        typer.Option("--array", metavar="N", min=1, help="Plan only, and write scripts of a SLURM array of N tasks."),
    ] = None,
) -> None:
    """Score a compound library and keep the best.

    Every input row ends as a score or as a reject with a reason. The same command again goes on where an interrupted
    one stopped.
    """
    from cinchona.cli.results import show_screen
    from cinchona.cli.spaces import screen_a_space
    from cinchona.cli.tracking import local_model, open_tracker
    from cinchona.pipelines.screen import screen as run_screen
    from cinchona.screening.synthons.spacefile import is_space

    settings, model = common.settings(), local_model(model, common)
    asked = ({} if objective is None else {"objective": objective}) | ({"cascade": True} if cascade else {})
    if asked:
        screening = settings.screen.model_copy(update=asked)
        settings = settings.model_copy(update={"screen": screening})
    if profile is not None:
        settings = settings.model_copy(
            update={"executor": settings.executor.model_copy(update={"profile": profile.absolute()})}
        )
    if len(library) == 1 and is_space(Path(library[0])):
        screen_a_space(common, library[0], model=model, out=out, settings=settings, dry_run=dry_run)
        return
    if array is not None:
        from cinchona.cli.output import show
        from cinchona.pipelines.array import plan_array

        show(common, plan_array(library, model=model, out=out, tasks=array, settings=settings, seed=common.seed))
        return
    if dry_run:
        from cinchona.cli.output import show
        from cinchona.pipelines.estimate import estimate_screen

        show(common, estimate_screen(library, model=model, settings=settings).record())
        return
    tracker = open_tracker(settings.tracking)
    show_screen(common, run_screen(library, model=model, out=out, settings=settings, seed=common.seed, tracker=tracker))
