"""Writing a file that only the first writer gets to write."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cinchona.files import disk_errors, fsync_folder

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES})


def publish_first(target: Path, content: bytes, *, before_link: Callable[[], None] = lambda: None) -> bool:
    """Create ``target`` with ``content`` unless it exists; of any number of writers exactly one succeeds.

    The content is written and fsynced under another name and then linked, so that nobody ever sees half a file. Where
    the file system has no hard links, the file is created exclusively instead; a kill in the middle then leaves a torn
    file, which readers must be able to tell from a whole one.

    Args:
        target: File to create; its folder is made if needed.
        content: The whole content.
        before_link: Called when the content is safe and only the commit is left.

    Returns:
        True for the one writer that created the file.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.tmp"
        try:
            _write_synced(temporary, content)
            before_link()
            won = _link(temporary, target, content)
        finally:
            temporary.unlink(missing_ok=True)
        if won:
            fsync_folder(target.parent)
        return won


def _link(temporary: Path, target: Path, content: bytes) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        # Over a network the answer to a link that worked can get lost; the count of links tells.
        return temporary.stat().st_nlink == 2
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create(target, content)
    return True


def _create(target: Path, content: bytes) -> bool:
    try:
        _write_synced(target, content)
    except FileExistsError:
        return False
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return True


def _write_synced(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
