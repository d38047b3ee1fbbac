"""Opening what users hand in: files, gzip files, folders and zip archives, with hostile archives refused."""

from __future__ import annotations

import errno
import gzip
import io
import stat
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final, cast

from cinchona.errors import InputError, UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MAX_RATIO: Final = 200
"""Most bytes that one packed byte may become, for members above 1 MiB; agency files reach about 15."""
MAX_TOTAL: Final = 64 << 30
"""Most bytes of one archive when unpacked."""
MAX_MEMBERS: Final = 10_000
"""Most members of one archive."""
_SMALL: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file to read: on its own, in a folder, or in an archive."""

    path: Path
    """File that the user gave, or a file in a folder that the user gave."""
    inner: str = ""
    """Name inside the archive, empty for plain files."""

    @property
    def name(self) -> str:
        """Name for traces and messages, without the folders of this machine."""
        return f"{self.path.name}/{self.inner}" if self.inner else self.path.name

    @property
    def base(self) -> str:
        """Last part of the name, without ``.gz``."""
        last = PurePosixPath(self.inner).name if self.inner else self.path.name
        return last.removesuffix(".gz")

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open for reading bytes, unpacked; damage found on the way is an :class:`InputError`.

        Raises:
            InputError: if the archive is damaged or the file cannot be read.
            UnsafeFileError: if it unpacks to more than the caps allow.
        """
        try:
            if self.inner:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.inner) as stream:
                    yield cast("BinaryIO", _Capped(stream, archive.getinfo(self.inner).file_size, self.name))
            elif self.path.name.endswith(".gz"):
                with gzip.open(self.path) as stream:
                    cap = max(_SMALL, self.path.stat().st_size * MAX_RATIO)
                    yield cast("BinaryIO", _Capped(cast("IO[bytes]", stream), cap, self.name))
            else:
                with self.path.open("rb") as plain:
                    yield plain
        except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError) as error:
            raise _damaged(self.path, self.inner, error) from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # what a member that claims to begin before the file leads to
                raise
            raise _damaged(self.path, self.inner, error) from error
        except RuntimeError as error:
            raise InputError(
                f"the archive cannot be opened: {error}", where=self.name, expected="a zip without a password"
            ) from error


class _Capped(io.RawIOBase):
    """A stream that refuses to give more than it announced."""

    def __init__(self, stream: IO[bytes], cap: int, name: str) -> None:
        self._stream, self._left, self._name = stream, cap, name

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UnsafeFileError(
                "the file unpacks to more than it announced or than is allowed", where=self._name,
                expected=f"at most {MAX_RATIO} times its packed size", remedy="check where the file came from",
            )  # fmt: skip
        return data


def _damaged(path: Path, inner: str, error: Exception) -> InputError:
    return InputError(
        f"the archive is truncated or damaged: {error}",
        where=f"{path.name}/{inner}" if inner else path.name,
        expected="a complete archive",
        remedy="download it again; nothing of it was stored",
    )


def members_of(path: Path) -> list[Member]:
    """List the files in what the user gave: a file, a folder (searched in depth, links not followed) or a zip.

    Raises:
        InputError: if there is nothing, or the archive is damaged.
        UnsafeFileError: if the archive has paths that leave its folder, links, or unpacks beyond the caps.
    """
    if not path.exists():
        raise InputError("there is no such file or folder", where=str(path))
    if path.is_dir():
        found = (p for p in sorted(path.rglob("*")) if p.is_file() and not p.is_symlink())
        return [m for p in found for m in (_zip_members(p) if _is_zip(p) else [Member(p)])]
    return _zip_members(path) if _is_zip(path) else [Member(path)]


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)


def _zip_members(path: Path) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise _damaged(path, "", error) from error
    if len(infos) > MAX_MEMBERS:
        raise UnsafeFileError(f"the archive has {len(infos)} members", where=path.name, expected=f"<= {MAX_MEMBERS}")
    seen: set[str] = set()
    for info in infos:
        _check_member(info, path)
        if info.filename in seen:
            raise UnsafeFileError(f"the archive has two members called {info.filename!r}", where=path.name)
        seen.add(info.filename)
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        raise UnsafeFileError(f"the archive unpacks to {total >> 30} GiB", where=path.name, expected="<= 64 GiB")
    return [Member(path, info.filename) for info in infos if not info.is_dir()]


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0] or "\x00" in name:
        raise UnsafeFileError(
            f"the archive has a member that leaves its folder: {info.filename!r}", where=path.name,
            expected="relative paths only", remedy="check where the file came from",
        )  # fmt: skip
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnsafeFileError(f"the archive has a link: {info.filename!r}", where=path.name, expected="plain files")
    if info.file_size > _SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise UnsafeFileError(
            f"{info.filename!r} unpacks to {info.file_size >> 20} MiB from {info.compress_size} bytes",
            where=path.name, expected=f"at most {MAX_RATIO} times its packed size",
            remedy="check where the file came from; real agency files reach about 15 times",
        )  # fmt: skip
