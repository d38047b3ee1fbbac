"""The learning rate: where it begins, peaks and ends."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cinchona.models.config import TrainingConfig
from cinchona.models.schedule import Schedule, rate_at

TOTAL = 200


@pytest.mark.parametrize("name", ["one-cycle", "noam"])
def test_rises_to_the_top_and_falls_to_the_end(name):
    config = TrainingConfig(schedule=name, learning_rate=0.1, warmup=0.25, final_rate=0.01)
    rates = [rate_at(step, TOTAL, config) for step in range(TOTAL)]
    assert max(rates) == pytest.approx(0.1) == rates[49] == rates[50]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert all(a < b for a, b in pairwise(rates[:50]))
    assert all(a > b for a, b in pairwise(rates[50:]))
    assert rates[-1] == pytest.approx(0.001, rel=0.05)


def test_halfway_values_are_those_of_the_formulas():
    one, noam = (
        TrainingConfig(schedule=s, learning_rate=1.0, warmup=0.0, final_rate=0.04) for s in ("one-cycle", "noam")
    )
    assert rate_at(100, TOTAL, one) == pytest.approx(0.52)
    assert rate_at(100, TOTAL, noam) == pytest.approx(0.2)


def test_constant_stays():
    config = TrainingConfig(schedule="constant", learning_rate=0.3, warmup=0.0)
    assert {rate_at(step, 10, config) for step in range(10)} == {0.3}


@pytest.mark.parametrize(
    ("n_train", "epochs", "patience"), [(1, 200, 80), (100, 200, 80), (813, 42, 17), (6_645, 15, 10), (10**6, 15, 10)]
)
def test_training_lasts_longer_on_small_data(n_train, epochs, patience):
    found = Schedule.of(TrainingConfig(), n_train)
    assert (found.epochs, found.patience) == (epochs, patience)
    assert found.steps_per_epoch == -(-n_train // 50)
    assert found.rate(0) == rate_at(0, epochs * found.steps_per_epoch, TrainingConfig())


def test_what_is_set_is_kept():
    found = Schedule.of(TrainingConfig(epochs=7, patience=2, batch_size=10), 95)
    assert (found.epochs, found.patience, found.steps_per_epoch) == (7, 2, 10)
