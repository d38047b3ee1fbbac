"""What all commands share: common options, settings, and how a body is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cinchona.errors import ConfigError

if TYPE_CHECKING:
    from cinchona.pipelines.config import Settings

_MAX_SEED: Final = 2**32 - 1  # cinchona.seeds.MAX_SEED, without its import of numpy: help stays quick

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made if missing.")]
OptionalOut = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")]
Model = Annotated[str, typer.Option("--model", metavar="M", help="Model folder, or models:/NAME@champion.")]
Targets = Annotated[list[str], typer.Option("--target", metavar="COL", help="Measured column; repeatable.")]


class LogFormat(StrEnum):
    """Choices of ``--log-format``."""

    HUMAN = "human"
    JSON = "json"


@dataclass(frozen=True)
class Common:
    """The options that every command takes."""

    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings file, YAML.")] = None
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=c", help="Set one setting; repeatable, wins over all.")
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Warnings and errors only, no progress.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", help="Debug messages; errors with a traceback.")] = False
    log_format: Annotated[
        LogFormat | None, typer.Option("--log-format", help="Log for people or for machines; on stderr.")
    ] = None

    def settings(self) -> Settings:
        """Settings of all workflows, from file, environment and ``--set``.

        Raises:
            ConfigError: if one of them is wrong.
        """
        from cinchona.pipelines.config import Settings
        from cinchona.settings import load_settings

        return load_settings(Settings, file=self.config, overrides=self.overrides or ())

    def begin(self) -> None:
        """Set up logging as the options say.

        Raises:
            ConfigError: if ``--quiet`` and ``--verbose`` are both given.
        """
        if self.quiet and self.verbose:
            raise ConfigError("--quiet and --verbose are both given", remedy="give one of them")
        from cinchona.logs import configure_logging

        configure_logging(
            quiet=self.quiet,
            verbose=self.verbose,
            log_format=None if self.log_format is None else self.log_format.value,
        )


@dataclass(frozen=True)
class Seeded(Common):
    """Common options and ``--seed``, for commands that draw random numbers."""

    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, max=_MAX_SEED, help="Seed of all randomness.")] = 0


class Escaped(Exception):  # noqa: N818 - it carries an error, it is none
    """Carries an exception past typer, which would print it or exit by its own rules."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command of ``app``; its first parameter is :class:`Common` or :class:`Seeded`.

    The function's own parameters are declared as typer wants them. Those of the record are added, and the function
    gets the filled record.
    """

    def register(body: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(body, eval_str=True).parameters.values())
        record: type[Common] = own[0].annotation
        shared = [field.name for field in fields(record)]
        own[1:] = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own[1:]]

        def run(**values: Any) -> None:  # noqa: ANN401 - what the command line held
            common = record(**{key: values.pop(key) for key in shared})
            try:
                common.begin()
                body(common, **values)
            except (KeyboardInterrupt, EOFError, OSError) as error:
                raise Escaped(error) from error

        run.__doc__, run.__name__, run.__module__ = body.__doc__, body.__name__, body.__module__
        hints = inspect.get_annotations(record, eval_str=True) | inspect.get_annotations(Common, eval_str=True)
        added = [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
            )
            for field in fields(record)
        ]
        signature = inspect.Signature([*own[1:], *added])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        app.command(name)(run)
        return body

    return register


def new_app(help_text: str, *, group: bool = False) -> typer.Typer:
    """A Typer of the house: plain help, no tracebacks of its own.

    Args:
        help_text: One line for a group; commands take theirs from the function.
        group: Whether it holds several commands; a single one stands for itself.
    """
    app = typer.Typer(
        help=help_text,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=False,
    )
    if group:
        app.callback()(_group)
    return app


def _group() -> None:
    """Hold sub-commands."""
