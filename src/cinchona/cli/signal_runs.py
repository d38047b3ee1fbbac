"""``cinchona signals run``: the whole signal workflow in one recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Out, Seeded, command

Store = Annotated[Path, typer.Argument(metavar="STORE", help="Report store, as `cinchona signals ingest` makes it.")]
Drugs = Annotated[
    list[str] | None, typer.Option("--report-drug", metavar="NAME", help="Drug to report on; repeatable.")
]
Events = Annotated[
    list[str] | None, typer.Option("--report-event", metavar="NAME", help="Event to report on; repeatable.")
]


def add_run(app: typer.Typer) -> typer.Typer:
    """Add the command to the group of the pharmacovigilance room, which itself knows no tracker."""
    command(app, "run")(run)
    return app


def run(common: Seeded, store: Store, *, out: Out, report_drug: Drugs = None, report_event: Events = None) -> None:
    """Count, score, rank, report and judge the signals of a store, recorded as one run."""
    from cinchona.cli.output import show
    from cinchona.cli.tracking import open_tracker
    from cinchona.pipelines.signals import SignalRunSettings, run_signals
    from cinchona.settings import load_settings

    settings = load_settings(SignalRunSettings, file=common.config, overrides=common.overrides or ())
    named = {"report_drugs": tuple(report_drug or ()), "report_events": tuple(report_event or ())}
    settings = settings.model_copy(update={key: names for key, names in named.items() if names})
    tracker = open_tracker(settings.tracking)
    show(common, run_signals(store, out=out, settings=settings, seed=common.seed, tracker=tracker))
