"""Hiding secrets in what is written down: logs, manifests, error messages, crash reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SECRET_KEY: Final = re.compile(
    r"\bpass$|password|passwd|passphrase|secret|token(?!i)|api[_-]?key|credential|private[_-]?key|access[_-]?key|auth(?!or(?!i))",
    re.I,
)
_URL_LOGIN: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s]+@", re.I)
_SAID_SECRET: Final = re.compile(
    r"(?P<key>\b[\w.-]*(?:password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[=:]\s*|\bbearer\s+)(?P<value>[^\s,;&]+)",
    re.I,
)
_URL_SECRET: Final = re.compile(r"(?P<key>[?&][^=&\s]*(?:token|secret|key|password|sig)[^=&\s]*=)[^&\s]+", re.I)
MASK: Final = "***"


def mask_secrets(value: Any) -> Any:  # noqa: ANN401 - walks plain JSON-like data of any shape
    """Return a copy of plain data with passwords, tokens and logins in URLs replaced by ``***``.

    >>> mask_secrets({"tracking": {"uri": "https://me:pw@host/x", "token": "abc"}})
    {'tracking': {'uri': 'https://***@host/x', 'token': '***'}}
    """
    if isinstance(value, Mapping):
        return {k: MASK if _is_secret(k, v) else mask_secrets(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask_secrets(v) for v in value]
    if isinstance(value, str):
        without_urls = _URL_SECRET.sub(rf"\g<key>{MASK}", _URL_LOGIN.sub(rf"\g<scheme>{MASK}@", value))
        return _SAID_SECRET.sub(rf"\g<key>{MASK}", without_urls)
    return value


def _is_secret(key: object, value: object) -> bool:
    return isinstance(key, str) and value is not None and bool(_SECRET_KEY.search(key))
