"""From pydantic's validation errors to one message with what, where, expected and remedy."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from cinchona.errors import ConfigError
from cinchona.masking import mask_secrets

_SHOWN: Final = 5
_REMEDY: Final = "`cinchona config show` lists all settings with their values"


def explain(
    error: ValidationError, model: type[BaseModel], origin: Mapping[tuple[str, ...], str] | None = None
) -> ConfigError:
    """Turn a validation error into one :class:`~cinchona.errors.ConfigError` that names every fault.

    Args:
        error: What pydantic raised.
        model: The model that was being built, for its keys and defaults.
        origin: Where each value came from, by its path.
    """
    faults = error.errors(include_url=False)
    first = _explain_one(faults[0], model, origin or {})
    others = [_explain_one(fault, model, origin or {}).what for fault in faults[1:_SHOWN]]
    hidden = len(faults) - 1 - len(others)
    what = "\n  also: ".join([first.what, *others]) + (f"\n  and {hidden} more" if hidden > 0 else "")
    return ConfigError(what, where=first.where, expected=first.expected, remedy=first.remedy)


def nearest(name: str, known: Iterable[str]) -> str:
    """The entry of ``known`` that looks most like ``name``, or an empty string if none comes near.

    >>> nearest("top_n", ["top_k", "seed"])
    'top_k'
    """
    close = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def dotted_keys(model: type[BaseModel]) -> Iterator[str]:
    """All keys of ``model`` and of the models inside it, dotted: ``screen.top_k``."""
    for name, info in model.model_fields.items():
        yield name
        for inner in _models(info.annotation):
            yield from (f"{name}.{key}" for key in dotted_keys(inner))


def _explain_one(fault: Any, model: type[BaseModel], origin: Mapping[tuple[str, ...], str]) -> ConfigError:  # noqa: ANN401
    path = tuple(str(part) for part in fault["loc"])
    name = ".".join(path) or "the settings"
    where = _origin(path, origin)
    if fault["type"] == "extra_forbidden":
        return _unknown(path, model, where)
    if fault["type"] == "missing":
        return ConfigError(f"the setting {name} is missing", where=where, remedy=f"give it: --set {name}=…")
    value = mask_secrets({path[-1]: fault["input"]})[path[-1]] if path else fault["input"]
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    expected = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if fault["type"] in {"model_type", "model_attributes_type"}:
        expected = f"a section with keys among {', '.join(_keys_at(model, path))}"
    return ConfigError(f"the setting {name} has the value {shown}", where=where, expected=expected, remedy=_REMEDY)


def _origin(path: tuple[str, ...], origin: Mapping[tuple[str, ...], str]) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in origin:
            return origin[path[:length]]
    return next((place for known, place in origin.items() if known[: len(path)] == path), "")


def _unknown(path: tuple[str, ...], model: type[BaseModel], where: str) -> ConfigError:
    section, key = ".".join(path[:-1]), path[-1]
    known = list(_keys_at(model, path[:-1]))
    guess = nearest(key, known)
    if guess:
        guess = f"{section}.{guess}" if section else guess
    else:
        ends = {dotted.rpartition(".")[2]: dotted for dotted in dotted_keys(model)}
        guess = ends.get(nearest(key, ends), "")
    return ConfigError(
        f"unknown setting {'.'.join(path)}" + (f"; did you mean {guess}?" if guess else ""),
        where=where,
        expected=f"one of {', '.join(sorted(known))}" if known else "",
        remedy=_REMEDY,
    )


def _keys_at(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """Keys of the models that ``path`` (with list positions and union tags among its parts) leads to."""
    if not path:
        yield from model.model_fields
        return
    info = model.model_fields.get(path[0])
    if info is None:  # a position in a list, or the tag of a union member
        yield from _keys_at(model, path[1:])
        return
    for inner in _models(info.annotation):
        yield from _keys_at(inner, path[1:])


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models(argument)
