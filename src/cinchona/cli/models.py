"""``cinchona models``: look at model folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, Out, command, new_app
from cinchona.errors import NotBuiltError

app = new_app("Look at model folders.", group=True)


@command(app, "list")
def list_models(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to look, with all folders below.")] = Path(),
) -> None:
    """List the models in a folder."""
    from cinchona.cli.model_cards import find_models
    from cinchona.cli.output import show

    show(common, find_models(folder))


@command(app, "show")
def show_model(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder.")],
) -> None:
    """Show what a model predicts, how good it is and what it was trained on, after checking its files."""
    from cinchona.cli.model_cards import describe
    from cinchona.cli.output import plain, show, show_record
    from cinchona.cli.results import show_figures

    found = plain(describe(folder))
    if common.as_json:
        show(common, found)
        return
    figures = found.pop("metrics", [])
    show_record(found)
    show_figures(figures)


@command(app, "import")
def import_model(
    common: Common,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Model of another program.")],
    *,
    out: Out,
) -> None:
    """Bring a model of another program into a model folder. Not built yet."""
    del common, source, out
    raise NotBuiltError(
        "`cinchona models import` is planned and not built yet", remedy="train a model here: cinchona train"
    )
