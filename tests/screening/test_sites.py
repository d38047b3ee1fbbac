"""Dask workers at a site: fresh ones by lifetime, as many as the work needs, TLS, and a scheduler elsewhere that dies."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from cheap_scorer import CheapScorer
from remote_cluster import remote_cluster
from small_screens import nci_library, small_settings

from cinchona.errors import ExitCode, RetryableError
from cinchona.pipelines.screen import resume, screen, status
from cinchona.protocols import Done
from cinchona.screening.executors import DaskExecutor, sites
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


def test_a_scheduler_elsewhere_works_and_its_death_ends_the_driver(tmp_path, monkeypatch):
    """As retryable, and the resumed run has the table of a clean one. The long set waits out the limit of earnest runs."""
    monkeypatch.setattr(sites, "_RECONNECT", 4.0)
    library, slow = nci_library(tmp_path / "library.csv", 600), CheapScorer(seconds=0.1)
    clean = screen(library, model=slow, out=tmp_path / "clean", settings=small_settings())
    with remote_cluster(tmp_path) as cluster:
        settings = small_settings("dask", watch={"profile": cluster.profile_file(tmp_path / "site.yaml")})
        killed = cluster.kill_scheduler_after(2, tmp_path / "run")
        with pytest.raises(RetryableError, match="scheduler is gone") as stopped:
            screen(library, model=slow, out=tmp_path / "run", settings=settings)
        assert time.monotonic() - killed[0] < 30
    assert stopped.value.exit_code == ExitCode.RETRYABLE
    assert 2 <= status(tmp_path / "run").partitions_done < 6
    result = resume(tmp_path / "run", model=slow, executor=small_settings().executor)
    assert result.scores_digest == clean.scores_digest


def test_nobody_there_is_retryable_and_said():
    site = SiteProfile.model_validate(
        {"kind": "address", "address": "tcp://127.0.0.1:9", "tls": {"mode": "off"}, "start_seconds": 1}
    )
    with closing(DaskExecutor(1, site=site)) as executor, pytest.raises(RetryableError) as stopped:
        next(executor.map(abs, [1]))
    assert "doctor --profile" in str(stopped.value)
