"""Named places where a test may kill the process, to prove that a store survives it.

``CINCHONATEST_FAILPOINT=name`` in the environment arms one place: reaching it sends SIGKILL to the own process. Without
the variable :func:`reach` does nothing.
"""

from __future__ import annotations

import os
import signal
from typing import Final

VARIABLE: Final = "CINCHONATEST_FAILPOINT"
INGEST: Final = (
    "ingest.begin",
    "ingest.staged",
    "ingest.mid-file",
    "ingest.between-files",
    "ingest.before-close",
    "ingest.after-close",
    "ingest.moved",
    "ingest.committed",
)
"""The places an ingest passes, in order."""


def reach(name: str) -> None:
    """Die here if the environment says so."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
