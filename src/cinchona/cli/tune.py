"""``cinchona tune``: search for the settings of a network."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cinchona.cli.common import Out, Seeded, Targets, command, new_app
from cinchona.cli.train import Table

app = new_app("Search for the settings of a network.")

Trials = Annotated[int | None, typer.Option("--trials", metavar="N", min=1, help="Settings to try, in all.")]
Seconds = Annotated[
    float | None, typer.Option("--seconds", metavar="S", min=0.001, help="Time to take, last training included.")
]


@command(app)
def tune(
    common: Seeded, table: Table, *, target: Targets, out: Out, trials: Trials = None, seconds: Seconds = None
) -> None:
    """Try settings by cross-validation, train a model with the best of them, and say what each did.

    The same command again goes on where the search stopped; with more --trials it goes further. Compounds held out to
    judge the last model are never looked at by the search.
    """
    from cinchona.cli.output import plain, show, show_record, show_table
    from cinchona.cli.results import show_figures
    from cinchona.cli.tracking import open_tracker
    from cinchona.experiments.tuning.workflow import tune as run_tune

    given = {"trials": trials, "seconds": seconds}
    settings = common.settings()
    chosen = settings.tuning.model_copy(update={k: v for k, v in given.items() if v is not None})
    settings = settings.model_copy(update={"tuning": chosen})
    tracker = open_tracker(settings.tracking)
    result = run_tune(table, targets=target, out=out, settings=settings, seed=common.seed, tracker=tracker)
    if common.as_json:
        show(common, result)
        return
    data: dict[str, Any] = plain(result)
    best, figures = data.pop("best"), data.pop("figures")
    show_record(data, title="Search")
    show_table([{"setting": name, "best": value} for name, value in best.items()], title="Best settings")
    show_figures(figures)
