"""``cinchona train``: train a model on an assay table."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cinchona.cli.common import Out, Seeded, Targets, command, new_app

app = new_app("Train a model on an assay table.")

Table = Annotated[str, typer.Argument(metavar="TABLE", help="Assay table: CSV, SDF, Parquet or catalogue:NAME.")]


class KindName(StrEnum):
    """Choices of ``--model``; :data:`cinchona.models.choice_config.ModelName` without its imports: help stays quick."""

    NETWORK = "network"
    AUTO = "auto"
    SVM = "svm"
    LIGHTGBM = "lightgbm"
    EXTRA_TREES = "extra-trees"
    RANDOM_FOREST = "random-forest"
    NEIGHBOURS = "neighbours"
    DEEPCHEM = "deepchem"


Kind = Annotated[
    KindName | None,
    typer.Option("--model", help="What to train; auto compares and blends. Default: the setting choice.model."),
]


@command(app)
def train(common: Seeded, table: Table, *, target: Targets, out: Out, model: Kind = None) -> None:
    """Train a model on an assay table and hold compounds out to see how good it is."""
    from cinchona.cli.results import show_fit
    from cinchona.cli.tracking import open_tracker
    from cinchona.pipelines.train import train as run_train

    settings = common.settings()
    if model is not None:
        settings = settings.model_copy(update={"choice": settings.choice.model_copy(update={"model": model.value})})
    tracker = open_tracker(settings.tracking)
    result = run_train(table, targets=target, out=out, settings=settings, seed=common.seed, tracker=tracker)
    show_fit(common, result)
