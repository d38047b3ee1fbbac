"""Finding the rows at fault: groups of rows are tried in children, and of a group that has an accident each row alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cinchona.errors import WorkerDiedError
from cinchona.screening.watch.isolation import Isolation
from cinchona.screening.watch.notes import Note, Phase
from cinchona.screening.watch.rules import Accident

logger = logging.getLogger(__name__)

_GROUP: Final = 64
"""Rows of a group: of 4,096 rows, each accident names 64, and the next one of them."""

Try = Callable[[np.ndarray], object]
"""Works on the rows at some positions (int64) and may have an accident; what it returns or raises does not matter."""


@dataclass(slots=True)
class Narrowing:
    """Finds positions that cannot be worked on, in one partition."""

    isolation: Isolation
    """Where they are tried."""
    found: int = 0
    """Rows found so far in this partition."""
    forgiven: set[tuple[Phase, int]] = field(default_factory=set)
    """Rows whose process may have been killed from outside; the second time they are blamed."""

    def find(self, phase: Phase, positions: np.ndarray, attempt: Try) -> dict[int, Accident]:
        """Positions on which ``attempt`` has an accident when nothing is beside them.

        Args:
            phase: What is attempted.
            positions: Positions to try, int64, shape (n,).
            attempt: What is tried.

        Raises:
            WorkerDiedError: if more rows are at fault than the rules allow, so that something else must be.
        """
        groups = [positions[k : k + _GROUP] for k in range(0, len(positions), _GROUP)]
        return self._sweep(phase, groups, attempt)

    def _sweep(self, phase: Phase, pieces: Sequence[np.ndarray], attempt: Try) -> dict[int, Accident]:
        """Try the pieces in turn; after an accident a new child goes on with the next."""
        blamed: dict[int, Accident] = {}
        at = 0
        while at < len(pieces):
            accident = self.isolation.run(_visit(phase, pieces, at, attempt))
            if not isinstance(accident, Accident):
                break
            if accident.unit.piece < at:
                raise WorkerDiedError(f"a child process {accident.text} before it did anything")
            at = accident.unit.piece
            if len(pieces[at]) > 1:
                blamed |= self._sweep(phase, [np.array([position]) for position in pieces[at].tolist()], attempt)
            elif self.blames(phase, int(pieces[at][0]), accident):
                blamed[int(pieces[at][0])] = accident
            else:
                continue
            at += 1
        return blamed

    def blames(self, phase: Phase, row: int, accident: Accident) -> bool:
        """Whether an accident of a row alone is its fault; a kill from outside is forgiven once.

        Raises:
            WorkerDiedError: if too many rows were blamed.
        """
        if accident.from_outside and (phase, row) not in self.forgiven:
            self.forgiven.add((phase, row))
            return False
        self.found += 1
        if self.found > self.isolation.watch.rules.poison_rows:
            raise WorkerDiedError(
                f"more than {self.isolation.watch.rules.poison_rows} rows of one partition end their process; "
                f"the last of them {accident.text}",
                remedy="if scorer and installation are sound and the rows are at fault, raise executor.poison_rows; "
                "if they are merely slow or large, executor.molecule_seconds or executor.molecule_memory",
            )
        return True


def _visit(phase: Phase, pieces: Sequence[np.ndarray], first: int, attempt: Try) -> Callable[[Note], None]:
    def visit(note: Note) -> None:
        for index in range(first, len(pieces)):
            note(phase, index, len(pieces[index]))
            try:
                attempt(pieces[index])
            except MemoryError:
                raise
            except Exception:
                logger.debug("a piece raised, which is no accident", exc_info=True)

    return visit
