"""The space of settings: what is searched when nobody says, and from drawn values to settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from cinchona.errors import ConfigError, ModelFileError
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.pretraining.encoder_file import DEFAULT, SHIPPED, is_encoder, open_encoder
from cinchona.models.start_choice import AUTO
from cinchona.models.starting import NONE
from cinchona.models.tuning.config import Choice, SearchRange

START: Final = "training.pretrained"
"""The setting that decides whether the encoder's shape can be searched."""
USUAL: Final[Mapping[str, SearchRange]] = {
    START: SearchRange(choices=(NONE, DEFAULT)),
    "network.architecture": SearchRange(choices=("dmpnn", "gine")),
    "network.hidden": SearchRange(choices=(150, 300, 500)),
    "network.depth": SearchRange(low=2, high=5),
    "network.readout": SearchRange(choices=("norm", "mean", "sum")),
    "network.head_layers": SearchRange(low=1, high=2),
    "network.dropout": SearchRange(low=0.0, high=0.4, step=0.1),
    "network.features": SearchRange(choices=("", "rdkit", "morgan")),
    "training.learning_rate": SearchRange(low=3e-4, high=1e-2, log=True),
}
"""What is searched unless the settings name a space."""
_SHAPE: Final = ("architecture", "hidden", "depth", "heads")
"""Settings of the network that a pretrained encoder decides."""


class Draws(Protocol):
    """Draws the value of one setting; a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Any:  # noqa: ANN401 - one of the choices
        """One of ``choices``."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The settings of one trial."""

    network: GraphNetConfig
    training: TrainingConfig


def space_of(wanted: Mapping[str, SearchRange], base: Candidate) -> dict[str, SearchRange]:
    """The space to search, with ``training.pretrained`` first since others depend on it.

    Args:
        wanted: The space as set; empty for :data:`USUAL`.
        base: Settings that are not searched.

    Raises:
        ConfigError: if a name is no setting of network or training, or a value of the range is refused.
    """
    space = dict(wanted or USUAL)
    if not wanted and not is_encoder(SHIPPED):
        del space[START]
    for name, allowed in space.items():
        for value in allowed.choices or (allowed.low, allowed.high):
            _check(name, value, base)
    return {name: space[name] for name in sorted(space, key=lambda name: name != START)}


def _check(name: str, value: object, base: Candidate) -> None:
    try:
        _with(base, {name: value})
    except (ConfigError, ValidationError) as error:
        said = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else error.what
        raise ConfigError(
            f"{value!r} cannot be tried: {said}", where=f"tuning.space.{name}",
            expected="a setting of network or training, with values that it may have",
        ) from error  # fmt: skip


def draw(space: Mapping[str, SearchRange], trial: Draws, base: Candidate) -> Candidate:
    """Let ``trial`` draw a value of each setting; the shape of a pretrained encoder is not drawn but taken.

    Raises:
        ModelFileError: if a pretrained encoder is missing or damaged.
    """
    values: dict[str, object] = {}
    for name, allowed in space.items():
        if not _is_fixed(name, str(values.get(START, base.training.pretrained))):
            values[name] = _drawn(name, allowed, trial, whole=_whole(name))
    return with_values(base, values)


def with_values(base: Candidate, values: Mapping[str, object]) -> Candidate:
    """Settings with some values replaced, and the shape of the network taken from the pretrained encoder if there is one.

    Raises:
        ModelFileError: if that encoder is missing or damaged.
    """
    made = _with(base, values)
    if made.training.pretrained in {NONE, AUTO}:
        return made
    encoder = open_encoder(made.training.pretrained).network
    shape = {name: getattr(encoder, name) for name in _SHAPE}
    return Candidate(made.network.model_copy(update=shape), made.training)


def starts(space: Mapping[str, SearchRange], base: Candidate) -> list[dict[str, Choice]]:
    """Values to try first: the settings as they are, from each start that is searched, where the space holds them."""
    found = []
    begins = [str(c) for c in space[START].choices] if START in space else [base.training.pretrained]
    for begin in begins:
        try:
            shaped = with_values(base, {START: begin})
        except ModelFileError:
            continue
        values = {name: _plain(shaped, name) for name in space if not _is_fixed(name, begin)}
        if all(_holds(space[name], value) for name, value in values.items()):
            found.append(values)
    return found


def _is_fixed(name: str, begin: str) -> bool:
    return begin not in {NONE, AUTO} and name in {f"network.{part}" for part in _SHAPE}


def _holds(allowed: SearchRange, value: Choice) -> bool:
    if allowed.choices:
        return value in allowed.choices
    return isinstance(value, int | float) and float(allowed.low or 0) <= value <= float(allowed.high or 0)


def _plain(base: Candidate, name: str) -> Choice:
    room, _, key = name.partition(".")
    value = getattr(getattr(base, room), key)
    return "+".join(value) if isinstance(value, tuple) else value


def _drawn(name: str, allowed: SearchRange, trial: Draws, *, whole: bool) -> object:
    if allowed.choices:
        return trial.suggest_categorical(name, allowed.choices)
    low, high = float(allowed.low or 0), float(allowed.high or 0)
    if whole:
        return trial.suggest_int(name, round(low), round(high), step=round(allowed.step or 1), log=allowed.log)
    return trial.suggest_float(name, low, high, step=allowed.step, log=allowed.log)


def _field(name: str) -> tuple[str, str, Any]:
    """Room, key and declared type of a setting.

    Raises:
        ConfigError: if there is none of that name.
    """
    room, _, key = name.partition(".")
    models: dict[str, type[BaseModel]] = {"network": GraphNetConfig, "training": TrainingConfig}
    if room not in models or key not in models[room].model_fields:
        raise ConfigError(f"{name!r} is no setting of network or training", where=f"tuning.space.{name}")
    return room, key, models[room].model_fields[key].annotation


def _whole(name: str) -> bool:
    kind = _field(name)[2]
    return kind is int or kind == int | None


def _with(base: Candidate, values: Mapping[str, object]) -> Candidate:
    changed: dict[str, dict[str, object]] = {"network": {}, "training": {}}
    for name, value in values.items():
        room, key, kind = _field(name)
        listed = isinstance(value, str) and "tuple" in str(kind)
        whole = round(value) if _whole(name) and isinstance(value, float) else value
        changed[room][key] = tuple(part for part in str(value).split("+") if part) if listed else whole
    return Candidate(
        GraphNetConfig.model_validate({**base.network.model_dump(), **changed["network"]}),
        TrainingConfig.model_validate({**base.training.model_dump(), **changed["training"]}),
    )


__all__ = ["START", "USUAL", "Candidate", "Draws", "draw", "space_of", "starts", "with_values"]
