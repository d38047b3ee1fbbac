"""What ``screen``, ``resume`` and ``status`` do with spaces of products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinchona.cli.output import show, show_record, show_table

if TYPE_CHECKING:
    from cinchona.cli.common import Common, Seeded
    from cinchona.pipelines.config import Settings
    from cinchona.pipelines.space import SpaceResult


def screen_a_space(common: Seeded, space: str, *, model: str, out: Path, settings: Settings, dry_run: bool) -> None:
    """Score all products of a space, or only say what that takes."""
    from cinchona.cli.tracking import open_tracker
    from cinchona.errors import ConfigError
    from cinchona.pipelines.space import screen_space
    from cinchona.pipelines.space_estimate import estimate_space

    if settings.screen.cascade:
        raise ConfigError("a space of products takes no cascade", where="--cascade", remedy="leave it out")
    if dry_run:
        show(common, estimate_space(space, model=model, settings=settings).record())
        return
    tracker = open_tracker(settings.tracking)
    show_space(common, screen_space(space, model=model, out=out, settings=settings, seed=common.seed, tracker=tracker))


def show_space(common: Common, result: SpaceResult) -> None:
    """Write counts and the first hits."""
    data: dict[str, Any] = result.record()
    if common.as_json:
        show(common, data)
        return
    best = data.pop("best")
    show_record(data, title="Screen of a space")
    show_table(best, title=f"Best {len(best)} of {data['hits']:,} hits")


__all__ = ["screen_a_space", "show_space"]
