"""Reports out of JSON of any size: openFDA downloads, lists, one object a line, or one report alone."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, Final

from cinchona.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PIECE: Final = 4 << 20
_LONGEST: Final = 64 << 20
_BEGIN: Final = re.compile(r'^\s*\{.*?"results"\s*:\s*\[', re.DOTALL)
_GAP: Final = re.compile(r"[\s,]*")


def reports_in(stream: BinaryIO, name: str) -> Iterator[Any]:
    """Yield the objects of ``results``, of a list, of the lines, or the one report that the file is.

    Raises:
        InputError: if the text is not JSON, ends in the middle, or holds an object beyond 64 MiB.
    """
    text = _Text(stream, name)
    text.more()
    if match := _BEGIN.match(text.buffer[: 1 << 20]):
        text.buffer = text.buffer[match.end() :]
        yield from _array(text)
    elif text.buffer.lstrip().startswith("["):
        text.buffer = text.buffer.lstrip()[1:]
        yield from _array(text)
    elif text.buffer.lstrip().startswith("{"):
        yield from _sequence(text)
    else:
        raise InputError("the file is not JSON", where=name, expected="an openFDA download, a list or objects")


class _Text:
    """A growing window on the decoded text."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self.name, self.buffer, self.ended = stream, name, "", False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")

    def more(self) -> bool:
        if self.ended:
            return False
        data = self._stream.read(_PIECE)
        self.ended = not data
        self.buffer += self._decoder.decode(data, final=self.ended)
        if len(self.buffer) > _LONGEST:
            raise InputError("one report is longer than 64 MiB", where=self.name, expected="reports of kilobytes")
        return not self.ended

    def next_object(self) -> Any:  # noqa: ANN401 - any JSON value
        """Decode the value at the begin of the window, reading on until it is whole."""
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self.buffer)
            except ValueError as error:
                if self.more():
                    continue
                raise InputError(
                    f"the JSON is broken or ends in the middle: {error}", where=self.name,
                    remedy="download it again; nothing of it was stored",
                ) from error  # fmt: skip
            self.buffer = self.buffer[end:]
            return value

    def skip_gap(self) -> str:
        """Drop blanks and commas; return the next character, empty at the end."""
        while True:
            match = _GAP.match(self.buffer)
            assert match is not None
            self.buffer = self.buffer[match.end() :]
            if self.buffer or not self.more():
                return self.buffer[:1]


def _array(text: _Text) -> Iterator[Any]:
    while (first := text.skip_gap()) != "]":
        if not first:
            raise InputError(
                "the JSON ends in the middle", where=text.name, remedy="download it again; nothing of it was stored"
            )
        yield text.next_object()


def _sequence(text: _Text) -> Iterator[Any]:
    while text.skip_gap():
        yield text.next_object()
