"""``cinchona domain``: compare a library with what a model was trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Model, OptionalOut, Seeded, command, new_app

app = new_app("Compare a library with what a model was trained on.")

Library = Annotated[
    list[str], typer.Argument(metavar="LIBRARY...", help="Files, globs, catalogue:NAME, or - for standard input.")
]


@command(app)
def domain(common: Seeded, library: Library, *, model: Model, out: OptionalOut = None) -> None:
    """Compare a library with what a model was trained on: share outside its domain, distances, properties, new scaffolds.

    Nothing is predicted. --out writes report.html and domain.json.
    """
    from cinchona.cli.output import emit, show, show_table
    from cinchona.cli.tracking import local_model
    from cinchona.pipelines.domain import domain as run_domain

    found = run_domain(library, model=local_model(model, common), out=out, settings=common.settings(), seed=common.seed)
    record = found.to_json()
    if common.as_json:
        show(common, record | {"out": found.out})
        return
    show(common, {key: record[key] for key in ("rows", "rejected", "compounds", "known")} | record["scaffolds"])
    for target in record["targets"]:
        emit(f"{target['target']}: {target['outside']:,} outside ({target['share'] or 0:.1%}). {target['meaning']}")
    if record["vectors"] is not None:
        emit(
            f"In the network's vectors: {record['vectors']['outside']:,} outside ({record['vectors']['share'] or 0:.1%})."
        )
    rows = [{"property": s["label"], "library": s["library"]["mean"], "training": s["training"]["mean"], "shift": s["shift"], "beyond": s["beyond"]} for s in record["properties"]]  # fmt: skip
    show_table(rows, title="means")
