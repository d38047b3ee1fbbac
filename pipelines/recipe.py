"""The recipe of a run: what it takes to do it again, kept as ``recipe.json`` in its record."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinchona.datasets.catalogue import PREFIX
from cinchona.errors import InputError
from cinchona.files import write_text
from cinchona.manifest import host_facts, package_versions
from cinchona.masking import mask_secrets
from cinchona.pipelines.config import Settings
from cinchona.protocols import TrackedRun

FILE: Final = "recipe.json"
"""Name of the recipe."""
_SCHEMA: Final = "cinchona-recipe-1"


class Recipe(BaseModel):
    """Data, settings, seed and code of a run. No paths: a file is known by its name and its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["cinchona-recipe-1"] = "cinchona-recipe-1"
    kind: Literal["train", "evaluate", "screen", "pretrain"]
    """Workflow."""
    inputs: tuple[str, ...]
    """Inputs in order: ``catalogue:NAME``, or the name of a file without its folder."""
    digests: tuple[str, ...]
    """Digest of each input file, or of the curated assay table."""
    seed: int
    """Seed of all randomness."""
    settings: dict[str, Any]
    """Settings of the workflow; secrets are masked, and where runs are recorded is left out."""
    targets: tuple[str, ...] = ()
    """Measured columns."""
    model: str = ""
    """Fingerprint of the model that was used."""
    versions: dict[str, str] = Field(default_factory=package_versions)
    """Versions of Python and of the packages that matter."""
    host: dict[str, str | int] = Field(default_factory=host_facts)
    """Processor and system; nothing that names a person or a machine."""

    @classmethod
    def read(cls, text: bytes, where: str) -> Self:
        """Read a recipe from a store, which is not trusted.

        Raises:
            InputError: if it is none, or of another version.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise InputError(
                "the recipe of the run cannot be read", where=where, expected=f"{FILE} of {_SCHEMA!r}",
                remedy="install the version of Cinchona that recorded the run",
            ) from error  # fmt: skip

    def log(self, run: TrackedRun) -> None:
        """Keep the recipe in the record of ``run``."""
        with tempfile.TemporaryDirectory(prefix="cinchona-") as scratch:
            path = Path(scratch, FILE)
            write_text(path, self.model_dump_json(indent=2) + "\n")
            run.log_artifact(path)


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Settings as a recipe keeps them."""
    masked: dict[str, Any] = mask_secrets(settings.model_dump(mode="json", exclude={"tracking"}))
    return masked


def input_names(inputs: object) -> tuple[str, ...]:
    """How a recipe names inputs: catalogue names whole, files without their folders, tables in memory by their type."""
    listed = inputs if isinstance(inputs, Sequence) and not isinstance(inputs, str) else [inputs]
    return tuple(_name(item) for item in listed)


def _name(item: object) -> str:
    if isinstance(item, str) and item.startswith(PREFIX):
        return item
    return Path(item).name if isinstance(item, str | Path) else type(item).__name__


__all__ = ["FILE", "input_names", "plain_settings", "Recipe"]
