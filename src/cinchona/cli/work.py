"""``cinchona work``: one task of a screen that was planned as an array."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import Common, command, new_app

app = new_app("Do one task's share of a screen that was planned as an array.")


@command(app)
def work(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the screen.")],
    *,
    task: Annotated[int, typer.Option("--task", metavar="I", min=0, help="Which task, from 0.")],
    of: Annotated[int, typer.Option("--of", metavar="N", min=1, help="How many tasks there are.")],
    model: Annotated[str | None, typer.Option("--model", metavar="M", help="Where the model is now, if moved.")] = None,
) -> None:
    """Do one task's share of a screen that was planned as an array.

    `cinchona screen --array N` plans it and writes scripts for SLURM that call this. The same task again goes on where
    it stopped; `cinchona resume` finishes the screen. Of the options, only the section executor counts.
    """
    from cinchona.cli.output import show
    from cinchona.pipelines.array import work as run_task

    executor = common.settings().executor if common.config or common.overrides else None
    show(common, run_task(folder, task=task, of=of, model=model, executor=executor))
