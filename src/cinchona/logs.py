"""Logging on stderr: lines for people or JSON objects for machines, with secrets masked."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from cinchona.errors import ConfigError
from cinchona.masking import mask_secrets

LogFormat = Literal["human", "json"]
"""``human``: one line for people; ``json``: one object a line."""
FORMAT_VARIABLE: Final = "CINCHONA_LOG_FORMAT"
"""Environment variable that chooses the format when the caller does not."""
ROOT: Final = "cinchona"
"""Logger above all of ours; other libraries' loggers are left alone."""

_COLOURS: Final = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
_PLAIN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(
    *, quiet: bool = False, verbose: bool = False, log_format: LogFormat | None = None, stream: TextIO | None = None
) -> None:
    """Send the records of ``cinchona`` to stderr; calling it again replaces what was set before.

    Args:
        quiet: Warnings and errors only, and no progress.
        verbose: Debug records too.
        log_format: ``human`` or ``json``; None takes ``CINCHONA_LOG_FORMAT`` or else ``human``.
        stream: Where to write; None means whatever ``sys.stderr`` is at the time of each record.

    Raises:
        ConfigError: if the format is unknown.
    """
    chosen = log_format or os.environ.get(FORMAT_VARIABLE) or "human"
    if chosen not in {"human", "json"}:
        raise ConfigError(f"unknown log format {chosen!r}", where=FORMAT_VARIABLE, expected="human or json")
    handler = CinchonaHandler(stream)
    handler.setFormatter(JsonFormatter() if chosen == "json" else HumanFormatter(handler))
    root = logging.getLogger(ROOT)
    for old in [h for h in root.handlers if isinstance(h, CinchonaHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.propagate = False
    root.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)


def writes_json() -> bool:
    """Whether :func:`configure_logging` chose JSON lines."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger(ROOT).handlers)


class CinchonaHandler(logging.Handler):
    """Writes to stderr as it is at the time of the record, so that a progress bar can move out of the way."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream

    @property
    def stream(self) -> TextIO:
        """Where the next record goes."""
        return sys.stderr if self._stream is None else self._stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a closed or full stderr must not stop the run."""
        try:
            self.stream.write(self.format(record) + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            return
        except Exception:  # noqa: BLE001 - logging's own rule: a bad record is reported, not raised
            self.handleError(record)


class HumanFormatter(logging.Formatter):
    """``12:30:05 WARNING message``; levels coloured on a terminal unless ``NO_COLOR`` is set."""

    def __init__(self, handler: CinchonaHandler) -> None:
        super().__init__()
        self._handler = handler

    def format(self, record: logging.LogRecord) -> str:
        """Make the line."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        colour = _COLOURS.get(record.levelno, "")
        if level and colour and self._coloured():
            level = f"{colour}{level}\x1b[0m"
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        text = f"{time} {level}{_mask(record.getMessage())}"
        return f"{text}\n{_mask(self.formatException(record.exc_info))}" if record.exc_info else text

    def _coloured(self) -> bool:
        stream = self._handler.stream
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the record's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line."""
        extra = {k: v for k, v in vars(record).items() if k not in _PLAIN_FIELDS}
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(mask_secrets(entry), ensure_ascii=False, default=str)


def _mask(text: str) -> str:
    return str(mask_secrets(text))
