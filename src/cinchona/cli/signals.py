"""``cinchona signals``: the commands of the pharmacovigilance room, where it is built."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from cinchona.cli.common import new_app
from cinchona.cli.signal_runs import add_run
from cinchona.errors import NotBuiltError

ROOM: Final = "cinchona.pharmacovigilance.cli"
"""Module with a Typer called ``app`` that holds the commands."""
PLANNED: Final = {
    "ingest": "Read safety reports into a report store.",
    "dedupe": "Find reports of the same case.",
    "code": "Map drug and event names to codes.",
    "info": "Say what a report store holds.",
    "doctor": "Check a report store.",
    "count": "Count reports by drug and event.",
    "score": "Score drug-event pairs for disproportionate reporting.",
    "rank": "Rank drug-event pairs.",
    "report": "Write a report on signals.",
    "evaluate": "Compare signals with reference sets.",
}
"""Commands of the contract; each is refused with exit code 2 until the room has it."""


def _is_built() -> bool:
    try:
        return importlib.util.find_spec(ROOM) is not None
    except ModuleNotFoundError:
        return False


def _refuse(name: str) -> Callable[..., None]:
    def run(
        arguments: Annotated[list[str] | None, typer.Argument(metavar="...", help="To be defined.")] = None,
    ) -> None:
        del arguments
        raise NotBuiltError(f"`cinchona signals {name}` is planned and not built yet")

    run.__doc__ = f"{PLANNED[name]} Not built yet."
    return run


def _planned_app() -> typer.Typer:
    group = new_app("Safety signals from adverse-event reports.", group=True)
    for name in PLANNED:
        group.command(name, context_settings={"ignore_unknown_options": True})(_refuse(name))
    return group


def _complete(app: typer.Typer) -> typer.Typer:
    """Add a refusal for each planned command that the room has not."""
    have = {info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands}
    have |= {str(info.name) for info in app.registered_groups}
    for name in PLANNED.keys() - {known.replace("_", "-") for known in have}:
        app.command(name, context_settings={"ignore_unknown_options": True})(_refuse(name))
    return app


def _app() -> Any:  # noqa: ANN401 - whatever the room offers
    return add_run(_complete(importlib.import_module(ROOM).app)) if _is_built() else _planned_app()


app = _app()
