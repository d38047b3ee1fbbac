"""``cinchona data``: known data sets, and checks of the user's own."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Common, Out, Seeded, command, new_app

app = new_app("Known data sets, and checks of your own.", group=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="Library or assay table; catalogue:NAME, a glob, or -.")]


@command(app, "list")
def list_catalogue(common: Common) -> None:
    """List the data sets that need no download; use them as catalogue:NAME wherever a file is wanted."""
    from cinchona.cli.output import show
    from cinchona.datasets.catalogue import CATALOGUE

    names = ("name", "kind", "rows", "title", "source", "licence")
    rows = [{name: getattr(entry, name) for name in names} for entry in CATALOGUE.values()]
    if common.as_json:
        rows = [{**row, "columns": dict(CATALOGUE[row["name"]].columns)} for row in rows]
    show(common, rows)


@command(app)
def check(
    common: Common,
    file: File,
    *,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="COL", help="Measured column of an assay table; repeatable.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Look at about the first N rows of a library only."),
    ] = None,
) -> None:
    """Read a library, or with --target an assay table, and report columns, counts and rejects by reason.

    Bad rows are what the check is for: they are reported and the exit code stays 0. A file that cannot be read as a
    whole is an error.
    """
    from cinchona.cli.data_check import check_assay, check_library
    from cinchona.cli.output import show

    settings = common.settings()
    show(common, check_assay(file, target, settings) if target else check_library(file, limit, settings))


@command(app)
def prepare(
    common: Seeded,
    library: Annotated[list[str], typer.Argument(metavar="LIBRARY...", help="Files, globs, catalogue:NAME, or -.")],
    *,
    out: Out,
    descriptors: Annotated[
        list[str] | None,
        typer.Option("--descriptor", metavar="NAME", help="RDKit descriptor to keep as a column; repeatable."),
    ] = None,
) -> None:
    """Standardize a library once and keep it with its graph codes, ready for any number of screens.

    Name the folder wherever a library is wanted. Graph networks then parse no SMILES again. The same command again goes
    on where an interrupted one stopped.
    """
    from cinchona.cli.output import show
    from cinchona.pipelines.prepare import prepare as run_prepare

    done = run_prepare(library, out=out, descriptors=descriptors or [], settings=common.settings())
    header = done.header
    show(common, {
        "folder": str(done.folder), "rows": header.rows, "rejected": header.rejected, "duplicates": header.duplicates,
        "parts": len(header.parts), "bytes": sum((done.folder / p.file).stat().st_size for p in header.parts),
    })  # fmt: skip
