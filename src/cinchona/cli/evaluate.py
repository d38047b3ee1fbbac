"""``cinchona evaluate``: compare predictions with measurements."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Model, OptionalOut, Seeded, Targets, command, new_app

app = new_app("Compare a model's predictions with measurements.")

Table = Annotated[str, typer.Argument(metavar="TABLE", help="Assay table: CSV, SDF, Parquet or catalogue:NAME.")]
Training = Annotated[
    str | None,
    typer.Option("--training", metavar="TABLE", help="What the model was trained on, to look for compounds in common."),
]


@command(app)
def evaluate(
    common: Seeded, table: Table, *, model: Model, target: Targets, training: Training = None, out: OptionalOut = None
) -> None:
    """Compare a model's predictions with measurements: metrics with intervals, and what the table has in common with training."""
    from cinchona.cli.results import show_fit
    from cinchona.cli.tracking import local_model, open_tracker
    from cinchona.pipelines.evaluate import evaluate as run_evaluate

    settings, model = common.settings(), local_model(model, common)
    tracker = open_tracker(settings.tracking)
    found = run_evaluate(
        table, model=model, targets=target, training=training, out=out, settings=settings, seed=common.seed,
        tracker=tracker,
    )  # fmt: skip
    show_fit(common, found)
