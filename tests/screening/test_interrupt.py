"""A wish to stop is heard once, however many processes pass it on; a second wish stops at once."""

from __future__ import annotations

import os
import signal
import time

import pytest

from cinchona.screening.interrupt import stops_in_order


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_come_together_are_one_wish(number):
    with stops_in_order() as interruption:
        for _ in range(3):
            os.kill(os.getpid(), number)
        assert interruption.asked
        assert list(interruption.until(range(3))) == []


def test_a_second_wish_stops_at_once():
    with pytest.raises(KeyboardInterrupt), stops_in_order():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.1)
        os.kill(os.getpid(), signal.SIGINT)
