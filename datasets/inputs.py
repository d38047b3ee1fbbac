"""From what a user types (paths, globs, catalogue names, ``-``) to the inputs to open, in order."""

from __future__ import annotations

import glob
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cinchona.datasets.catalogue import PREFIX, entry_of
from cinchona.datasets.prepared import is_prepared
from cinchona.errors import InputError

STDIN: Final = "-"
"""Standard input."""


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to open."""

    path: Path | None
    """The file, or the folder of a prepared library; None for standard input."""
    is_regular: bool = True
    """Whether the file can be read in pieces."""

    @property
    def name(self) -> str:
        """For people."""
        return "stdin" if self.path is None else self.path.name


def find_inputs(inputs: Sequence[str | Path]) -> list[Input]:
    """Resolve what was asked for; files of one glob are in the order of their names.

    Raises:
        InputError: if nothing was named, a file is missing or a folder, or a glob matches nothing.
        MissingDependencyError: if the package of a catalogue name is not installed.
    """
    found = [item for text in inputs for item in _resolve(str(text))]
    if not found:
        raise InputError("no input named", expected="a file, a glob, catalogue:NAME, or - for standard input")
    if sum(item.path is None for item in found) > 1:
        raise InputError("standard input is named twice", expected="- once")
    return found


def _resolve(text: str) -> list[Input]:
    if text == STDIN:
        return [Input(None, is_regular=False)]
    if text.startswith(PREFIX):
        entry = entry_of(text)
        paths = entry.paths()
        return [Input(path) for path in (paths[:1] if entry.name == "nav17" else paths)]
    path = Path(text).expanduser()
    if path.exists() or not glob.has_magic(text):
        return [_file(path)]
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = [_file(Path(match)) for match in matches if not Path(match).is_dir()]
    if not files:
        raise InputError(
            f"no file matches {text!r}", where=str(Path.cwd().name), remedy="quote the pattern and check the folder"
        )
    return files


def _file(path: Path) -> Input:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"there is no file {str(path)!r}", expected="an existing file") from error
    except OSError as error:
        raise InputError(f"the file cannot be opened: {error.strerror}", where=str(path)) from error
    if stat.S_ISDIR(mode) and is_prepared(path):
        return Input(path.absolute())
    if stat.S_ISDIR(mode):
        raise InputError(f"{str(path)!r} is a folder", remedy=f"name its files, for example '{path}/*.csv'")
    return Input(path.absolute(), is_regular=stat.S_ISREG(mode))


__all__ = ["STDIN", "Input", "find_inputs"]
