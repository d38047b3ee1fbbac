"""``cinchona compare``: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinchona.cli.common import OptionalOut, Seeded, command, new_app

app = new_app("Compare recorded runs.")


@command(app)
def compare(
    common: Seeded,
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs; the first is the reference.")],
    *,
    out: OptionalOut = None,
) -> None:
    """Compare recorded runs: settings, figures, and paired differences with intervals.

    Writes a page and tables as CSV, by default into the folder of the record.
    """
    from cinchona.cli.output import emit, show, show_table
    from cinchona.digests import digest_json
    from cinchona.experiments.compare import compare_runs
    from cinchona.experiments.compare_page import write_comparison
    from cinchona.experiments.doors import open_registry

    config = common.settings().tracking
    found = compare_runs(open_registry(config), runs, seed=common.seed)
    folder = out or Path(config.folder, "comparisons", digest_json(list(runs))[:12])
    page = write_comparison(found, folder)
    if common.as_json:
        show(common, {
            "page": str(page), "runs": found.facts(), "settings": found.settings(), "metrics": found.metrics(),
            "paired": found.paired, "overlaps": found.overlaps, "notes": found.notes,
        })  # fmt: skip
        return
    for title, rows in (("Runs", found.facts()), ("Settings that differ", found.settings()),
                        ("Figures as recorded", found.metrics()), ("Hits in common", found.overlaps)):  # fmt: skip
        if rows:
            show_table(list(rows), title=title)
    if found.paired:
        rows = [
            {name: getattr(p, name) for name in p.__dataclass_fields__ if name != "reference"} for p in found.paired
        ]
        show_table(rows, title=f"Paired differences from {found.runs[0].name}, 95 % intervals")
    for note in found.notes:
        emit(note)
    emit(f"Page: {page}")
