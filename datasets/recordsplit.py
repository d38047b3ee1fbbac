"""Where records end in a stream of bytes: lines, lines with quoted line ends, SDF records.

Records are split the same way whatever the size of the pieces that arrive, so a scan of the whole file and a reader of
a part of it agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

import numpy as np

CHUNK: Final = 1 << 22
"""Bytes read at a time."""

HEAD_KEPT: Final = 1_024
"""Bytes kept of a record that is too long to be looked at."""

_NEWLINE: Final = ord("\n")
_QUOTE: Final = ord('"')


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive whole records."""

    offset: int
    """Where the block begins in the stream, in bytes."""
    data: bytes
    """The bytes; records are cut by ``ends``, bytes after the last end belong to the next block."""
    ends: np.ndarray
    """Byte after each record relative to ``offset``, int64, ascending, shape (n,)."""
    cut: bool = False
    """The block is one record longer than the cap, of which only the head is kept."""

    def records(self) -> Iterator[bytes]:
        """The records with their terminators."""
        start = 0
        for end in self.ends.tolist():
            yield self.data[start:end]
            start = end


class Splitter(Protocol):
    """Knows where records end."""

    @property
    def cap(self) -> int:
        """Longest record in bytes that is held in memory."""

    def ends(self, data: bytes, *, final: bool) -> np.ndarray:
        """Byte after each whole record of ``data``, which begins at a record; int64, ascending.

        Args:
            data: Bytes from the beginning of a record.
            final: Nothing follows, so a rest without terminator is a record too.
        """

    def next_start(self, data: bytes, *, fresh: bool) -> int:
        """Byte after the first terminator in ``data``, or -1; ``fresh`` if ``data`` begins where the record does."""


def blocks(read: Callable[[int], bytes], splitter: Splitter, *, offset: int = 0, chunk: int = CHUNK) -> Iterator[Block]:
    """Split a stream into blocks of whole records; memory is bounded by the chunk and the cap.

    Args:
        read: Gives up to so many bytes; nothing at the end.
        splitter: Where records end.
        offset: Position of the stream's first byte, which begins a record.
        chunk: Bytes to read at a time.
    """
    pending = b""
    final = False
    while not final:
        piece = read(chunk)
        final = not piece
        data = pending + piece
        ends = splitter.ends(data, final=final)
        if len(ends):
            yield Block(offset, data, ends)
            pending = data[int(ends[-1]) :]
            offset += int(ends[-1])
        else:
            pending = data
        if len(pending) > splitter.cap and not final:
            block, pending = _skip(read, splitter, pending, offset=offset, chunk=chunk)
            yield block
            offset += int(block.ends[0])


def _skip(
    read: Callable[[int], bytes], splitter: Splitter, data: bytes, *, offset: int, chunk: int
) -> tuple[Block, bytes]:
    """Read on to the end of a record that is too long, keeping only its head."""
    head = data[:HEAD_KEPT]
    length = 0
    fresh = True
    while (start := splitter.next_start(data, fresh=fresh)) < 0:
        kept = _open_line(data, splitter.cap)  # a terminator may lie across two chunks
        length += len(data) - len(kept)
        fresh = fresh and len(kept) == len(data)
        piece = read(chunk)
        if not piece:
            start = len(kept)
            data = kept
            break
        data = kept + piece
    return Block(offset, head, np.array([length + start]), cut=True), data[start:]


def _open_line(data: bytes, cap: int) -> bytes:
    line = data[max(data.rfind(b"\n"), 0) :]
    return line if len(line) <= max(cap, 64) else line[-1:]


@dataclass(frozen=True, slots=True)
class Lines:
    """One record a line."""

    cap: int

    def ends(self, data: bytes, *, final: bool) -> np.ndarray:
        """See :class:`Splitter`."""
        found = _positions(data, _NEWLINE) + 1
        return _with_rest(found, data) if final else found

    def next_start(self, data: bytes, *, fresh: bool) -> int:
        """See :class:`Splitter`."""
        del fresh
        return data.find(b"\n") + 1 or -1


