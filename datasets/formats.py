"""What kind of file an input is, from its first bytes and its name."""

from __future__ import annotations

import re
from typing import Final

from cinchona.datasets.config import FileFormat, ReaderConfig
from cinchona.errors import InputError, UnsafeFileError

_SUFFIXES: Final[dict[str, FileFormat]] = {
    "csv": "csv", "tsv": "csv", "tab": "csv", "smi": "smiles", "smiles": "smiles", "ism": "smiles", "can": "smiles",
    "cxsmi": "smiles", "cxsmiles": "smiles", "sdf": "sdf", "sd": "sdf", "mol": "sdf", "parquet": "parquet",
    "pq": "parquet",
}  # fmt: skip
_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
)
_PICKLE: Final = re.compile(rb"\A\x80[\x02-\x05]")


def sniff_format(head: bytes, name: str, reader: ReaderConfig) -> FileFormat:
    """The layout of a file by configuration, first bytes and name, in this order.

    Raises:
        InputError: if the bytes are of a kind that is not read.
        UnsafeFileError: if they are a Python pickle.
    """
    if head.startswith(b"PAR1"):
        return "parquet"
    if _PICKLE.match(head):
        raise UnsafeFileError(
            "a Python pickle can run any code when it is read, so it is refused",
            where=name,
            remedy="write the table as CSV or Parquet",
        )
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise InputError(
                f"the file is {what}", where=name, expected="text, gzip or Parquet", remedy="unpack or convert it first"
            )
    if reader.format is not None:
        return reader.format
    suffixes = [part for part in name.lower().split(".")[1:] if part not in {"gz", "gzip"}]
    known = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if known == "parquet":
        raise InputError("the file does not begin as Parquet does", where=name, expected="PAR1 in the first four bytes")
    if known is not None:
        return known
    return "sdf" if re.search(rb"^(M  END|\$\$\$\$)", head, re.M) else "csv"


__all__ = ["sniff_format"]
