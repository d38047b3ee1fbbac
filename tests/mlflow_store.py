"""An empty MLflow database, made once a test process: making one takes seconds, copying it nothing."""

from __future__ import annotations

import functools
import shutil
import tempfile
import warnings
from pathlib import Path

from cinchona.experiments.store import Store


@functools.cache
def _original() -> Path:
    path = Path(tempfile.mkdtemp(prefix="cinchona-tests-"), "mlflow.db")
    with warnings.catch_warnings(action="ignore"):
        Store.at(f"sqlite:///{path}").connect()
    return path


def copy_empty_database(folder: Path) -> Path:
    """Put an empty database into ``folder`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(_original(), folder / "mlflow.db"))
