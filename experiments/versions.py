"""Versions of registered models, and the tags that they and their names bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

FINGERPRINT_TAG: Final = "model_fingerprint"
"""Tag by which a screen finds the logged model that it used."""
CONFIG_TAG: Final = "config_digest"
"""Tag with the digest of ``config.json``, which holds the digests of all files that loading reads."""
LOGGED_TAG: Final = "logged_model_id"
"""Tag of a version: the logged model that it is; SQLite stores of MLflow do not give it back."""
PROMOTED: Final = "gate.decision"
"""Tag of a version: what the gate said, :data:`PASSED` or ``refused``."""
PASSED: Final = "promoted"
"""Decision of a gate that lets a version through."""
TEST_DIGEST: Final = "frozen_test_digest"
"""Tag of a registered model: content digest of the test set that all its versions are judged on."""
TEST_RUN: Final = "frozen_test_run"
"""Tag of a registered model: the run that keeps this test set."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a registered model."""

    name: str
    version: str
    model_id: str
    """Logged model that it is."""
    fingerprint: str
    run_id: str = ""
    """Run that made the model."""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """``models:/NAME/VERSION``."""
        return f"models:/{self.name}/{self.version}"

    def record(self) -> dict[str, Any]:
        """What people want to know of it, plain data."""
        shown = {k: v for k, v in self.tags.items() if k not in {FINGERPRINT_TAG, CONFIG_TAG, LOGGED_TAG}}
        return {
            "model": self.uri, "aliases": list(self.aliases), "fingerprint": self.fingerprint[:16],
            "run_id": self.run_id, **shown,
        }  # fmt: skip
