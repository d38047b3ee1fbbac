"""Terms of outcomes, read from the user's YAML file."""

from __future__ import annotations

from pathlib import Path

import yaml

from cinchona import yamltext
from cinchona.errors import ConfigError


def read_terms(path: Path | None) -> dict[str, list[str]] | None:
    """Read a mapping of outcome names to lists of terms; None gives None.

    Raises:
        ConfigError: if the file is no such mapping.
    """
    if path is None:
        return None
    try:
        data, _ = yamltext.parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"the file of terms cannot be read: {error}", where=str(path)) from error
    if not isinstance(data, dict) or not all(isinstance(terms, list) and terms for terms in data.values()):
        raise ConfigError("the file of terms is no mapping of outcomes to lists", where=str(path))
    return {str(outcome): [str(term) for term in terms] for outcome, terms in data.items()}
