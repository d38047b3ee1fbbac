"""Reading a torch checkpoint as data: settings and arrays, nothing executed, nothing unpacked to disk.

A file of ``torch.save`` is an uncompressed zip archive: ``<name>/data.pkl`` says what there is, ``<name>/data/<key>``
holds the bytes of each storage.
"""

from __future__ import annotations

import math
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import numpy as np

from cinchona.datasets.pickled import MAX_PICKLE_BYTES, Inert, read_pickle
from cinchona.errors import ModelFileError, UnsafeFileError

MAX_CHECKPOINT_BYTES: Final = 4 << 30
"""Largest sum of what an archive unpacks to."""
_MAX_MEMBERS: Final = 20_000
_MAX_RATIO: Final = 20
_DTYPES: Final = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
_REBUILDERS: Final = frozenset({"_rebuild_tensor_v2", "_rebuild_tensor"})
_MAX_DIMENSIONS: Final = 16


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where the numbers of tensors lie."""

    dtype: str
    key: str
    numel: int


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote.

    Tensors of any mapping in it become arrays; names that would have been imported stay inert.

    Raises:
        ModelFileError: if there is no such file, it is damaged, not a zip archive, or holds no mapping.
        UnsafeFileError: if it unpacks beyond the caps, names paths outside, or asks for what no checkpoint needs.
    """
    with _archive(path) as archive, archive.open_member("data.pkl") as file:
        data = file.read(MAX_PICKLE_BYTES + 1)
        content = read_pickle(data, where=path.name, persistent=lambda pid: _storage(pid, path.name))
        if not isinstance(content, dict):
            raise _no_checkpoint(path, f"it holds {type(content).__name__}, not settings and weights")
        return {str(key): _resolved(value, archive) for key, value in content.items()}


class _Archive:
    """A checked zip archive."""

    def __init__(self, file: zipfile.ZipFile, path: Path) -> None:
        self._file, self.path = file, path
        members = file.infolist()
        _check_members(members, path)
        roots = {PurePosixPath(m.filename).parts[0] for m in members}
        self._root = roots.pop() if len(roots) == 1 else ""
        order = self._names().get("byteorder")
        if order is not None and file.read(order).strip() not in {b"little", b""}:
            raise _no_checkpoint(path, "its numbers are big-endian")

    def _names(self) -> dict[str, str]:
        return {name.removeprefix(f"{self._root}/"): name for name in self._file.namelist()}

    def open_member(self, name: str) -> IO[bytes]:
        """Open a member by its name below the root."""
        found = self._names().get(name)
        if found is None:
            raise _no_checkpoint(self.path, f"it has no {name}")
        return self._file.open(found)

    def array(self, storage: _Storage) -> np.ndarray:
        """All numbers of a storage, 1-D."""
        dtype = np.dtype(storage.dtype)
        wanted = storage.numel * dtype.itemsize
        if wanted > MAX_CHECKPOINT_BYTES:
            raise UnsafeFileError(f"a tensor of {wanted:,} bytes", where=self.path.name)
        with self.open_member(f"data/{storage.key}") as file:
            data = file.read(wanted + 1)
        if len(data) != wanted:
            raise _no_checkpoint(self.path, f"storage {storage.key} has not the {wanted:,} bytes that it should have")
        return np.frombuffer(data, dtype)


