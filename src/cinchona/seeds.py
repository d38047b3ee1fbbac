"""Randomness is a parameter: independent, named streams from one seed."""

from __future__ import annotations

import hashlib

import numpy as np

MAX_SEED = 2**32 - 1
"""Largest seed that every library we call accepts."""


def rng(seed: int, *path: str | int) -> np.random.Generator:
    """Return the generator of the stream ``path`` under ``seed``.

    Streams of different paths are independent, so adding a consumer never shifts the numbers of another.

    >>> bool(rng(7, "split").integers(100) == rng(7, "split").integers(100))
    True
    """
    return np.random.default_rng(np.random.SeedSequence([seed, _spell(path)]))


def derive(seed: int, *path: str | int) -> int:
    """Return a seed in [0, 2**32 - 1] for the stream ``path``, for libraries that want a number."""
    return int(np.random.SeedSequence([seed, _spell(path)]).generate_state(1)[0])


def _spell(path: tuple[str | int, ...]) -> int:
    # numpy's integers spell themselves differently from Python's, and must not be another stream.
    plain = tuple(str(part) if isinstance(part, str) else int(part) for part in path)
    return int.from_bytes(hashlib.sha256(repr(plain).encode()).digest()[:8], "little")
