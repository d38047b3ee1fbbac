"""A real SLURM of one node on the loopback interface, where slurm-wlm and munge are installed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from local_slurm import LocalSlurm, missing_programs


@pytest.fixture(scope="session")
def slurm():
    """The running SLURM; its commands find it by the environment."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"needs a batch system: {', '.join(missing)} not installed (Debian: slurm-wlm, munge)")
    # Paths of sockets are short; pytest's folders can be long.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, LocalSlurm(Path(folder)) as running:
        patch = pytest.MonkeyPatch()
        for name, value in running.environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join(_path()))
        yield running
        patch.undo()


def _path() -> list[str]:
    """Where jobs import Cinchona from: where this process does."""
    import cinchona

    return [str(Path(cinchona.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
