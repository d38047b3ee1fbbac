"""Progress: a bar on a terminal, a line each half minute elsewhere, silence when quiet."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona import progress as module
from cinchona.logs import configure_logging
from cinchona.progress import LineProgress, progress


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger("cinchona")
    was = (root.level, root.propagate, list(root.handlers))
    yield
    root.setLevel(was[0])
    root.propagate = was[1]
    root.handlers[:] = was[2]


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="cinchona.progress")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "cinchona.progress"]


class TestLines:
    def test_one_line_each_half_minute(self, clock, lines):
        counter = LineProgress(1000, "scoring", clock=clock)
        for _ in range(90):
            clock.now += 1
            counter.advance(5)
        assert lines() == [
            "scoring: 150 of 1,000 rows (15.0 %), 5 rows/s, 2 min 50 s left",
            "scoring: 300 of 1,000 rows (30.0 %), 5 rows/s, 2 min 20 s left",
            "scoring: 450 of 1,000 rows (45.0 %), 5 rows/s, 1 min 50 s left",
        ]

    def test_a_last_line_sums_up(self, clock, lines):
        counter = LineProgress(10, "training", unit="epochs", clock=clock)
        counter.advance(10, loss=0.25)
        clock.now += 4
        counter.finish("done")
        assert lines() == ["training: done 10 of 10 epochs in 4 s, 2.5 epochs/s, loss 0.25"]

    def test_unknown_total(self, clock, lines):
        counter = LineProgress(None, "reading", clock=clock)
        clock.now += 30
        counter.advance(60)
        assert lines() == ["reading: 60 rows, 2 rows/s"]
        counter.update(total=120)
        clock.now += 30
        counter.advance(0)
        assert "60 of 120 rows (50.0 %)" in lines()[1]

    def test_figures_replace_and_stay(self, clock, lines):
        counter = LineProgress(100, "scoring", clock=clock)
        counter.advance(1, rejects=3, best_score=8.125)
        clock.now += 30
        counter.advance(1, rejects=4)
        assert lines()[0].endswith("rejects 4, best score 8.12")
        counter.update(note="slow")
        counter.finish("done")
        assert lines()[1].endswith("rejects 4, best score 8.12, note slow")

    def test_the_rate_is_the_recent_one(self, clock, lines):
        counter = LineProgress(10_000, "scoring", clock=clock)
        for rate in [100] * 10 + [1] * 10:
            clock.now += 30
            counter.advance(30 * rate)
        assert ", 1 rows/s" in lines()[-1]

    def test_nothing_done_has_no_end(self, clock, lines):
        counter = LineProgress(10, "scoring", clock=clock)
        clock.now += 31
        counter.advance(0)
        assert lines() == ["scoring: 0 of 10 rows (0.0 %), 0 rows/s, time left unknown"]

    def test_more_than_the_total_is_no_fault(self, clock, lines):
        counter = LineProgress(10, "scoring", clock=clock)
        clock.now += 31
        counter.advance(12)
        assert "left" not in lines()[0]

    def test_an_empty_job(self, lines):
        with progress(0, "scoring"):
            pass
        assert lines() == ["scoring: done 0 of 0 rows in 0 s"] or "done 0 of 0 rows" in lines()[0]

    def test_threads_lose_nothing(self, clock, lines):
        counter = LineProgress(8000, "scoring", clock=clock)
        threads = [threading.Thread(target=lambda: [counter.advance(1) for _ in range(1000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counter.finish("done")
        assert "done 8,000 of 8,000" in lines()[-1]

    @given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), max_size=30), st.none() | st.integers(0, 500))
    def test_never_more_than_a_line_in_half_a_minute(self, steps, total):
        clock, written = Clock(), []
        counter = LineProgress(total, "x", clock=clock)
        counter._log = lambda text: written.append((clock.now, text))
        for seconds, n in steps:
            clock.now += seconds
            counter.advance(n)
        times = [time for time, _ in written]
        assert all(b - a >= 30 for a, b in zip([1000.0, *times], times, strict=False))
        assert all("nan" not in text and "-" not in text for _, text in written)


class TestWhere:
    def test_lines_when_there_is_no_terminal(self, capsys):
        configure_logging()
        with progress(3, "scoring") as counter:
            counter.advance(3, rejects=1)
        out, err = capsys.readouterr()
        assert out == ""
        assert "scoring: done 3 of 3 rows" in err
        assert "rejects 1" in err

    def test_a_failure_says_where_it_stopped(self, capsys):
        configure_logging()

        def fail():
            with progress(3, "scoring") as counter:
                counter.advance(1)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert "scoring: stopped at 1 of 3 rows" in capsys.readouterr().err

    def test_json_lines_carry_the_figures(self, capsys):
        configure_logging(log_format="json")
        with progress(3, "scoring") as counter:
            counter.advance(3, rejects=1)
        entry = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert entry["progress"] == {"done": 3, "total": 3, "rejects": 1}

    @pytest.mark.parametrize("configure", [lambda: configure_logging(quiet=True), lambda: None])
    def test_silence_when_quiet_and_when_nobody_asked(self, capsys, configure):
        logging.getLogger("cinchona").setLevel(logging.NOTSET)
        configure()
        with progress(3, "scoring") as counter:
            counter.advance(3)
            counter.update(total=4)
        assert capsys.readouterr() == ("", "")

    def test_a_bar_on_a_terminal(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        configure_logging()
        monkeypatch.setattr(sys, "stderr", Terminal())
        with progress(None, "scoring", unit="mol") as counter:
            counter.update(total=40)
            for _ in range(4):
                counter.advance(10, rejects=2, best_score=7.5)
                time.sleep(0.01)
        text = sys.stderr.getvalue()
        assert "scoring" in text
        assert "40/40" in text
        assert "rejects 2, best score 7.5" in text
        assert "mol/s" in text

    def test_no_colour_when_not_wanted(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        configure_logging()
        monkeypatch.setattr(sys, "stderr", Terminal())
        with progress(4, "scoring") as counter:
            counter.advance(4)
        assert "\x1b[3" not in sys.stderr.getvalue()
        assert "\x1b[9" not in sys.stderr.getvalue()

    @pytest.mark.parametrize("dumb", [True, False])
    def test_no_bar_where_it_would_garble(self, monkeypatch, dumb):
        monkeypatch.setenv("TERM", "dumb" if dumb else "xterm")
        configure_logging(log_format="human" if dumb else "json")
        monkeypatch.setattr(sys, "stderr", Terminal())
        with progress(4, "scoring") as counter:
            counter.advance(4)
        assert "done 4 of 4 rows" in sys.stderr.getvalue()
        assert "\r" not in sys.stderr.getvalue()

    def test_logs_during_a_bar_stay_whole_lines(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        configure_logging()
        monkeypatch.setattr(sys, "stderr", Terminal())
        stream = sys.stderr
        with progress(4, "scoring") as counter:
            counter.advance(1)
            logging.getLogger("cinchona.x").warning("a doubt")
            counter.advance(3)
        assert any(line.rstrip().endswith("a doubt") for line in stream.getvalue().splitlines())


@pytest.mark.parametrize(
    "seconds,text", [(0.04, "0.0 s"), (4, "4 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7380, "2 h 3 min")]
)
def test_durations(seconds, text):
    assert module._duration(seconds) == text


@pytest.mark.parametrize(
    "value,text", [(0, "0"), (12345, "12,345"), (12345.6, "12,346"), (0.01234, "0.0123"), (8.125, "8.12")]
)
def test_numbers(value, text):
    assert module._number(value) == text
