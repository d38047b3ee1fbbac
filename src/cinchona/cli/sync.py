"""``cinchona sync``: send what waited while the tracking store was away."""

from __future__ import annotations

from cinchona.cli.common import Common, command, new_app

app = new_app("Send records that waited while the store was away.")


@command(app)
def sync(common: Common) -> None:
    """Send records that waited on disk while the tracking store was away; the same again does no harm.

    Exit code 5 if the store is still away.
    """
    from cinchona.cli.output import emit, plain, show, show_table
    from cinchona.errors import RetryableError
    from cinchona.experiments.journal import OUTBOX
    from cinchona.experiments.store import Store
    from cinchona.experiments.sync import sync as send

    config = common.settings().tracking
    store = Store.resolve(config.uri, config.folder)
    done = send(config.folder.absolute() / OUTBOX, store)
    if common.as_json:
        show(common, done)
    elif done:
        show_table(plain(done))
    else:
        emit("nothing waits")
    if any(one.outcome == "away" for one in done):
        raise RetryableError(
            "the store is still out of reach; the records stay on disk", where=store.shown(), remedy="try again later"
        )
