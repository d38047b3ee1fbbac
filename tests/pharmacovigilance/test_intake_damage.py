"""Damaged and hostile input: a clear error, or rows set aside; and an ingest that is killed anywhere goes on cleanly."""

from __future__ import annotations

import gzip
import os
import signal
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_reports as small

from cinchona import seeds
from cinchona.errors import CinchonaError, ColumnError, InputError, NoUsableRowsError, UnsafeFileError
from cinchona.pharmacovigilance import failpoints, ingest
from cinchona.pharmacovigilance import open as open_store
from cinchona.pharmacovigilance.intake.archives import members_of
from cinchona.pharmacovigilance.quality.doctor import examine

Files = dict[str, bytes]


def _pick(files: Files, rng: np.random.Generator) -> str:
    return sorted(files)[int(rng.integers(len(files)))]


def _truncated_zip(folder: Path, files: Files, rng: np.random.Generator) -> Path:
    path = small.write_zip(folder / "faers.zip", files)
    path.write_bytes(path.read_bytes()[: int(rng.integers(10, path.stat().st_size - 1))])
    return path


def _wrong_delimiter(folder: Path, files: Files, rng: np.random.Generator) -> Path:
    name = _pick(files, rng)
    lines = files[name].split(b"\n")
    where = slice(0, None) if rng.random() < 0.5 else slice(1, 1 + int(rng.integers(1, len(lines))))
    lines[where] = [text.replace(b"$", rng.choice([b",", b"|", b"\t", b";"])) for text in lines[where]]
    files[name] = b"\n".join(lines)
    return small.write_zip(folder / "faers.zip", files)


def _noise(share: float, low: int, high: int) -> Callable[[Path, Files, np.random.Generator], Path]:
    def damage(folder: Path, files: Files, rng: np.random.Generator) -> Path:
        name = _pick(files, rng)
        data = np.frombuffer(files[name], np.uint8).copy()
        begin = data.tobytes().index(b"\n") if rng.random() < 0.7 else 0
        where = begin + rng.integers(0, len(data) - begin, max(1, int(share * len(data))))
        data[where] = rng.integers(low, high, len(where))
        files[name] = data.tobytes()
        return small.write_zip(folder / "faers.zip", files)

    return damage


def _swapped_columns(folder: Path, files: Files, rng: np.random.Generator) -> Path:
    name = _pick(files, rng)
    head, _, body = files[name].partition(b"\n")
    names = head.rstrip(b"\r").split(b"$")
    a, b = rng.choice(len(names), 2, replace=False)
    names[a], names[b] = names[b], names[a]
    files[name] = b"$".join(names) + b"\n" + body
    return small.write_zip(folder / "faers.zip", files)


def _missing_column(folder: Path, files: Files, rng: np.random.Generator) -> Path:
    name = _pick(files, rng)
    lines = [text.split(b"$") for text in files[name].replace(b"\r", b"").rstrip(b"\n").split(b"\n")]
    gone, only_header = int(rng.integers(len(lines[0]))), rng.random() < 0.3
    kept = [
        b"$".join(f for k, f in enumerate(text) if k != gone or (only_header and i)) for i, text in enumerate(lines)
    ]
    files[name] = b"\n".join(kept) + b"\n"
    return small.write_zip(folder / "faers.zip", files)


def _bomb(folder: Path, files: Files, rng: np.random.Generator) -> Path:
    files[_pick(files, rng)] += b"0" * int(rng.integers(2 << 20, 4 << 20))
    return small.write_zip(folder / "faers.zip", files)


def _traversal(folder: Path, files: Files, rng: np.random.Generator) -> Path:
    name = _pick(files, rng)
    outside = rng.choice(["../", "/etc/", "a/../../", "..\\", "C:/"])
    files[f"{outside}{name.split('/')[-1]}"] = files.pop(name)
    return small.write_zip(folder / "faers.zip", files)


DAMAGES = {
    "truncated zip": _truncated_zip,
    "wrong delimiter": _wrong_delimiter,
    "binary bytes": _noise(0.05, 0, 256),
    "NUL bytes": _noise(0.01, 0, 1),
    "swapped columns": _swapped_columns,
    "column missing": _missing_column,
    "zip bomb": _bomb,
    "path traversal": _traversal,
}
ALWAYS_REFUSED = {"zip bomb": UnsafeFileError, "path traversal": UnsafeFileError, "truncated zip": InputError}


@pytest.mark.parametrize("kind", sorted(DAMAGES))
def test_25_corruptions_of_each_kind(tmp_path: Path, kind: str) -> None:
    refused = 0
    for number in range(25):
        rng = seeds.rng(number, "damage", kind)
        files = small.texts_of(small.plain_quarter((101, 102, 103, 104)))
        folder = tmp_path / str(number)
        path = DAMAGES[kind](folder, files, rng)
        try:
            result = ingest(folder / "store", [path])
        except CinchonaError as error:
            refused += 1
            assert isinstance(error, ALWAYS_REFUSED.get(kind, InputError)), repr(error)
            assert str(error)
            assert error.exit_code == 2
            if (folder / "store").exists():
                store = open_store(folder / "store")
                assert not store.receipts
                assert not list((folder / "store" / "staging").glob("*"))
            continue
        assert kind not in ALWAYS_REFUSED
        assert all(f.rows_in == f.stored + f.set_aside for r in result.added for f in r.files)
        assert not [f for f in examine(result.store) if f.level == "damage"]
        # The independent reader: no file has more rows in the store and aside than it has lines.
        for account in result.added[0].files:
            data = files["ascii/" + account.name.split("/")[-1]]
            assert account.rows_in <= data.count(b"\n") + data.count(b"\r")
    assert refused == 25 if kind in ALWAYS_REFUSED else refused < 25


