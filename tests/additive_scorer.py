"""A scorer for tests that a first stage can learn: it counts atoms, and takes its time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from cinchona.protocols import Requirement
from cinchona.records import CompoundBatch, Endpoint, Reject, Scores, Stage


@dataclass(frozen=True)
class AdditiveScorer:
    """Scores a compound by its letters N and O, less a little for each C; satisfies the Scorer protocol."""

    seconds: float = 0.0002
    """Processor time to spend on a row."""
    detailed: bool = False
    """Whether to give uncertainty and nearest training compound."""
    rejects: str = "Br"
    """SMILES that contain this are rejected."""

    @property
    def name(self) -> str:
        return "additive"

    @property
    def fingerprint(self) -> str:
        return f"additive-{self.detailed}-{self.rejects}".encode().hex()

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({Requirement.SMILES})

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("pX"), Endpoint("pY"))

    @property
    def objective(self) -> str:
        return "pX"

    @staticmethod
    def value_of(smiles: str) -> float:
        upper = smiles.upper()
        return upper.count("N") + 0.7 * upper.count("O") - 0.05 * upper.count("C")

    def score(self, batch: CompoundBatch) -> Scores:
        until = time.process_time() + self.seconds * len(batch)
        rows = list(zip(batch.row_ids.tolist(), batch.smiles, strict=True))
        good = [(row, s) for row, s in rows if self.rejects not in s]
        value = np.array([[self.value_of(s), 0.5] for _, s in good], np.float32).reshape(-1, 2)
        while time.process_time() < until:
            pass
        return Scores(
            row_ids=np.array([row for row, _ in good], np.int64),
            endpoints=self.endpoints,
            value=value,
            score=value[:, 0].copy(),
            uncertainty=np.full(value.shape, 0.5, np.float32) if self.detailed else None,
            nearest_train_ids=tuple("t1" for _ in good) if self.detailed else None,
            rejects=tuple(Reject(row, Stage.SCORE, "not to my taste") for row, s in rows if self.rejects in s),
        )
