"""Reading a pickle as data: every name in it stays a name, and nothing of it is ever called.

A pickle is a program for a small machine that may call anything that can be imported. Here the machine finds no
function: each global becomes a type of ours that remembers what it was called with. The few that stand for plain
containers become plain containers.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, Self

from cinchona.errors import ModelFileError, UnsafeFileError

MAX_PICKLE_BYTES: Final = 64 << 20
"""Largest pickle that is looked at; those of checkpoints hold settings and have some kilobytes."""
_MAX_NAMES: Final = 2_000
_MAX_OPCODES: Final = 5_000_000
_EXTENSIONS: Final = frozenset({"EXT1", "EXT2", "EXT4"})


class Inert:
    """Something that a pickle asked to be made; it remembers with what, and does nothing."""

    module = ""
    """Module that the pickle names."""
    name = ""
    """Name in it."""

    args: tuple[Any, ...]
    """What it was called with."""
    state: object
    """State that was set."""
    items: list[object]
    """Items that were put in."""

    def __new__(cls, *args: object, **_: object) -> Self:
        """Remember the arguments."""
        made = object.__new__(cls)
        made.args, made.state, made.items = args, None, []
        return made

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Do nothing."""

    def __call__(self, *args: object, **_: object) -> Inert:
        """Calling what was made makes another thing that does nothing."""
        return Inert(self, *args)

    def __setstate__(self, state: object) -> None:
        """Remember the state."""
        self.state = state

    def append(self, item: object) -> None:
        """Remember an item of what was a list."""
        self.items.append(item)

    def __setitem__(self, key: object, value: object) -> None:
        """Remember an item of what was a mapping."""
        self.items.append((key, value))


class PlainDict(dict[Any, Any]):
    """An ordered dictionary without the attributes that a pickle may hang on it."""

    def __setstate__(self, state: object) -> None:
        """Leave attributes out."""


_CONTAINERS: Final[dict[tuple[str, str], type]] = {
    ("collections", "OrderedDict"): PlainDict,
    ("builtins", "dict"): PlainDict,
    ("lightning.fabric.utilities.data", "AttributeDict"): PlainDict,
    ("lightning_fabric.utilities.data", "AttributeDict"): PlainDict,
    ("pytorch_lightning.utilities.parsing", "AttributeDict"): PlainDict,
    ("builtins", "set"): set,
    ("builtins", "list"): list,
    ("__builtin__", "dict"): PlainDict,
    ("__builtin__", "set"): set,
    ("__builtin__", "list"): list,
}


def read_pickle(data: bytes, *, where: str, persistent: Callable[[object], object] | None = None) -> Any:  # noqa: ANN401 - whatever it holds
    """Read a pickle without calling anything that it names.

    Args:
        data: The pickle.
        where: File, for messages.
        persistent: What becomes of persistent ids, such as the storages of torch; None refuses them.

    Returns:
        Plain data; whatever the pickle wanted to import is a type below :class:`Inert`, or an instance of one.

    Raises:
        UnsafeFileError: if it is too large or asks for the interpreter's registry of extensions.
        ModelFileError: if it is damaged.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise UnsafeFileError(
            f"a pickle of {len(data):,} bytes", where=where, expected=f"at most {MAX_PICKLE_BYTES:,} bytes of settings"
        )
    _check_opcodes(data, where)
    try:
        return _Reader(data, persistent, where).load()
    except (UnsafeFileError, ModelFileError):
        raise
    except (pickle.UnpicklingError, ValueError, TypeError, IndexError, KeyError, AttributeError, EOFError, OverflowError,
            MemoryError, RecursionError) as error:  # fmt: skip
        raise _damaged(where, f"{type(error).__name__}: {error}") from error


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes, persistent: Callable[[object], object] | None, where: str) -> None:
        super().__init__(io.BytesIO(data))
        self._persistent, self._where = persistent, where
        self._types: dict[tuple[str, str], type] = dict(_CONTAINERS)

    def find_class(self, module: str, name: str) -> type:
        """Return a type of ours, whatever the name."""
        key = (str(module), str(name))
        if key not in self._types:
            if len(self._types) > _MAX_NAMES:
                raise UnsafeFileError("the pickle names thousands of classes", where=self._where)
            self._types[key] = type(name.rpartition(".")[2] or "nameless", (Inert,), {"module": key[0], "name": key[1]})
        return self._types[key]

    def persistent_load(self, pid: object) -> object:
        """Hand a persistent id on."""
        if self._persistent is None:
            raise UnsafeFileError("the pickle refers to data outside of it", where=self._where)
        return self._persistent(pid)


def _check_opcodes(data: bytes, where: str) -> None:
    """Walk through the pickle without doing what it says."""
    try:
        names = {opcode.name for opcode, _, _ in islice(pickletools.genops(data), _MAX_OPCODES)}
    except Exception as error:
        raise _damaged(where, f"{type(error).__name__}: {error}") from error
    if names & _EXTENSIONS:
        raise UnsafeFileError("the pickle asks for the interpreter's registry of extensions", where=where)
    if "STOP" not in names:
        raise UnsafeFileError("the pickle has millions of steps", where=where)


def _damaged(where: str, what: str) -> ModelFileError:
    return ModelFileError(
        f"the checkpoint is damaged: {what}", where=where, expected="a file as torch.save writes it",
        remedy="copy the file again from where the model was trained",
    )  # fmt: skip


__all__ = ["MAX_PICKLE_BYTES", "Inert", "PlainDict", "read_pickle"]
