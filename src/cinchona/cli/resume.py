"""``cinchona resume``: go on with a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinchona.cli.common import Common, command, new_app

if TYPE_CHECKING:
    from cinchona.pipelines.config import TrackingConfig

app = new_app("Go on with an interrupted screen.")


@command(app)
def resume(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the screen.")],
    *,
    model: Annotated[str | None, typer.Option("--model", metavar="M", help="Where the model is now, if moved.")] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait for a driver or tasks that are at work.")
    ] = 0.0,
) -> None:
    """Go on with an interrupted screen.

    Library, model and settings are those of the plan in the folder. Of the options, only the sections executor and
    tracking count.
    """
    from cinchona.cli.results import show_screen
    from cinchona.cli.spaces import show_space
    from cinchona.cli.tracking import local_model, open_tracker
    from cinchona.pipelines.screen import resume as run_resume
    from cinchona.pipelines.space import resume_space
    from cinchona.screening.synthons.plan import is_space_run

    chosen = common.settings() if common.config or common.overrides else None
    tracker = open_tracker(chosen.tracking if chosen else planned_tracking(folder))
    where = None if model is None else local_model(model, common)
    executor = chosen.executor if chosen else None
    if is_space_run(folder):
        show_space(common, resume_space(folder, model=where, executor=executor, tracker=tracker))
        return
    show_screen(common, run_resume(folder, model=where, executor=executor, tracker=tracker, wait=wait))


def planned_tracking(folder: Path) -> TrackingConfig:
    """Where the screen in ``folder`` was recorded before; an address with a masked login is looked up anew."""
    from cinchona.masking import MASK
    from cinchona.pipelines.config import Settings, TrackingConfig
    from cinchona.screening.folder import RunFolder
    from cinchona.screening.plan import load_plan
    from cinchona.screening.synthons.plan import is_space_run, load_space_plan
    from cinchona.settings import load_settings

    run = RunFolder(folder.absolute())
    plan = load_space_plan(run) if is_space_run(folder) else load_plan(run)
    planned = plan.notes.get("settings", {}).get("tracking", {})
    if MASK in str(planned):
        return load_settings(Settings).tracking
    return TrackingConfig.model_validate(planned)
