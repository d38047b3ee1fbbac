"""Calls to a store that may be away: tried, kept in order, repeated later, never in the way of the work."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from cinchona.errors import CinchonaError, RetryableError
from cinchona.masking import mask_secrets

logger = logging.getLogger(__name__)

Call = Callable[[], object]

CAPACITY: Final = 10_000
"""Calls that are kept while the store is away; beyond it the newest are counted and lost."""
PAUSE: Final = 30.0
"""Seconds between two tries to reach a store that was away."""
_NOT_THE_STORE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})
_WAIT_AND_TRY: Final = frozenset({401, 403, 408, 425, 429})
"""Answers that another try may change: a login that is wrong now can be right for ``cinchona sync``."""


class Outbox:
    """Sends calls in order. :meth:`send` never raises what a store or its network raises.

    The first failure warns once and starts a pause, in which calls are only kept. A call that the store itself
    refuses (a name that is too long, a run that was deleted) is dropped with a warning, since repeating cannot help.
    Threads may share one; their calls take turns.
    """

    def __init__(
        self, *, pause: float = PAUSE, capacity: int = CAPACITY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pending: deque[tuple[str, Call]] = deque()
        self._pause = pause
        self._capacity = capacity
        self._clock = clock
        self._next_try = 0.0
        self._turn = threading.RLock()
        self.lost = 0
        """Calls that were refused or found no room."""
        self.crowded = 0
        """Of these, calls that found no room."""

    def __len__(self) -> int:
        return len(self._pending)

    def send(self, what: str, call: Call) -> bool:
        """Make ``call`` now, or keep it while the store is away; tell whether nothing is left waiting."""
        with self._turn:
            if len(self._pending) >= self._capacity:
                self.lost += 1
                self.crowded += 1
                return False
            self._pending.append((what, call))
            return self._clock() >= self._next_try and self.flush()

    def flush(self) -> bool:
        """Try to send what is kept; tell whether nothing is left."""
        with self._turn:
            while self._pending:
                what, call = self._pending[0]
                if not self._try(what, call):
                    return False
                self._pending.popleft()
            return True

    def _try(self, what: str, call: Call) -> bool:
        """Make one call; tell whether it is done with, well or refused."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a store may raise anything; the work must not notice
            if not is_refusal(error):
                self._go_away(what, error)
                return False
            self.lost += 1
            logger.warning("the tracking store refused %s: %s", what, brief(error))
        return True

    def _go_away(self, what: str, error: Exception) -> None:
        if not self._next_try:
            logger.warning(
                "the tracking store is out of reach (%s: %s); the run goes on, its results are on disk",
                what,
                brief(error),
            )
        self._next_try = self._clock() + self._pause


def is_refusal(error: Exception) -> bool:
    """Whether repeating the call would fail again: the store answered no, or our own data is at fault."""
    status = getattr(error, "get_http_status_code", None)
    if status is not None:
        code = int(status())
        return 400 <= code < 500 and code not in _WAIT_AND_TRY
    if isinstance(error, OSError):
        return error.errno in _NOT_THE_STORE
    if isinstance(error, CinchonaError):
        return not isinstance(error, RetryableError)
    return isinstance(error, TypeError | ValueError | LookupError | AttributeError)


def brief(error: Exception) -> str:
    """First line of an error without secrets."""
    text = str(error).strip() or type(error).__name__
    return str(mask_secrets(text.splitlines()[0]))[:300]
