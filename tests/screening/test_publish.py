"""Of many writers one wins, with links and without; nothing half done is ever seen."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from cinchona.errors import RetryableError
from cinchona.screening.publish import publish_first


def no_links(*_args, **_kwargs):
    raise OSError(errno.EPERM, "no links here")


@pytest.fixture(params=["links", "no links"])
def file_system(request, monkeypatch):
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_links)
    return request.param


def test_first_writer_wins(tmp_path, file_system):
    target = tmp_path / "sub" / "receipt"
    assert publish_first(target, b"one")
    assert not publish_first(target, b"two")
    assert target.read_bytes() == b"one"
    assert [p.name for p in target.parent.iterdir()] == ["receipt"], "temporary files stay behind"


def test_fifty_races(tmp_path, file_system):
    for race in range(50):
        target, start, won = tmp_path / str(race), threading.Barrier(2), []

        def attempt(name, target=target, start=start, won=won):
            start.wait()
            if publish_first(target, name):
                won.append(name)

        threads = [threading.Thread(target=attempt, args=(name,)) for name in (b"a", b"b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert target.read_bytes() == won[0]


def test_a_link_whose_answer_got_lost_counts_as_won(tmp_path, monkeypatch):
    link = os.link

    def linked_but_says_no(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, "exists")

    monkeypatch.setattr(os, "link", linked_but_says_no)
    assert publish_first(tmp_path / "x", b"mine")


@pytest.mark.parametrize("function", ["fsync", "link"])
def test_disk_errors_are_retryable_and_leave_nothing(tmp_path, monkeypatch, function):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(RetryableError, match="No space left"):
        publish_first(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_without_links_leaves_no_torn_file(tmp_path, monkeypatch):
    calls = []

    def second_time_full(_handle):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "fsync", second_time_full)
    with pytest.raises(RetryableError):
        publish_first(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []
