"""A disk that is really full, and one that is really read-only; permission bits would not stop root."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.errors import ExitCode, RetryableError
from cinchona.pipelines.screen import resume, screen, status

ROWS = 600


def mount(*arguments: str) -> None:
    """Mount, or skip the test where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.strip()[:80]}")


@pytest.fixture
def tmpfs(tmp_path: Path):
    """An empty disk of 192 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=192k", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return nci_library(tmp_path / "library.csv", ROWS)


def test_a_full_disk_stops_it_cleanly_and_room_lets_it_go_on(tmpfs, library, tmp_path):
    clean = screen(library, model=CheapScorer(), out=tmp_path / "clean", settings=small_settings())
    (tmpfs / "others").write_bytes(b"x" * 110_000)
    with pytest.raises(RetryableError, match="No space left") as stopped:
        screen(library, model=CheapScorer(), out=tmpfs / "run", settings=small_settings())
    assert stopped.value.exit_code == ExitCode.RETRYABLE
    done = status(tmpfs / "run").partitions_done
    assert 0 < done < 6, "the disk was full too early or too late to show anything"
    mount("-o", "remount,size=8m", str(tmpfs))
    result = resume(tmpfs / "run", model=CheapScorer())
    assert (result.rows, result.scores_digest) == (ROWS, clean.scores_digest)


def test_a_read_only_disk_stops_it_cleanly_and_is_exact_afterwards(tmpfs, library, tmp_path):
    clean = screen(library, model=CheapScorer(), out=tmp_path / "clean", settings=small_settings())
    mount("-o", "remount,size=8m", str(tmpfs))
    screen(library, model=CheapScorer(), out=tmpfs / "run", settings=small_settings())
    for receipt in list((tmpfs / "run" / "receipts").rglob("*.json"))[:3]:
        receipt.unlink()
    mount("-o", "remount,ro", str(tmpfs))
    for call in (
        lambda: resume(tmpfs / "run", model=CheapScorer()),
        lambda: screen(library, model=CheapScorer(), out=tmpfs / "new", settings=small_settings()),
    ):
        with pytest.raises(RetryableError, match="Read-only file system") as stopped:
            call()
        assert stopped.value.exit_code == ExitCode.RETRYABLE
    mount("-o", "remount,rw", str(tmpfs))
    assert resume(tmpfs / "run", model=CheapScorer()).scores_digest == clean.scores_digest
