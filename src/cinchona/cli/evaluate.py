"""``cinchona evaluate``: compare predictions with measurements."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Model, OptionalOut, Seeded, Targets, command, new_app

app = new_app("Compare a model's predictions with measurements.")

Table = Annotated[str, typer.Argument(metavar="TABLE", help="Assay table: CSV, SDF, Parquet or catalogue:NAME.")]


@command(app)
def evaluate(common: Seeded, table: Table, *, model: Model, target: Targets, out: OptionalOut = None) -> None:
    """Compare a model's predictions with measurements: metrics with intervals."""
    from cinchona.cli.results import show_fit
    from cinchona.cli.tracking import local_model, open_tracker
    from cinchona.pipelines.evaluate import evaluate as run_evaluate

    settings, model = common.settings(), local_model(model, common)
    tracker = open_tracker(settings.tracking)
    found = run_evaluate(
        table, model=model, targets=target, out=out, settings=settings, seed=common.seed, tracker=tracker
    )
    show_fit(common, found)
