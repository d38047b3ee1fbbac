"""Doing one thing in a child of its own, which may come to grief."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from cinchona.protocols import Failed
from cinchona.screening.executors.transport import call, outcome
from cinchona.screening.watch.child import Child
from cinchona.screening.watch.notes import Beacon, Note
from cinchona.screening.watch.rules import Accident, too_large
from cinchona.screening.watch.vigil import Watch


@dataclass(frozen=True, slots=True)
class Isolation:
    """Runs things in fresh children and watches them."""

    watch: Watch
    """Who watches."""

    def run(self, task: Callable[[Note], Any]) -> Any | Accident:  # noqa: ANN401 - whatever the task returns
        """Do ``task`` in a fresh child.

        Returns:
            What it returned, or what became of the child.

        Raises:
            Exception: what it raised.
        """

        def main(connection: Connection, beacon: Beacon) -> None:
            answer = call(task, beacon.note)
            beacon.finish()
            connection.send_bytes(answer)

        with closing(Child(main, memory=self.watch.rules.memory)) as child:
            answer = self.watch.answer(child)
            if isinstance(answer, Accident):
                return answer
            came = outcome(task, answer)
            if isinstance(came, Failed):
                return raised(came.error, child, self.watch)
            return came.result


def raised(error: Exception, child: Child, watch: Watch) -> Accident:
    """What an error in a child comes to: an accident if memory ran out, otherwise it is raised here.

    Raises:
        Exception: ``error``.
    """
    if isinstance(error, MemoryError):
        return too_large(child.beacon.read()[1], watch.rules)
    raise error
