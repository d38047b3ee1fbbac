"""Settings: frozen pydantic models, filled from a YAML file, the environment and ``--set``, in this order.

A key that is not known is refused and the nearest known one named; a value of the wrong type is refused with what,
where, expected and remedy.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from cinchona import yamltext
from cinchona.errors import ConfigError
from cinchona.masking import mask_secrets
from cinchona.settings_errors import explain, nearest

logger = logging.getLogger(__name__)

ENV_PREFIX: Final = "CINCHONA_"
"""Environment variables ``CINCHONA_SECTION__KEY`` are settings."""
RESERVED_VARIABLES: Final = frozenset({"CINCHONA_DATA", "CINCHONA_ORACLES", "CINCHONA_LOG_FORMAT"})
"""Variables with the prefix that are not settings."""

M = TypeVar("M", bound=BaseModel)


class Config(BaseModel):
    """Base of every settings model: frozen, unknown keys refused, defaults validated too."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


@dataclass(slots=True)
class _Collected:
    """Values of all sources merged, and where each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[tuple[str, ...], str] = field(default_factory=dict)
    raw: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Text of values from the environment and ``--set``, in case the setting wants text."""


def load_settings(
    model: type[M],
    *,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> M:
    """Build ``model`` from a YAML ``file``, then the environment, then ``overrides``; later ones win.

    Args:
        model: Settings class to build.
        file: YAML file with a mapping at the top, UTF-8, at most 256 KiB.
        overrides: Texts ``a.b=value``; the value is read as YAML, or as plain text where the setting is text.
        environ: Variables ``CINCHONA_A__B=value``; ``os.environ`` when None.

    Raises:
        ConfigError: if a source is unreadable, a key unknown or a value wrong; all faults in one message.
    """
    found = _Collected()
    if file is not None:
        _read_file(file, found)
    _read_environment(os.environ if environ is None else environ, model, found)
    for text in overrides:
        _read_override(text, found)
    return _validate(model, found)


def settings_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of ``model``, for editors and for ``cinchona config schema``."""
    return model.model_json_schema()


def to_yaml(config: BaseModel, *, mask: bool = False) -> str:
    """Write ``config`` as YAML that :func:`load_settings` reads back; ``mask`` hides passwords and tokens."""
    data = config.model_dump(mode="json")
    return yamltext.dump(mask_secrets(data) if mask else data)


def _validate(model: type[M], found: _Collected) -> M:
    try:
        return model.model_validate(found.values)
    except ValidationError as error:
        wanted_text = {_path(e["loc"]) for e in error.errors() if e["type"] == "string_type"} & found.raw.keys()
        if not wanted_text:
            raise explain(error, model, found.origin) from None
    for path in wanted_text:  # ``--set tracking.experiment=2026`` means the text 2026
        _put(found.values, path, found.raw[path])
    try:
        return model.model_validate(found.values)
    except ValidationError as error:
        raise explain(error, model, found.origin) from None


def _path(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    return tuple(str(part) for part in loc)


def _read_file(file: Path, found: _Collected) -> None:
    try:
        if file.stat().st_size > yamltext.MAX_BYTES:
            raise ConfigError("the settings file is too large", where=str(file), expected=f"{yamltext.MAX_BYTES} bytes")
        data, lines = yamltext.parse(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"the settings file cannot be read: {error.strerror}", where=str(file), remedy="check the path of --config"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"the settings file is not plain YAML: {error}", where=str(file), expected="UTF-8 YAML without tags"
        ) from error
    if data is None:
        return
    if not isinstance(data, dict):
        raise ConfigError(
            f"the settings file holds a {type(data).__name__}", where=str(file), expected="a mapping of sections",
            remedy="see `cinchona config show` for the form",
        )  # fmt: skip
    found.values = data
    found.origin.update({path: f"{file}, line {line}" for path, line in lines.items()})


def _read_environment(environ: Mapping[str, str], model: type[BaseModel], found: _Collected) -> None:
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name in RESERVED_VARIABLES:
            continue
        path = tuple(part.lower() for part in name.removeprefix(ENV_PREFIX).split("__"))
        if path[0] not in model.model_fields and not nearest(path[0], model.model_fields):
            logger.warning("environment variable %s names no setting of this command; ignored", name)
            continue
        _merge_text(path, environ[name], f"environment variable {name}", found)


def _read_override(text: str, found: _Collected) -> None:
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ConfigError(
            f"--set got {text!r}", expected="section.key=value", remedy="for example --set screen.top_k=50"
        )
    _merge_text(path, value, f"--set {key}", found)


def _merge_text(path: tuple[str, ...], text: str, origin: str, found: _Collected) -> None:
    try:
        value, _ = yamltext.parse(text)
    except yaml.YAMLError:
        value = text  # SMILES, globs and the like are not YAML; the setting's type decides
    _put(found.values, path, value, origin=origin)
    for known in [p for p in found.origin if p[: len(path)] == path]:
        del found.origin[known]
    found.origin[path] = origin
    found.raw[path] = text


def _put(values: dict[str, Any], path: tuple[str, ...], value: object, *, origin: str = "") -> None:
    inner = values
    for depth, part in enumerate(path[:-1]):
        below = inner.setdefault(part, {})
        if below is None:
            below = inner[part] = {}
        if not isinstance(below, dict):
            raise ConfigError(
                f"{'.'.join(path)} cannot be set: {'.'.join(path[: depth + 1])} holds a {type(below).__name__}",
                where=origin, expected="a section",
            )  # fmt: skip
        inner = below
    inner[path[-1]] = value
