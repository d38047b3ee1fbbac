"""Named places where a test can kill the process, to prove that a kill there loses nothing.

Set the environment variable ``CINCHONA_FAILPOINT`` to a name (``receipt.before_link``) or to a name and a key
(``receipt.before_link:7``, here the partition) and the process sends itself SIGKILL on reaching it: no clean-up code
runs, as after a power cut or an out-of-memory kill. Unset, which is the normal case, a failpoint is one look-up in
the environment, about a microsecond.
"""

from __future__ import annotations

import os
import signal
from typing import Final

VARIABLE: Final = "CINCHONA_FAILPOINT"
"""Environment variable that names the place."""

FAILPOINTS: Final = (
    "plan.before_write",
    "plan.between_files",
    "plan.after_write",
    "part.before_write",
    "part.before_fsync",
    "part.after_fsync",
    "receipt.before_link",
    "receipt.after_link",
    "pack.before_link",
    "pack.after_link",
    "pack.between_files",
    "finish.before_outputs",
    "finish.after_hits",
    "finish.before_manifest",
    "finish.after_manifest",
    "finish.after_success",
)
"""Every name that the code passes to :func:`failpoint`, in the order of a run."""


def failpoint(name: str, key: int | str = "") -> None:
    """Kill this process if the environment asks for it here; otherwise do nothing."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    assert name in FAILPOINTS, name
    if wanted in {name, f"{name}:{key}"}:
        os.kill(os.getpid(), signal.SIGKILL)
