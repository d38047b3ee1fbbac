"""``cinchona models``: model folders and registered models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, OptionalOut, Out, command, new_app
from cinchona.cli.model_registry import compare_models, promote_model, register_model

app = new_app("Look at models, register and promote them.", group=True)
command(app, "register")(register_model)
command(app, "promote")(promote_model)
command(app, "compare")(compare_models)


@command(app, "list")
def list_models(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to look, with all folders below.")] = Path(),
    *,
    registered: Annotated[
        bool, typer.Option("--registered", help="List the registered models of the record instead.")
    ] = False,
) -> None:
    """List the models in a folder, or those that are registered."""
    from cinchona.cli.model_cards import find_models
    from cinchona.cli.output import show

    if registered:
        from cinchona.experiments.doors import open_registry

        show(common, open_registry(common.settings().tracking).names())
        return
    show(common, find_models(folder))


@command(app, "show")
def show_model(
    common: Common,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model folder, models:/NAME, or models:/NAME@champion.")
    ],
) -> None:
    """Show what a model predicts, how good it is and what it was trained on, after checking its files.

    Of a registered name it shows all versions with their aliases and what the gate said.
    """
    from cinchona.cli.model_cards import describe
    from cinchona.cli.output import plain, show, show_record
    from cinchona.cli.results import show_figures
    from cinchona.cli.tracking import local_model, registered_facts

    facts = registered_facts(model, common)
    if facts and "versions" in facts:
        show(common, facts)
        return
    found = plain(describe(Path(local_model(model, common)))) | ({"registered": facts} if facts else {})
    if common.as_json:
        show(common, found)
        return
    figures = found.pop("metrics", [])
    show_record(found)
    show_figures(figures)


@command(app, "card")
def card_of_model(
    common: Common,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model folder, models:/NAME, or models:/NAME@champion.")
    ],
    *,
    out: OptionalOut = None,
) -> None:
    """Make the card of a model: what it is for, how far it is right, where it fails, and its limits.

    --out writes card.html and card.json; training leaves both in the folder report/ of the model.
    """
    from cinchona.cli.model_cards import show_card
    from cinchona.cli.tracking import heldout_of_model, local_model

    show_card(common, Path(local_model(model, common)), out, heldout=heldout_of_model(model, common))


@command(app, "import")
def import_model(
    common: Common,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Chemprop checkpoint (.pt, .ckpt), a folder or pattern of an ensemble, ADMET-AI's wheel, or admet-ai.",
        ),
    ],
    *,
    out: Out,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="NAME", help="Name of an output; repeatable, in order.")
    ] = None,
    descriptors: Annotated[
        str | None,
        typer.Option("--descriptors", metavar="NAME", help="Molecule featurizer that the model was trained with."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Compare with the original package, which executes what the file says."),
    ] = False,
) -> None:
    """Bring a model of another program into a model folder; nothing in its files is executed.

    With --compare the original package, where it is installed, predicts 1,000 molecules too, and a report of the
    differences is kept in the model folder. Do that with files that you trust only.
    """
    from cinchona.cli.output import show
    from cinchona.models.imported.importing import import_model as run_import

    done = run_import(source, out=out, targets=target, descriptors=descriptors, compare=compare)
    record = {
        "folder": str(done.folder),
        "model": done.scorer.name,
        "fingerprint": done.scorer.fingerprint,
        "endpoints": ", ".join(e.name for e in done.scorer.endpoints),
    }
    show(common, record | ({"comparison": done.comparison.record()} if done.comparison else {}))


@command(app, "export")
def export_model(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder of a graph network or a blend.")],
    *,
    out: Out,
) -> None:
    """Write a model as plain files, one a member: torch state dicts, safetensors, LightGBM's text."""
    from cinchona.cli.output import show
    from cinchona.models.export import export_model as run_export

    show(common, {"files": [str(path) for path in run_export(folder, out)]})
