"""``cinchona demo``: the main job on data that comes with the package."""

from __future__ import annotations

from pathlib import Path

from cinchona.cli.common import OptionalOut, Seeded, command, new_app

app = new_app("Train and screen on data that comes with the package.")


@command(app)
def demo(common: Seeded, *, out: OptionalOut = None) -> None:
    """Train on RDKit's Nav1.7 series and screen its NCI library; needs no download."""
    from cinchona.cli.output import show
    from cinchona.cli.tracking import open_tracker
    from cinchona.pipelines.demo import demo as run_demo

    settings = common.settings()
    tracker = open_tracker(settings.tracking)
    folder = out or Path("cinchona-demo")
    show(common, run_demo(folder, settings=settings, seed=common.seed, tracker=tracker))
