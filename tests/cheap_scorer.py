"""A scorer for tests that costs a microsecond a compound and gives the same number everywhere."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinchona.errors import RetryableError
from cinchona.protocols import Requirement
from cinchona.records import CompoundBatch, Endpoint, Reject, Scores, Stage


@dataclass(frozen=True)
class CheapScorer:
    """Scores a compound by a hash of its SMILES, in [0, 10); satisfies the Scorer protocol."""

    salt: str = ""
    """Another salt is another model."""
    rejects: str = "\0"
    """SMILES that contain this are rejected."""
    raises: str = "\0"
    """A batch in which a SMILES contains this raises."""
    lies: str = "\0"
    """A SMILES that contains this is dropped silently, against the contract."""
    nan: str = "\0"
    """A SMILES that contains this scores NaN."""
    constant: float | None = None
    """If given, everything scores this."""
    detailed: bool = False
    """Whether to give uncertainty, domain and nearest training compound."""
    seconds: float = 0.0
    """Time to take for a batch."""
    dies_once: str = ""
    """Path of a file; while it does not exist, scoring creates it and kills the process."""
    kills: str = "\0"
    """A SMILES that contains this kills the process, always."""
    retryable: bool = False
    """Raise a retryable error instead of scoring."""

    @property
    def name(self) -> str:
        return "cheap"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({Requirement.SMILES})

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("pX", unit="log"), Endpoint("score"))

    @property
    def objective(self) -> str:
        return "pX"

    def score(self, batch: CompoundBatch) -> Scores:
        self._misbehave(batch.smiles)
        kept = [(row, s) for row, s in zip(batch.row_ids.tolist(), batch.smiles, strict=True) if self.lies not in s]
        good = [(row, s) for row, s in kept if self.rejects not in s]
        value = np.array([self.value_of(s) for _, s in good], np.float32).reshape(-1, 1).repeat(2, axis=1)
        n = len(good)
        return Scores(
            row_ids=np.array([row for row, _ in good], np.int64),
            endpoints=self.endpoints,
            value=value,
            score=value[:, 0].copy(),
            uncertainty=np.full((n, 2), 0.5, np.float32) if self.detailed else None,
            in_domain=np.ones((n, 2), np.int8) if self.detailed else None,
            nearest_train_ids=tuple("t1" for _ in good) if self.detailed else None,
            rejects=tuple(Reject(row, Stage.SCORE, "not to my taste") for row, s in kept if self.rejects in s),
        )

    def value_of(self, smiles: str) -> float:
        if self.nan in smiles:
            return float("nan")
        if self.constant is not None:
            return self.constant
        return (
            int.from_bytes(hashlib.blake2b((self.salt + smiles).encode(), digest_size=4).digest(), "big") / 2**32 * 10
        )

    def _misbehave(self, smiles: list[str]) -> None:
        if self.retryable and len(smiles) > 4:
            raise RetryableError("the licence server is away")
        if any(self.kills in s for s in smiles):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.dies_once and len(smiles) > 4 and not Path(self.dies_once).exists():
            Path(self.dies_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if any(self.raises in s for s in smiles):
            raise ValueError("I do not like\nthis one")
        time.sleep(self.seconds)
