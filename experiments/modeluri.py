"""Names of stored models: ``models:/NAME``, ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` and ``models:/m-ID``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from cinchona.errors import ConfigError

PREFIX: Final = "models:/"
CHAMPION: Final = "champion"
"""Alias of the version that screens should use; given by the gate only."""
CHALLENGER: Final = "challenger"
"""Alias of the version that was registered last and has not been judged yet."""
_FORM: Final = re.compile(
    r"(?P<name>[\w][\w .-]{0,199}?)(?:/(?P<version>[1-9]\d{0,8})|@(?P<alias>[A-Za-z][\w-]{0,99}))?"
)
_LOGGED: Final = re.compile(r"m-[0-9a-f]{32}")
_EXPECTED: Final = (
    "models:/NAME, models:/NAME/VERSION, models:/NAME@champion or models:/m-… (letters, digits, - _ . and blanks)"
)


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A parsed name of a stored model."""

    name: str = ""
    """Registered name; empty for a logged model."""
    version: str = ""
    """Number of the version; empty if none is named."""
    alias: str = ""
    """Alias of the version; empty if none is named."""
    model_id: str = ""
    """Id of a logged model that need not be registered."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``text``, with or without ``models:/``.

        Raises:
            ConfigError: if it has none of the four forms.

        >>> ModelUri.parse("models:/nav17@champion")
        ModelUri(name='nav17', version='', alias='champion', model_id='')
        """
        bare = text.removeprefix(PREFIX)
        if _LOGGED.fullmatch(bare):
            return cls(model_id=bare)
        found = _FORM.fullmatch(bare)
        if found is None or ".." in bare:
            raise ConfigError(f"{text[:200]!r} does not name a stored model", expected=_EXPECTED)
        return cls(**{key: value or "" for key, value in found.groupdict().items()})

    def __str__(self) -> str:
        if self.model_id:
            return PREFIX + self.model_id
        return (
            PREFIX + self.name + (f"/{self.version}" if self.version else "") + (f"@{self.alias}" if self.alias else "")
        )


def is_model_uri(text: object) -> bool:
    """Whether ``text`` means a model in a store, not a folder."""
    return isinstance(text, str) and text.startswith(PREFIX)
