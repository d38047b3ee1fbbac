"""Doing partitions in a child that is watched, and rescuing those that end it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from itertools import count
from multiprocessing.connection import Connection
from typing import Final

from cinchona.datasets.partitions import Partition
from cinchona.datasets.standardize import standardize_batch
from cinchona.protocols import Failed
from cinchona.records import CompoundBatch
from cinchona.screening.executors.transport import call, outcome, packed, received
from cinchona.screening.memory import keep_freed, take_ahead
from cinchona.screening.receipts import Receipt
from cinchona.screening.scoring import score_slice
from cinchona.screening.threads import one_thread
from cinchona.screening.watch.child import Child
from cinchona.screening.watch.isolation import Isolation, raised
from cinchona.screening.watch.notes import Beacon
from cinchona.screening.watch.rules import Accident, Pace, WatchRules
from cinchona.screening.watch.suspects import rescue
from cinchona.screening.watch.vigil import Watch
from cinchona.screening.work import PartitionWork, distinct_of, uses_codes

_HARMLESS: Final = ("CCO", "c1ccccc1O", "C[C@H](N)C(=O)[O-].[Na+]")
"""Compounds that no code trips over."""

_SMALL_PART: Final = 16
"""A child takes memory ahead up to this fraction of what its work may take."""

logger = logging.getLogger(__name__)


class Watchdog:
    """Does partitions one after the other in one child, which is replaced after an accident only.

    Args:
        work: What is done with a partition.
        rules: What a molecule may take.
        beat: Called several times a second while a child is at work.
    """

    def __init__(self, work: PartitionWork, rules: WatchRules, *, beat: Callable[[], None] = lambda: None) -> None:
        self._work = work
        self._watch = Watch(rules, Pace(), beat)
        self._child: Child | None = None
        self._is_warm = False

    def __call__(self, partition: Partition) -> Receipt:
        """Score ``partition`` and commit the result, rows that have accidents as rejects.

        Raises:
            WorkerDiedError: if the partition has accidents that no row is to blame for.
            CinchonaError: all that the work itself raises.
        """
        came = self._ordinarily(partition)
        if not isinstance(came, Accident):
            return came
        logger.warning("partition %d %s; looking for the row at fault", partition.partition_id, came.text)
        return rescue(self._work, partition, Isolation(self._watch), came)

    def close(self) -> None:
        """End the child; the next partition would get a new one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _ordinarily(self, partition: Partition) -> Receipt | Accident:
        child = self._child or self._born()
        self._child = None  # kept only if it comes through
        try:
            child.connection.send_bytes(packed(partition))
        except OSError:  # it was killed while it had nothing to do
            child.close()
            child = self._born()
            child.connection.send_bytes(packed(partition))
        answer = self._watch.answer(child)
        if isinstance(answer, Accident):
            child.close()
            return answer
        came = outcome(partition, answer)
        if isinstance(came, Failed):
            child.close()
            return raised(came.error, child, self._watch)
        self._child = child
        receipt: Receipt = came.result
        return receipt

    def _born(self) -> Child:
        if not self._is_warm:
            _warm_up(self._work)
            self._is_warm = True
        return Child(self._serve, memory=self._watch.rules.memory)

    def _serve(self, connection: Connection, beacon: Beacon) -> None:
        """Be the child: do what comes through the pipe until it closes."""
        keep_freed()
        for done in count(1):
            partition = received(connection.recv_bytes())
            connection.send_bytes(call(lambda item: self._work(item, beacon.note), partition))
            if done == 1:
                take_ahead(at_most=self._watch.rules.memory // _SMALL_PART)


def _warm_up(work: PartitionWork) -> None:
    """Open the scorer and use everything once, so that children find it loaded and compiled: no row is to pay for that."""
    scorer = work.scorer.open()
    if getattr(getattr(scorer, "inner", scorer), "product", "") == "cuda":
        return  # a child cannot use a GPU that its parent has used
    with contextlib.suppress(Exception), one_thread():  # what is wrong will be told with each partition
        batch, codes = CompoundBatch.of(_HARMLESS), uses_codes(scorer)
        standardized = standardize_batch(batch, work.standardize, codes=codes, keep_texts=True)
        score_slice(scorer, distinct_of(standardized))
