"""``cinchona models register|promote|compare``: registered models and the gate between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cinchona.cli.common import Common

if TYPE_CHECKING:
    from cinchona.experiments.gate import Decision

Test = Annotated[
    str | None, typer.Option("--test", metavar="TABLE", help="Measurements that no version has seen; kept for good.")
]
SomeTargets = Annotated[
    list[str] | None, typer.Option("--target", metavar="COL", help="Measured column; the first decides; repeatable.")
]


def register_model(
    common: Common,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Model folder, id of a training run, or models:/m-…")],
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Registered name; made if it is new.")],
) -> None:
    """Register a model: it becomes the next version of a name, and its challenger."""
    from cinchona.cli.output import show
    from cinchona.experiments.doors import open_registry
    from cinchona.experiments.registering import register

    config = common.settings().tracking
    show(common, register(open_registry(config), source, name, config=config).record())


def promote_model(
    common: Common,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Registered name (its challenger) or models:/NAME/VERSION.")
    ],
    *,
    test: Test = None,
    target: SomeTargets = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="My word that the model has not seen the test set.")] = False,
    margin: Annotated[
        float, typer.Option("--margin", metavar="X", min=0.0, help="How much worse it may be; 0 asks for better.")
    ] = 0.0,
) -> None:
    """Make a version the champion, if it passes the gate.

    Both models predict the frozen test set. The first target decides by its paired 95 % interval (RMSE, or PR AUC), no
    other target may be shown to be worse, nor the calibration, and the golden predictions must hold. Numbers and
    decision are kept as a run and as tags, whatever the outcome.
    """
    from cinchona.cli.output import show, show_record
    from cinchona.errors import GateError
    from cinchona.experiments.doors import cache_of, open_registry
    from cinchona.experiments.gate import GateRules
    from cinchona.experiments.modeluri import ModelUri
    from cinchona.experiments.promote import promote
    from cinchona.experiments.registering import read_test

    settings = common.settings()
    chosen = read_test(test, target or (), settings)
    done = promote(
        open_registry(settings.tracking), ModelUri.parse(model), cache=cache_of(settings.tracking), test=chosen,
        unseen=unseen, rules=GateRules(margin=margin),
    )  # fmt: skip
    if common.as_json:
        show(common, done.decision.record() | {"run_id": done.run_id, "test_digest": done.test})
    else:
        _show_decision(done.decision)
        show_record({"run_id": done.run_id, "test_digest": done.test, "promoted": done.decision.passed})
    if not done.decision.passed:
        raise GateError(
            f"{done.version.uri} was not promoted: {done.decision.failures()}", where=f"run {done.run_id}",
            expected="every check of the gate passed", remedy="the champion stays; train a better model and register it",
        )  # fmt: skip


def compare_models(
    common: Common,
    first: Annotated[str, typer.Argument(metavar="MODEL", help="Model folder or models:/NAME@challenger.")],
    second: Annotated[str, typer.Argument(metavar="OTHER", help="What it is compared with.")],
    *,
    test: Test = None,
    target: SomeTargets = None,
) -> None:
    """Compare two models on one test set, with paired intervals; changes nothing."""
    from cinchona.cli.output import show
    from cinchona.experiments.doors import open_registry
    from cinchona.experiments.modeluri import is_model_uri
    from cinchona.experiments.registering import compare_models as run_compare
    from cinchona.experiments.registering import read_test

    settings = common.settings()
    registry = open_registry(settings.tracking) if is_model_uri(first) or is_model_uri(second) else None
    chosen = read_test(test, target or (), settings)
    found = run_compare(registry, (first, second), config=settings.tracking, test=chosen)
    if common.as_json:
        show(common, found.record())
    else:
        _show_decision(found)


def _show_decision(decision: Decision) -> None:
    from cinchona.cli.output import show_table

    title = f"{decision.challenger} against {decision.champion} on {decision.n:,} compounds (difference: positive is better)"
    show_table(decision.table().to_pylist(), title=title)
