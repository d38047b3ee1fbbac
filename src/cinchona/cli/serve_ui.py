"""``cinchona serve-ui``: the record of runs in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from cinchona.cli.common import Common, command, new_app

app = new_app("Open the record of runs in a browser.")


@command(app, "serve-ui")
def serve_ui(
    common: Common,
    *,
    uri: Annotated[
        str | None, typer.Option("--uri", metavar="URI", help="Store; default: that of the settings.")
    ] = None,
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65_535, help="Port on this machine.")] = 5000,
) -> None:
    """Open the record of runs in a browser: serves MLflow on this machine until Ctrl-C."""
    from cinchona.cli.output import show
    from cinchona.experiments.store import Store
    from cinchona.experiments.ui import address, require_free, server_environment
    from cinchona.experiments.ui import serve_ui as serve

    tracking = common.settings().tracking
    store = Store.resolve(uri or tracking.uri, tracking.folder)
    server_environment(store, port=port)
    require_free(port)
    show(common, {"address": address(port), "store": store.shown()})
    serve(store, port=port)
