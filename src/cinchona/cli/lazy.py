"""A command group that imports a command only when it is called, so that help is quick and needs no room."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


class LazyGroup(TyperGroup):
    """A group whose commands are named in a table; subclass it and fill :attr:`commands_table`."""

    commands_table: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Name of the command to its module (with a Typer called ``app``) and its one line of help."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer carries its own copy of click's types
        """Names in the order of the table."""
        return list(self.commands_table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """A stand-in that knows its help line; the real command comes with :meth:`resolve_command`."""
        if cmd_name not in self.commands_table:
            return None
        return TyperCommand(cmd_name, help=self.commands_table[cmd_name][1], callback=lambda: None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
        """Import the module of the command that is called."""
        if args and args[0] in self.commands_table:
            return args[0], load_command(self.commands_table[args[0]][0], args[0]), args[1:]
        return super().resolve_command(ctx, args)


def load_command(module: str, name: str) -> Any:  # noqa: ANN401 - as above
    """Import ``module`` and return its ``app`` as a command called ``name``."""
    command = typer.main.get_command(importlib.import_module(module).app)
    command.name = name
    return command
