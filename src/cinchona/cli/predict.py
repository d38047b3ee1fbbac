"""``cinchona predict``: predict a few compounds."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Model, OptionalOut, Seeded, command, new_app

app = new_app("Predict a few compounds.")

Library = Annotated[
    list[str], typer.Argument(metavar="LIBRARY...", help="Files, globs, catalogue:NAME, or - for standard input.")
]
Level = Annotated[
    float | None,
    typer.Option("--level", metavar="P", help="Level of the intervals, such as 0.8; the model's own if not given."),
]


@command(app)
def predict(common: Seeded, library: Library, *, model: Model, out: OptionalOut = None, level: Level = None) -> None:
    """Predict a few compounds: every input row with its predictions or the reason why it has none.

    The first 50 rows are shown; --json has all, --out writes all as Parquet and CSV.
    """
    from cinchona.cli.results import show_predictions
    from cinchona.cli.tracking import local_model
    from cinchona.pipelines.predict import predict as run_predict

    settings, model = common.settings(), local_model(model, common)
    found = run_predict(library, model=model, out=out, settings=settings, level=level, seed=common.seed)
    show_predictions(common, found)
