"""Kills worker processes of this one while it screens."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

import psutil


class WorkerKiller(threading.Thread):
    """Sends a signal to a random worker process of this one, again and again, from the first receipt in a folder on."""

    def __init__(
        self, folder: Path, *, every: float, kills: int, signal_number: signal.Signals = signal.SIGKILL
    ) -> None:
        super().__init__(daemon=True)
        self._folder, self._every, self._wanted, self._signal = folder, every, kills, signal_number
        self.kills, self.over = 0, threading.Event()

    def run(self) -> None:
        chance = random.Random(7)
        while not any(self._folder.glob("receipts/*/*.json")) and not self.over.wait(0.05):
            pass
        while self.kills < self._wanted and not self.over.wait(self._every):
            workers = [p for p in psutil.Process().children(recursive=True) if _is_worker(p)]
            if workers:
                chance.choice(workers).send_signal(self._signal)
                self.kills += 1


def _is_worker(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
        return "spawn_main" in line or "watch.apart" in line
    except psutil.Error:
        return False
