"""Dask workers at a site: fresh ones by lifetime, as many as the work needs, TLS, and a scheduler elsewhere that dies."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from functools import partial

import pytest
from distributed.security import Security

from cinchona.errors import RetryableError
from cinchona.protocols import Done
from cinchona.screening.executors import DaskExecutor
from cinchona.screening.profile import SiteProfile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_workers_make_room_for_fresh_ones():
    site = SiteProfile.model_validate({"kind": "local", "workers": 1, "lifetime": "4s"})

    def pid(_item):
        import os
        import time

        time.sleep(0.5)
        return os.getpid()

    begun, pids = time.monotonic(), set()
    with closing(DaskExecutor(1, dashboard=False, site=site)) as executor:
        for outcome in executor.map(pid, iter(range(400))):
            assert isinstance(outcome, Done), outcome
            pids.add(outcome.result)
            if len(pids) > 1:
                break
            assert time.monotonic() - begun < 120, "the worker never made room"
    assert len(pids) == 2


def test_as_many_workers_as_there_is_work():
    site = SiteProfile.model_validate({"kind": "local", "adaptive": {"minimum": 0, "maximum": 2}})

    def pid(_item):
        import os
        import time

        time.sleep(1)
        return os.getpid()

    begun, pids = time.monotonic(), set()
    with closing(DaskExecutor(1, dashboard=False, site=site)) as executor:
        assert executor.n_workers == 2
        for outcome in executor.map(pid, iter(range(400))):
            assert isinstance(outcome, Done), outcome
            pids.add(outcome.result)
            if len(pids) == 2:
                break
            assert time.monotonic() - begun < 120, "the second worker never came"


@pytest.fixture
def certificates(tmp_path) -> dict[str, str]:
    made = Security.temporary()
    files = {"ca_file": made.tls_ca_file, "cert_file": made.tls_client_cert, "key_file": made.tls_client_key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in files}


@pytest.fixture
def cluster(certificates, tmp_path):
    """A scheduler and a worker that run already, with TLS; its address and the scheduler's process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tls://127.0.0.1:{port}"
    tls = [
        f"--tls-{name.removesuffix('_file') if name != 'ca_file' else 'ca-file'}={path}"
        for name, path in certificates.items()
    ]
    dask = [sys.executable, "-P", "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = subprocess.Popen(
        [*dask, "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", *tls], **quiet
    )
    worker = subprocess.Popen(
        [*dask, "distributed.cli.dask_worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny", *tls], **quiet
    )
    yield address, scheduler
    for process in (worker, scheduler):
        process.kill()
        process.wait()


def test_a_scheduler_elsewhere_works_and_its_death_ends_the_driver(cluster, certificates):
    address, scheduler = cluster
    site = SiteProfile.model_validate(
        {"kind": "address", "address": address, "tls": {"mode": "files", **certificates}, "start_seconds": 120}
    )
    work = partial(divmod, 7)
    with closing(DaskExecutor(1, dashboard=False, site=site)) as executor:
        assert [o.result for o in executor.map(work, [2, 3])] == [(3, 1), (2, 1)]
        outcomes = executor.map(partial(time.sleep), iter([0.01] + [0.5] * 10_000))
        next(outcomes)
        scheduler.send_signal(signal.SIGKILL)
        begun = time.monotonic()
        with pytest.raises(RetryableError, match="scheduler is gone"):
            list(outcomes)
        assert time.monotonic() - begun < 60
    assert time.monotonic() - begun < 70, "closing waits for a scheduler that is gone"


def test_nobody_there_is_retryable_and_said(certificates):
    site = SiteProfile.model_validate({
        "kind": "address", "address": "tls://127.0.0.1:9", "tls": {"mode": "files", **certificates}, "start_seconds": 1,
    })  # fmt: skip
    with closing(DaskExecutor(1, site=site)) as executor, pytest.raises(RetryableError) as stopped:
        next(executor.map(abs, [1]))
    assert "doctor --profile" in str(stopped.value)