@contextmanager
def _archive(path: Path) -> Iterator[_Archive]:
    if not path.is_file():
        raise ModelFileError("there is no such checkpoint", where=str(path), expected="a .pt or .ckpt file")
    if not zipfile.is_zipfile(path):
        raise _no_checkpoint(path, "it is no zip archive (torch wrote those before version 1.6)")
    try:
        with zipfile.ZipFile(path) as file:
            yield _Archive(file, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise _no_checkpoint(path, f"the archive is damaged: {error}") from error


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    total = sum(m.file_size for m in members)
    packed = max(1, sum(m.compress_size for m in members))
    if len(members) > _MAX_MEMBERS or total > MAX_CHECKPOINT_BYTES or (total > 1 << 20 and total / packed > _MAX_RATIO):
        raise UnsafeFileError(
            f"the archive unpacks {packed:,} bytes to {total:,} in {len(members):,} members", where=path.name,
            expected=f"at most {MAX_CHECKPOINT_BYTES:,} bytes, {_MAX_RATIO} times the packed ones",
        )  # fmt: skip
    for member in members:
        place = PurePosixPath(member.filename)
        if place.is_absolute() or ".." in place.parts or "\\" in member.filename or not place.parts:
            raise UnsafeFileError(f"the archive names the path {member.filename!r}", where=path.name)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UnsafeFileError(f"the archive holds the link {member.filename!r}", where=path.name)
        if member.flag_bits & 1:
            raise _no_checkpoint(path, "it is encrypted")
    if len({m.filename for m in members}) != len(members):
        raise UnsafeFileError("the archive holds two members of one name", where=path.name)


def _storage(pid: Any, where: str) -> _Storage:  # noqa: ANN401 - whatever a pickle says
    fields = pid if isinstance(pid, tuple) else ()
    if len(fields) != 5 or fields[0] != "storage":
        raise ModelFileError("the checkpoint refers to something that is no storage", where=where)
    _, kind, key, _, numel = fields
    name = getattr(kind, "name", "")
    if name not in _DTYPES:
        raise ModelFileError(
            f"the checkpoint holds numbers of the kind {name or kind!r}", where=where, expected=", ".join(_DTYPES)
        )
    if not isinstance(key, str) or not key.isalnum() or not isinstance(numel, int) or not 0 <= numel < 1 << 40:
        raise ModelFileError("the checkpoint has a storage without a sensible name and size", where=where)
    return _Storage(_DTYPES[name], key, numel)


def _resolved(value: Any, archive: _Archive, depth: int = 0) -> Any:  # noqa: ANN401 - whatever a checkpoint holds
    """``value`` with tensors turned into arrays, in mappings and sequences of up to a few levels."""
    if isinstance(value, Inert):
        return _tensor(value, archive) if _is_tensor(value) else value
    if isinstance(value, dict) and depth < 8:
        return {key: _resolved(item, archive, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and depth < 8:
        return type(value)(_resolved(item, archive, depth + 1) for item in value)
    return value


def _is_tensor(value: Inert) -> bool:
    return value.module == "torch._utils" and (value.name in _REBUILDERS or value.name == "_rebuild_parameter")


def _tensor(value: Inert, archive: _Archive) -> np.ndarray:
    if value.name == "_rebuild_parameter" and value.args and isinstance(value.args[0], Inert):
        value = value.args[0]
    args = value.args
    if value.name not in _REBUILDERS or len(args) < 4 or not isinstance(args[0], _Storage):
        raise _no_checkpoint(archive.path, "a tensor is not made of a storage, an offset, a size and strides")
    storage, offset, size, strides = args[:4]
    numbers = (offset, *_whole(size), *_whole(strides))
    if any(not isinstance(n, int) or n < 0 for n in numbers) or not len(size) == len(strides) <= _MAX_DIMENSIONS:
        raise _no_checkpoint(archive.path, "a tensor has a size or stride that is no whole number")
    empty = 0 in size
    last = offset + sum((n - 1) * step for n, step in zip(size, strides, strict=True))
    if not empty and last >= storage.numel:
        raise _no_checkpoint(archive.path, "a tensor reaches beyond its storage")
    if math.prod(size) > max(storage.numel, 1):
        raise UnsafeFileError("a tensor repeats its storage many times", where=archive.path.name)
    data = archive.array(storage)
    if empty:
        return np.zeros(size, data.dtype)
    steps = [step * data.dtype.itemsize for step in strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(data[offset:], tuple(size), steps, writeable=False))


def _whole(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - whatever a pickle says
    return tuple(value) if isinstance(value, tuple | list) else (None,)


def mapping_of(content: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    """The mapping ``key`` of a checkpoint.

    Raises:
        ModelFileError: if there is none.
    """
    found = content.get(key)
    if not isinstance(found, dict):
        raise _no_checkpoint(path, f"it has no {key}")
    return found


def _no_checkpoint(path: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"the checkpoint cannot be read: {what}", where=path.name,
        expected="a file that chemprop train (version 2) or torch.save wrote",
        remedy="copy it again, or save the model anew with a current version of its package",
    )  # fmt: skip


__all__ = ["MAX_CHECKPOINT_BYTES", "mapping_of", "read_checkpoint"]
