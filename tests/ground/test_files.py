"""Files are written whole or not at all, and nothing is written outside its folder."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cinchona import files
from cinchona.errors import RetryableError, UnsafeFileError
from cinchona.files import atomic_path, disk_errors, inside, write_bytes, write_json, write_text

FULL = Path("/dev/full")


def test_writes_and_makes_folders(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "ü")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "ü".encode()
    write_json(tmp_path / "d.json", {"x": [1, "é"]})
    text = (tmp_path / "d.json").read_text()
    assert json.loads(text) == {"x": [1, "é"]}
    assert text.endswith("}\n")
    assert "é" in text


def test_nan_is_refused_and_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "d.json", 1)
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "d.json", float("nan"))
    assert (tmp_path / "d.json").read_text() == "1\n"


def test_a_failing_block_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "f"
    write_text(target, "old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_readers_see_the_old_or_the_new_file_never_half(tmp_path):
    target = tmp_path / "f"
    contents = [bytes([65 + i]) * 200_000 for i in range(2)]
    write_bytes(target, contents[0])
    done = threading.Event()

    def rewrite():
        for i in range(30):
            write_bytes(target, contents[i % 2])
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = set()
    while not done.is_set():
        data = target.read_bytes()
        assert data in contents
        seen.add(data[0])
    writer.join()
    assert seen


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path):
    target = tmp_path / "f"
    threads = [threading.Thread(target=write_bytes, args=(target, bytes([65 + i]) * 100_000)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = target.read_bytes()
    assert len(data) == 100_000
    assert len(set(data)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("mask,mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_follow_the_umask(tmp_path, mask, mode):
    code = f"import os; os.umask({mask}); from cinchona.files import write_text; from pathlib import Path; write_text(Path('f'), '')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode


def test_a_kill_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "f", "old")
    code = (
        "import os\nfrom pathlib import Path\nfrom cinchona.files import atomic_path\n"
        "with atomic_path(Path('f')) as t:\n    t.write_text('half')\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == -9
    assert (tmp_path / "f").read_text() == "old"


def test_long_names_work(tmp_path):
    write_text(tmp_path / ("x" * 250), "long")
    assert (tmp_path / ("x" * 250)).read_text() == "long"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_sick_disk_is_retryable_and_says_what_to_do(tmp_path, code, monkeypatch):
    def fail(_path):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "fsync_file", fail)
    with pytest.raises(RetryableError) as caught:
        write_text(tmp_path / "f", "x")
    assert os.strerror(code) in str(caught.value)
    assert "run the same command again" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        write_text(tmp_path / "file" / "below", "x")

    def missing():
        with disk_errors(tmp_path):
            raise FileNotFoundError(errno.ENOENT, "gone")

    with pytest.raises(FileNotFoundError):
        missing()


def test_full_disk_for_real():
    if not FULL.exists():
        pytest.skip("no /dev/full on this system")

    def write():
        with disk_errors(FULL), FULL.open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(RetryableError):
        write()


def test_folders_that_cannot_be_synced_are_no_error(tmp_path, monkeypatch):
    def fail(_path):
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(files, "fsync_file", fail)
    files.fsync_folder(tmp_path)

    def fail_hard(_path):
        raise OSError(errno.EIO, "sick")

    monkeypatch.setattr(files, "fsync_file", fail_hard)
    with pytest.raises(OSError, match="sick"):
        files.fsync_folder(tmp_path)


@pytest.mark.parametrize("name", ["a.txt", "a/b.txt", "./a.txt", "x/../a.txt", "", "ünï", "..a", "a..b"])
def test_names_inside_are_accepted(tmp_path, name):
    path = inside(tmp_path, name)
    assert path == tmp_path.resolve() or tmp_path.resolve() in path.parents


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/etc/passwd", "a/../..", "\x00", "x\x00y", "loop/x", "out/x", "out"]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(UnsafeFileError):
        inside(folder, name)


def test_a_link_that_stays_inside_is_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert inside(tmp_path, "link/x") == tmp_path.resolve() / "real" / "x"


def test_a_neighbour_with_the_same_beginning_is_outside(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run-2").mkdir()
    with pytest.raises(UnsafeFileError):
        inside(tmp_path / "run", "../run-2/x")
