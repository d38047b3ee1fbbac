"""What a model folder may hold, checked before anything of it is used."""

from __future__ import annotations

import json
import os
import pickletools
import re
import stat
from pathlib import Path
from typing import Final

from cinchona.errors import CinchonaError, ModelFileError, UnsafeFileError

DIGESTED: Final = ("golden.json", "trust.json", "weights.safetensors")
"""Files whose digests stand in ``config.json``."""

TRUST_ARRAYS: Final = "trust.safetensors"
"""Arrays of calibration and domain, with a digest too; models that have neither, and old ones, lack the file."""

COMPANIONS: Final = ("README.md", "manifest.json", "rejects.parquet", "report", "baselines", "compounds.parquet")
"""Files and folders that training leaves beside the model; they are never read on loading."""

_REPORT_TYPES: Final = frozenset({".csv", ".html", ".json", ".md", ".parquet", ".png", ".safetensors", ".svg"})
_PICKLE_TYPES: Final = frozenset(
    {".bin", ".ckpt", ".dill", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"}
)
LIMITS: Final = {
    "config.json": 4 << 20,
    "golden.json": 16 << 20,
    "trust.json": 256 << 20,
    "trust.safetensors": 1 << 30,
    "weights.safetensors": 4 << 30,
}
_MAX_HEADER: Final = 16 << 20
_MAX_ENTRIES: Final = 1000
_HEAD: Final = 4096
_IMPORT: Final = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
_DTYPES: Final = frozenset({"BOOL", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"})


def read_entries(folder: Path) -> dict[str, bytes]:
    """Read the files of the model at ``folder``, once.

    Returns:
        Content by name, of ``config.json`` and those of :data:`DIGESTED` and :data:`TRUST_ARRAYS` that are there.

    Raises:
        ModelFileError: if the folder is missing or holds a file that does not belong to a model, or one too large.
        UnsafeFileError: if anything in it is a link, a device or a pickle.
    """
    if not folder.is_dir():
        raise ModelFileError(
            "there is no model folder", where=str(folder), expected="a folder with config.json and weights.safetensors",
            remedy="name the folder that training wrote (--out)",
        )  # fmt: skip
    found: dict[str, bytes] = {}
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        path = Path(entry.path)
        _check_kind(path)
        if path.name in LIMITS:
            found[path.name] = _read(path, LIMITS[path.name])
        elif path.name in COMPANIONS:
            _check_companion(path)
        else:
            raise _foreign(path)
    return found


def check_safetensors(data: bytes, folder: Path, name: str = "weights.safetensors") -> None:
    """Check the header of a safetensors file before the library reads it.

    Raises:
        ModelFileError: if the header is too long, is no JSON object, or names a type that no model of ours has.
    """
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(_MAX_HEADER, len(data) - 8):
        raise _refuse(f"{name} has no valid header", folder, f"a header of at most {_MAX_HEADER:,} bytes")
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refuse(f"the header of {name} is no JSON: {error}", folder, "safetensors") from error
    tensors = header if isinstance(header, dict) else {"": None}
    for key, entry in tensors.items():
        if key != "__metadata__" and (not isinstance(entry, dict) or entry.get("dtype") not in _DTYPES):
            raise _refuse(f"array {key[:80]!r} of {name} has no known type", folder, "plain numbers")


def is_pickle(head: bytes) -> bool:
    """Whether ``head``, the first bytes of a file, begins a pickle or a torch archive.

    Protocols 2 and up begin with two known bytes. Older ones are text without a mark, so the opcodes are followed until
    one names something to import; without that a pickle is plain data and does no harm.
    """
    if head[:4] == b"PK\x03\x04" or (head[:1] == b"\x80" and b"\x02" <= head[1:2] <= b"\x05"):
        return True
    try:
        return any(
            opcode.name in {"GLOBAL", "INST"} and _IMPORT.fullmatch(str(argument))
            for opcode, argument, _ in pickletools.genops(head)
        )
    except Exception:  # noqa: BLE001 - the parser meets arbitrary bytes; whatever it cannot read is no pickle
        return False


def _check_kind(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise UnsafeFileError(
            f"{path.name} is a link", where=str(path), expected="files and folders of its own",
            remedy="copy the file into the folder in place of the link (cp --dereference)",
        )  # fmt: skip
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UnsafeFileError(f"{path.name} is a device, socket or pipe", where=str(path), expected="plain files")
    if stat.S_ISDIR(mode):
        return
    if path.suffix.lower() in _PICKLE_TYPES:
        raise _pickle(path)
    with path.open("rb") as file:
        if is_pickle(file.read(_HEAD)):
            raise _pickle(path)


def _check_companion(path: Path) -> None:
    if not path.is_dir():
        return
    for count, (place, folders, files) in enumerate(os.walk(path)):
        for name in (*folders, *files):
            _check_kind(Path(place) / name)
        strange = [name for name in files if Path(name).suffix.lower() not in _REPORT_TYPES]
        if strange or count + len(files) > _MAX_ENTRIES:
            raise _foreign(Path(place) / (strange or files)[0])


def _read(path: Path, limit: int) -> bytes:
    if path.is_dir() or path.stat().st_size > limit:
        raise ModelFileError(
            f"{path.name} is a folder or has more than {limit:,} bytes",
            where=str(path),
            expected="a file as it was saved",
        )
    with path.open("rb") as file:
        return file.read(limit + 1)


def _pickle(path: Path) -> UnsafeFileError:
    return UnsafeFileError(
        f"{path.name} is a pickle or may hold one; opening it could run any program",
        where=str(path),
        expected="safetensors and JSON",
        remedy="remove it; a model that exists only as a pickle has to be trained again with 'cinchona train'",
    )


def _foreign(path: Path) -> CinchonaError:
    return ModelFileError(
        f"{path.name} does not belong to a model folder",
        where=str(path),
        expected=f"only {', '.join(sorted(LIMITS))}, {', '.join(COMPANIONS)}",
        remedy="move it elsewhere",
    )


def _refuse(what: str, folder: Path, expected: str) -> ModelFileError:
    return ModelFileError(
        what, where=str(folder), expected=expected, remedy="copy the model folder again from where it was trained"
    )
