"""``cinchona reproduce``: do a recorded run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, OptionalOut, command, new_app

app = new_app("Do a recorded run again and compare.")


@command(app)
def reproduce(
    common: Common,
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="A training, an evaluation or a screen.")],
    *,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Where an input is; repeatable, in order.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="M", help="Model folder, if the store no longer has the model.")
    ] = "",
    out: OptionalOut = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", metavar="X", min=0.0, help="Largest relative difference of a figure.")
    ] = 1e-5,
) -> None:
    """Do a recorded run again: rebuild its settings, check its data, compute anew, and say what differs.

    Exit code 3 if the data are others, or a figure is outside the tolerance.
    """
    from cinchona.cli.output import show, show_record, show_table
    from cinchona.errors import PlanMismatchError
    from cinchona.experiments.doors import cache_of, open_registry
    from cinchona.experiments.reproduce import DIFFERENT, Redo
    from cinchona.experiments.reproduce import reproduce as again

    config = common.settings().tracking
    folder = out or Path(config.folder, "reproduced", run_id[:12])
    redo = Redo(folder, tuple(data or ()), model, tolerance, cache_of(config))
    done = again(open_registry(config), run_id, redo)
    rows = done.table().to_pylist()
    if common.as_json:
        show(common, {"run_id": done.run_id, "kind": done.kind, "verdict": done.verdict, "compared": done.compared,
                      "out": done.out, "differences": rows})  # fmt: skip
    else:
        show_record({"run": done.run_id, "kind": done.kind, "verdict": done.verdict, "figures_compared": done.compared,
                     "folder": "" if done.out is None else str(done.out)})  # fmt: skip
        if rows:
            show_table(rows, title="What differs")
    if done.verdict == DIFFERENT:
        wrong = ", ".join(d.name for d in done.differences if d.matters)
        raise PlanMismatchError(
            f"run {run_id} was not reproduced: {wrong[:500]}", expected=f"figures within {tolerance:g}",
            remedy="see the differences of code, packages and host above",
        )  # fmt: skip
