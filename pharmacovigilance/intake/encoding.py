"""Bytes of unknown encoding as UTF-8."""

from __future__ import annotations


def to_utf8(data: bytes) -> bytes:
    """UTF-8 of a stretch of whole lines: lines that are not UTF-8 are taken for Windows Latin-1."""
    if data.isascii():
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return b"\n".join(_line_to_utf8(line) for line in data.split(b"\n"))
    return data


def _line_to_utf8(line: bytes) -> bytes:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return line.decode("cp1252").encode()
        except UnicodeDecodeError:
            return line.decode("latin-1").encode()
    return line