def test_links_doubles_and_passwords_in_zips(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        info = zipfile.ZipInfo("ascii/DEMO17Q2.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeFileError, match="a link"):
        members_of(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("DEMO17Q2.txt", "a")
        archive.writestr("DEMO17Q2.txt", "b")
    with pytest.raises(UnsafeFileError, match="two members"):
        members_of(tmp_path / "twice.zip")
    path = small.quarter_zip(tmp_path)
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the first local header says that it is encrypted
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"without a password|cannot be opened|damaged"):
        ingest(tmp_path / "store", [path])


def test_lying_sizes_and_gzip_bombs(tmp_path: Path) -> None:
    path = small.write_zip(tmp_path / "faers_ascii_2017q2.zip", {"DEMO17Q2.txt": b"primaryid$caseid\n1$1\n" * 1000})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError):
        ingest(tmp_path / "store", [path])
    with gzip.open(tmp_path / "DEMO17Q3.txt.gz", "wb") as stream:
        stream.write(b"primaryid$caseid\n" + b"0" * (8 << 20))
    with pytest.raises(UnsafeFileError, match="unpacks to more"):
        ingest(tmp_path / "store", [tmp_path / "DEMO17Q3.txt.gz"])


def test_links_in_folders_are_not_followed(tmp_path: Path) -> None:
    for name, data in small.texts_of(small.plain_quarter()).items():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / Path(name).name).write_bytes(data)
    (tmp_path / "DEMO18Q1.txt").write_bytes(b"primaryid$caseid\n9$9\n")
    (tmp_path / "in" / "DEMO18Q1.txt").symlink_to(tmp_path / "DEMO18Q1.txt")
    assert {r.quarter for r in ingest(tmp_path / "store", [tmp_path / "in"]).added} == {"2017Q2"}


def test_errors_name_the_file(tmp_path: Path) -> None:
    files = small.texts_of(small.plain_quarter())
    files["ascii/DRUG17Q2.txt"] = b"primaryid$drugname\n1011$X\n"
    with pytest.raises(ColumnError) as caught:
        ingest(tmp_path / "store", [small.write_zip(tmp_path / "q.zip", files)])
    assert caught.value.where == "q.zip/ascii/DRUG17Q2.txt"
    assert "role_cod" in caught.value.expected
    files = small.texts_of({**small.plain_quarter(), "DEMO": []})
    with pytest.raises(NoUsableRowsError):
        ingest(tmp_path / "store", [small.write_zip(tmp_path / "q.zip", files)])


def _contents(root: Path) -> dict[str, list[str]]:
    store = open_store(root)
    names = (
        "cases",
        "drugs",
        "reactions",
        "outcomes",
        "therapies",
        "indications",
        "reporters",
        "set_aside",
        "deletions",
    )
    return {name: sorted(map(str, store.table(name).arrow().to_pylist())) for name in names}


PROGRAM = "import sys; from cinchona.pharmacovigilance import ingest; ingest(sys.argv[1], sys.argv[2:])"


@pytest.fixture(scope="module")
def two_quarters(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], dict[str, list[str]], str]:
    folder = tmp_path_factory.mktemp("quarters")
    rows = small.plain_quarter((101, 102))
    rows["DRUG"].append(small.drug(999, "ORPHAN"))
    quarters = [small.quarter_zip(folder, rows, q, deleted__DELETE=b"101\n") for q in ("17Q2", "17Q3")]
    whole = ingest(folder / "whole", quarters)
    return quarters, _contents(folder / "whole"), whole.store.content_id


def test_there_are_eight_places() -> None:
    assert len(set(failpoints.INGEST)) == 8


@pytest.mark.slow
@pytest.mark.parametrize("place", failpoints.INGEST)
def test_killed_ingest_is_completed_by_the_next(
    tmp_path: Path, two_quarters: tuple[list[Path], dict[str, list[str]], str], place: str
) -> None:
    quarters, wanted, content_id = two_quarters
    root = tmp_path / "store"
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), *map(str, quarters)],
        env={**os.environ, failpoints.VARIABLE: place}, check=False, capture_output=True,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    half = open_store(root)
    assert len(half.receipts) == (1 if place == "ingest.committed" else 0)
    assert half.table("cases").count() == 2 * len(half.receipts)
    again = ingest(root, quarters)
    assert len(again.added) + len(again.skipped) == 2
    assert _contents(root) == wanted
    assert again.store.content_id == content_id
    assert not examine(again.store)
