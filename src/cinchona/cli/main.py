"""Entry point of ``cinchona``: finds the command, runs it, and turns every ending into an exit code."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, ClassVar, Final

import typer

import cinchona
from cinchona.cli.boundary import report
from cinchona.cli.common import Escaped
from cinchona.cli.lazy import LazyGroup
from cinchona.errors import ExitCode

COMMANDS: Final = {
    "demo": ("cinchona.cli.demo", "Train and screen on data that comes with the package."),
    "train": ("cinchona.cli.train", "Train a model on an assay table."),
    "tune": ("cinchona.cli.tune", "Search for the settings of a network."),
    "pretrain": ("cinchona.cli.pretrain", "Teach an encoder chemistry from structures alone."),
    "fewshot": ("cinchona.cli.fewshot", "Make a ranker from a few actives."),
    "screen": ("cinchona.cli.screen", "Score a compound library and keep the best."),
    "work": ("cinchona.cli.work", "Do one task's share of a screen that was planned as an array."),
    "resume": ("cinchona.cli.resume", "Go on with an interrupted screen."),
    "merge": ("cinchona.cli.merge", "Merge finished screens of one model into one list of hits."),
    "status": ("cinchona.cli.status", "Say how far a screen has come."),
    "fsck": ("cinchona.cli.fsck", "Say what is wrong with the folder of a screen, and repair it."),
    "predict": ("cinchona.cli.predict", "Predict a few compounds."),
    "explain": ("cinchona.cli.explain", "Say which atoms raise and lower a prediction."),
    "evaluate": ("cinchona.cli.evaluate", "Compare a model's predictions with measurements."),
    "calibrate": ("cinchona.cli.calibrate", "Give a finished model intervals."),
    "domain": ("cinchona.cli.domain", "Compare a library with what a model was trained on."),
    "data": ("cinchona.cli.data", "Known data sets, and checks of your own."),
    "models": ("cinchona.cli.models", "Look at models, register and promote them."),
    "signals": ("cinchona.cli.signals", "Safety signals from adverse-event reports."),
    "compare": ("cinchona.cli.compare", "Compare recorded runs."),
    "reproduce": ("cinchona.cli.reproduce", "Do a recorded run again and compare."),
    "sync": ("cinchona.cli.sync", "Send records that waited while the store was away."),
    "serve-ui": ("cinchona.cli.serve_ui", "Open the record of runs in a browser."),
    "config": ("cinchona.cli.config", "Show the settings and their schema."),
    "doctor": ("cinchona.cli.doctor", "Check this installation."),
}
"""Commands in the order of the help: module and help line."""


class _Root(LazyGroup):
    commands_table: ClassVar = COMMANDS


app = typer.Typer(
    cls=_Root,
    help="Virtual screening with graph networks, and safety signals from adverse-event reports.",
    epilog="Results go to stdout, logs and progress to stderr. `cinchona COMMAND --help` explains a command.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,  # noqa: FBT002 - typer's form
) -> None:
    if version:
        typer.echo(f"cinchona {cinchona.__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(int(ExitCode.USAGE))


def run(arguments: Sequence[str]) -> int:
    """Run one command in this process and return its exit code; messages have gone to stderr."""
    try:
        code = typer.main.get_command(app)(args=list(arguments), prog_name="cinchona", standalone_mode=False)
        sys.stdout.flush()
    except Escaped as escaped:
        return report(escaped.error, arguments)
    except BrokenPipeError:
        discard_stdout()
        return int(ExitCode.OK)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ExitCode.INTERNAL)
    except BaseException as error:  # noqa: BLE001 - the last line of defence
        return report(error, arguments)
    return code if isinstance(code, int) else int(ExitCode.OK)


def main() -> None:
    """Run the command line of this process and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
    gc.set_threshold(
        100_000, 50, 100
    )  # imports make a million objects that stay: looking through them costs half a second
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a narrow encoding, or a file name that is no text
    if not sys.warnoptions and "--verbose" not in sys.argv:
        warnings.simplefilter("ignore")  # other libraries' notes to their developers
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    sys.exit(code)


def discard_stdout() -> None:
    """Point stdout to nowhere, once its reader has gone, so that nothing complains at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
