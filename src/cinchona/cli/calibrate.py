"""``cinchona calibrate``: give a finished model intervals."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Model, Out, Seeded, command, new_app

app = new_app("Give a finished model intervals.")

Table = Annotated[
    str | None,
    typer.Argument(metavar="TABLE", help="Assay table of compounds that the model has not seen; without one --level."),
]


@command(app)
def calibrate(
    common: Seeded,
    table: Table = None,
    *,
    model: Model,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="COL", help="Measured column; repeatable.")
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            "--level", metavar="P", help="Level of the intervals, such as 0.8; calibration.level if not given."
        ),
    ] = None,
    out: Out,
) -> None:
    """Write a model with intervals to a new folder: learnt from a table, or its own ones at another level.

    The weights stay as they are. The table must hold compounds that the model was not fitted to.
    """
    from cinchona.cli.output import plain, show, show_record
    from cinchona.cli.results import show_checks
    from cinchona.cli.tracking import local_model
    from cinchona.errors import ConfigError
    from cinchona.pipelines.calibrate import calibrate as run_calibrate
    from cinchona.pipelines.calibrate import with_level

    settings, folder = common.settings(), local_model(model, common)
    if table is None:
        if level is None:
            raise ConfigError("nothing to do", expected="a TABLE with --target, or --level alone")
        found = with_level(folder, level, out=out)
    else:
        if level is not None:
            changed = settings.calibration.model_copy(update={"level": level})
            settings = settings.model_copy(update={"calibration": changed})
        found = run_calibrate(table, model=folder, targets=target or (), out=out, settings=settings, seed=common.seed)
    if common.as_json:
        show(common, found)
        return
    record = plain(found)
    checks = record.pop("checks", [])
    if table is None:
        record.pop("compounds")
    show_record(record)
    if checks:
        show_checks(checks, title="learnt from one half, seen on the other")
