"""What was decided about a first stage when a run was planned, in the folder of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from cinchona.errors import InputError
from cinchona.files import write_text


@dataclass(frozen=True, slots=True)
class CascadeRecord:
    """What was decided when the run was planned; ``cascade.json`` in its folder."""

    used: bool
    """Whether there is a first stage."""
    why: str
    """One sentence for people."""
    details: Mapping[str, float]
    """Figures behind it."""
    key: str = ""
    """Digest of everything that the decision was made from, hex."""

    def write(self, path: Path) -> None:
        """Store the record.

        Raises:
            RetryableError: if the disk is full, read-only or failing.
        """
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the record.

        Raises:
            InputError: if it is damaged.
        """
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError, OSError) as error:
            raise InputError(
                f"the record of the cascade does not read: {error}",
                where=str(path),
                expected="cascade.json as it was written when the run was planned",
                remedy="restore it from a copy, or begin a new screen in another folder",
            ) from error


__all__ = ["CascadeRecord"]
