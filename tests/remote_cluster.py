"""A Dask scheduler and a worker with TLS that run already, as at a site where others started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from distributed.security import Security
from small_screens import wait_for_receipts


@dataclass(frozen=True)
class RemoteCluster:
    """What a driver needs to use it, and a test to disturb it."""

    profile: dict[str, object]
    """The site's profile, as plain data."""
    scheduler: subprocess.Popen[bytes]
    """The scheduler's process."""

    def profile_file(self, path: Path) -> Path:
        """The profile as users write it."""
        path.write_text(yaml.safe_dump(self.profile))
        return path

    def kill_scheduler_after(self, receipts: int, folder: Path) -> list[float]:
        """Kill the scheduler once so many partitions of a run are committed; the list gets the time when it was done."""
        killed: list[float] = []

        def kill() -> None:
            wait_for_receipts(folder, receipts)
            self.scheduler.send_signal(signal.SIGKILL)
            killed.append(time.monotonic())

        threading.Thread(target=kill, daemon=True).start()
        return killed


@contextmanager
def remote_cluster(folder: Path) -> Iterator[RemoteCluster]:
    """Start one whose certificates and logs lie in ``folder``, and end it."""
    certificates = _certificates(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{probe.getsockname()[1]}"
    tls = [
        f"--tls-{name.replace('ca_file', 'ca-file').removesuffix('_file')}={path}"
        for name, path in certificates.items()
    ]
    options = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    }
    dask = [sys.executable, "-P", "-m"]
    scheduler = subprocess.Popen(
        [*dask, "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", *tls], **options
    )
    worker = subprocess.Popen(
        [*dask, "distributed.cli.dask_worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny", *tls], **options
    )
    try:
        site = {"kind": "address", "address": address, "start_seconds": 120, "tls": {"mode": "files", **certificates}}
        yield RemoteCluster(site, scheduler)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


def _certificates(folder: Path) -> dict[str, str]:
    made = Security.temporary()
    files = {"ca_file": made.tls_ca_file, "cert_file": made.tls_client_cert, "key_file": made.tls_client_key}
    for name, text in files.items():
        (folder / name).write_text(text)
    return {name: str(folder / name) for name in files}
