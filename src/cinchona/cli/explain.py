"""``cinchona explain``: which atoms and bonds raise and lower a prediction."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import OptionalOut, Seeded, command, new_app

app = new_app("Say which atoms raise and lower a prediction.")

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Model folder, or models:/NAME@champion.")]
Compounds = Annotated[
    list[str], typer.Argument(metavar="COMPOUNDS...", help="SMILES in quotes, or files with compounds.")
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="NAME", help="What to explain; default: the first.")
]


@command(app)
def explain(
    common: Seeded, model: Model, compounds: Compounds, *, endpoint: Endpoint = None, out: OptionalOut = None
) -> None:
    """Say which atoms raise and lower a prediction, and how similar training compounds differ if the model keeps them.

    The pieces that tell most are shown; --json has the shares of all atoms and bonds, --out writes pictures and tables.
    """
    from cinchona.cli.results import show_explanations
    from cinchona.cli.tracking import local_model
    from cinchona.pipelines.explain import explain as run_explain

    settings, folder = common.settings(), local_model(model, common)
    result = run_explain(compounds, model=folder, out=out, endpoint=endpoint, settings=settings, seed=common.seed)
    show_explanations(common, result)