@dataclass(frozen=True, slots=True)
class QuotedLines:
    """One record a line, but line ends inside quoted fields belong to the field, as in RFC 4180.

    A field is quoted if its first character is a double quote. A quoted field that is not closed within ``cap`` bytes
    is taken for damage: the record ends at its first line end, and the next line begins a new one.
    """

    cap: int
    delimiter: bytes

    def ends(self, data: bytes, *, final: bool) -> np.ndarray:
        """See :class:`Splitter`."""
        if b'"' not in data:
            return Lines(self.cap).ends(data, final=final)
        return self._by_parity(data, final=final)

    def next_start(self, data: bytes, *, fresh: bool) -> int:
        """See :class:`Splitter`."""
        return Lines(self.cap).next_start(data, fresh=fresh)

    def _by_parity(self, data: bytes, *, final: bool) -> np.ndarray:
        # If all quotes stand where RFC 4180 wants them, a line end is inside a field exactly after an odd number.
        quotes = _positions(data, _QUOTE)
        if not _are_regular(data, quotes, self.delimiter):
            return self._by_rule(data, final=final)
        lines = _positions(data, _NEWLINE) + 1
        ends = lines[np.searchsorted(quotes, lines) % 2 == 0]
        done = int(ends[-1]) if len(ends) else 0
        never_closed = final and len(quotes) % 2 == 1
        too_long = len(data) - done > self.cap and data.find(b"\n", done) >= 0
        if never_closed or too_long or np.diff(ends, prepend=0).max(initial=0) > self.cap:
            return self._by_rule(data, final=final)
        return _with_rest(ends, data) if final else ends

    def _by_rule(self, data: bytes, *, final: bool) -> np.ndarray:
        # Field by field, for data with stray or unclosed quotes.
        pattern = _record_pattern(self.delimiter)
        text = data + b"\n" if final and not data.endswith(b"\n") else data
        found: list[int] = []
        start = 0
        while (line := text.find(b"\n", start)) >= 0:
            if text.find(b'"', start, line) >= 0:
                match = pattern.match(text, start, start + self.cap)
                if match is None and not final and len(text) - start <= self.cap:
                    break  # the field may be closed in the next chunk
                line = match.end() - 1 if match else line
            start = line + 1
            found.append(start)
        return np.minimum(np.array(found, np.int64), len(data))


@dataclass(frozen=True, slots=True)
class SdfRecords:
    """Records that end with a line that begins with four dollars."""

    cap: int

    def ends(self, data: bytes, *, final: bool) -> np.ndarray:
        """See :class:`Splitter`."""
        found: list[int] = []
        start = 0
        while (end := self._end(data, start, fresh=True)) > 0:
            found.append(end)
            start = end
        ends = np.array(found, np.int64)
        has_rest = final and bool(data[start:].strip())
        return np.append(ends, len(data)) if has_rest else ends

    def next_start(self, data: bytes, *, fresh: bool) -> int:
        """See :class:`Splitter`."""
        return self._end(data, 0, fresh=fresh)

    def _end(self, data: bytes, start: int, *, fresh: bool) -> int:
        if fresh and data.startswith(b"$$$$", start):
            line = data.find(b"\n", start)
        else:
            at = data.find(b"\n$$$$", start)
            line = data.find(b"\n", at + 1) if at >= 0 else -1
        return line + 1 or -1


def _positions(data: bytes, byte: int) -> np.ndarray:
    return np.flatnonzero(np.frombuffer(data, np.uint8) == byte)


def _with_rest(ends: np.ndarray, data: bytes) -> np.ndarray:
    done = int(ends[-1]) if len(ends) else 0
    return np.append(ends, len(data)) if done < len(data) else ends


def _are_regular(data: bytes, quotes: np.ndarray, delimiter: bytes) -> bool:
    """Whether every quote opens at the start of a field, closes at its end, or is one of a pair inside it."""
    array = np.frombuffer(data, np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    before = array[np.maximum(opening - 1, 0)]
    opens = (opening == 0) | np.isin(before, [_NEWLINE, delimiter[0], _QUOTE])
    after = array[np.minimum(closing + 1, len(array) - 1)]
    closes = (closing == len(array) - 1) | np.isin(after, [_NEWLINE, ord("\r"), delimiter[0], _QUOTE])
    return bool(opens.all() and closes.all())


@cache
def _record_pattern(delimiter: bytes) -> re.Pattern[bytes]:
    d = re.escape(delimiter)
    quoted = rb'"[^"]*+(?:""[^"]*+)*+"[^' + d + rb"\n]*+"
    field = rb"(?:" + quoted + rb'|(?!")[^' + d + rb"\n]*+)"
    return re.compile(rb"(?>" + field + d + rb")*+" + field + rb"\n")


__all__ = ["CHUNK", "HEAD_KEPT", "Block", "Lines", "QuotedLines", "SdfRecords", "Splitter", "blocks"]
