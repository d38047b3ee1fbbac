"""Writing files so that a kill, a full disk or a hostile name leaves nothing half done and nothing outside its folder."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cinchona.errors import RetryableError, UnsafeFileError

_RETRYABLE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EFBIG}
)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that replaces it, fsynced, when the block ends well.

    A reader sees the old file or the whole new one. If the block raises, the temporary file is removed.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name[:80]}.{secrets.token_hex(8)}.tmp"
        # Not tempfile: its files are for their owner alone, and the umask cannot be read without setting it.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            yield temporary
            fsync_file(temporary)
            temporary.replace(target)
            fsync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(target: Path, data: bytes) -> None:
    """Replace ``target`` by ``data`` atomically.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    """Replace ``target`` by ``text`` (UTF-8) atomically."""
    write_bytes(target, text.encode())


def write_json(target: Path, value: object) -> None:
    """Replace ``target`` by ``value`` as indented JSON with a final newline, atomically; NaN is refused."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn disk-full and I/O errors of the block into :class:`~cinchona.errors.RetryableError`; let others pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _RETRYABLE:
            raise
        raise RetryableError(
            f"cannot write: {error.strerror}",
            where=str(where),
            remedy="free space or mend the disk, then run the same command again; nothing that was finished is lost",
        ) from error


def fsync_file(path: Path) -> None:
    """Force a file's content to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folder(path: Path) -> None:
    """Force a folder's entries to the disk, where the file system knows how."""
    try:
        fsync_file(path)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EBADF, errno.EISDIR}:
            raise


def inside(folder: Path, name: str) -> Path:
    """Return ``folder / name`` if that lies inside ``folder``.

    Raises:
        UnsafeFileError: if ``name`` is absolute, climbs out, or goes through a link that leads out.
    """
    root = folder.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL
        path = None
    if path is None or (path != root and root not in path.parents):
        raise UnsafeFileError(
            f"the path {name!r} leaves its folder", where=str(folder), expected="a relative path inside the folder"
        )
    return path
