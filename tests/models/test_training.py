"""Training: it learns, it repeats to the bit, and a kill changes nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from small_assays import SMILES, heavy_atoms, split_of, table_of

from cinchona.datasets.splits import Split
from cinchona.errors import ConfigError, NoUsableRowsError
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.metrics import rmse, roc_auc
from cinchona.models.scorers import batch_of
from cinchona.models.train import fit_ensemble, graphs_of

SMALL = GraphNetConfig(hidden=32, head_hidden=32)
FAST = TrainingConfig(ensemble_size=2, epochs=6, batch_size=10, patience=50)
ALL = Split(np.arange(20), np.arange(0), np.arange(0), kind="random", seed=0)


def weights(ensemble) -> dict[str, np.ndarray]:
    return ensemble.arrays()


def assert_equal_weights(one, other) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def test_overfits_twenty_molecules():
    table = table_of(heavy_atoms()[:20, None])
    training = TrainingConfig(ensemble_size=1, epochs=120, batch_size=10, learning_rate=5e-3)
    ensemble = fit_ensemble(table, ALL, network=SMALL, training=training, seed=0)
    guess = ensemble.score(batch_of(table, np.arange(20))).value[:, 0]
    assert rmse(table.values[:, 0], guess) < 0.1 < table.values.std() / 10


def test_overfits_classes_beside_numbers_with_missing_labels():
    aromatic = np.array([float("c1" in text) for text in SMILES[:20]])
    values = np.column_stack([heavy_atoms()[:20], aromatic])
    values[::4, 0], values[1::4, 1] = math.nan, math.nan
    table = table_of(values, kinds=("regression", "classification"))
    training = TrainingConfig(ensemble_size=2, epochs=80, batch_size=10, learning_rate=5e-3)
    ensemble = fit_ensemble(table, ALL, network=SMALL, training=training, seed=0)
    value = ensemble.score(batch_of(table, np.arange(20))).value
    known = ~np.isnan(values)
    assert rmse(values[known[:, 0], 0], value[known[:, 0], 0]) < 0.3
    assert roc_auc(values[known[:, 1], 1], value[known[:, 1], 1]) == 1
    assert ((value[:, 1] >= 0) & (value[:, 1] <= 1)).all()


def test_labels_of_the_test_part_do_not_matter():
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    changed = table.values.copy()
    changed[split.test] = 1e6
    one, other = (fit_ensemble(t, split, network=SMALL, training=FAST, seed=0) for t in (table, table_of(changed)))
    assert_equal_weights(one, other)


def test_repeats_to_the_bit_whatever_the_workers_and_the_process_draws():
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    network = GraphNetConfig(hidden=16, head_hidden=16, dropout=0.2)
    one = fit_ensemble(table, split, network=network, training=FAST, seed=4)
    torch.rand(7)
    np.random.default_rng().random(3)
    other = fit_ensemble(table, split, network=network, training=FAST.model_copy(update={"workers": 1}), seed=4)
    assert_equal_weights(one, other)
    assert one.fingerprint == other.fingerprint
    third = fit_ensemble(table, split, network=network, training=FAST, seed=5)
    assert third.fingerprint != one.fingerprint


def test_training_leaves_torch_as_it_was():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    fit_ensemble(table_of(heavy_atoms()[:20, None]), ALL, network=SMALL, training=FAST, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == strict


def test_members_differ():
    ensemble = fit_ensemble(table_of(heavy_atoms()[:20, None]), ALL, network=SMALL, training=FAST, seed=0)
    first, second = (member.encoder.W_h.weight for member in ensemble.members)
    assert not torch.equal(first, second)


def test_stops_early_and_keeps_the_best_weights():
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    training = TrainingConfig(
        ensemble_size=1, epochs=200, batch_size=10, learning_rate=0.03, patience=5, schedule="constant"
    )
    seen = []
    ensemble = fit_ensemble(table, split, network=SMALL, training=training, seed=1, on_epoch=seen.append)
    losses = [record.valid_loss for record in seen]
    best = int(np.argmin(losses))
    assert len(seen) < 200
    assert len(seen) == best + 6
    assert [record.epoch for record in seen] == list(range(len(seen)))
    guess = ensemble.score(batch_of(table, split.valid)).value[:, 0]
    scaled = rmse(table.values[split.valid, 0], guess) / table.values[split.train, 0].std()
    assert scaled**2 == pytest.approx(losses[best], rel=1e-3)


def test_without_a_validation_part_the_last_weights_are_kept():
    seen = []
    training = TrainingConfig(ensemble_size=1, epochs=4, patience=1)
    table = table_of(heavy_atoms()[:20, None])
    fit_ensemble(table, ALL, network=SMALL, training=training, seed=0, on_epoch=seen.append)
    assert len(seen) == 4
    assert all(math.isnan(record.valid_loss) for record in seen)


def test_a_time_budget_ends_training():
    seen = []
    training = TrainingConfig(ensemble_size=1, epochs=5000, patience=5000, max_seconds=0.5)
    table = table_of(heavy_atoms()[:20, None])
    fit_ensemble(table, ALL, network=SMALL, training=training, seed=0, on_epoch=seen.append)
    assert 1 <= len(seen) < 5000


def test_long_gradients_are_clipped():
    table = table_of(heavy_atoms()[:20, None])
    training = TrainingConfig(
        ensemble_size=1, epochs=1, batch_size=20, gradient_clip=1e-12, schedule="constant", warmup=0.0, weight_decay=0.0
    )
    # AdamW rescales gradients, so a clipped gradient shows only beside its epsilon of 1e-8: hardly a step is made.
    still = fit_ensemble(table, ALL, network=SMALL, training=training, seed=0)
    moved = fit_ensemble(table, ALL, network=SMALL, training=training.model_copy(update={"gradient_clip": 5.0}), seed=0)
    start = weights(fit_ensemble(
        table, ALL, network=SMALL, training=training.model_copy(update={"learning_rate": 1e-30}), seed=0
    ))  # fmt: skip
    name = "members.0.encoder.W_h.weight"
    steps = [float(np.abs(weights(ensemble)[name] - start[name]).max()) for ensemble in (still, moved)]
    assert steps[0] < 1e-6
    assert steps[1] > 1e-4


def test_divergence_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr("cinchona.models.schedule.rate_at", lambda *_: math.inf)
    with pytest.raises(ConfigError, match="diverged") as caught:
        fit_ensemble(table_of(heavy_atoms()[:20, None]), ALL, network=SMALL, training=FAST, seed=0)
    assert "learning rate" in caught.value.remedy


def test_unusable_requests_are_refused():
    values = heavy_atoms()[:20, None].repeat(2, axis=1)
    values[:, 1] = math.nan
    with pytest.raises(NoUsableRowsError, match="target1"):
        fit_ensemble(table_of(values, kinds=("regression",) * 2), ALL, network=SMALL, training=FAST, seed=0)
    training = FAST.model_copy(update={"lower_is_better": ("tox",)})
    with pytest.raises(ConfigError, match="tox is no target"):
        fit_ensemble(table_of(values[:, :1]), ALL, network=SMALL, training=training, seed=0)
    with pytest.raises(ValueError, match="cannot be featurized"):
        graphs_of(["CCO", "no molecule"])


def test_lower_is_better_turns_the_ranking():
    table = table_of(heavy_atoms()[:20, None])
    training = FAST.model_copy(update={"lower_is_better": ("target0",)})
    ensemble = fit_ensemble(table, ALL, network=SMALL, training=training, seed=0)
    scores = ensemble.score(batch_of(table, np.arange(5)))
    np.testing.assert_array_equal(scores.score, -scores.value[:, 0])
    assert ensemble.objective == "-target0"


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from small_assays import heavy_atoms, split_of, table_of
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.train import fit_ensemble

def die(record):
    if (record.member, record.epoch) == (1, 3):
        os.kill(os.getpid(), signal.SIGKILL)

fit_ensemble(
    table_of(heavy_atoms()[:, None]), split_of(40), network=GraphNetConfig.model_validate_json(sys.argv[3]),
    training=TrainingConfig.model_validate_json(sys.argv[4]), seed=2, checkpoint=Path(sys.argv[1]), on_epoch=die,
)
"""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_bits(tmp_path, request):
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    network = GraphNetConfig(hidden=16, head_hidden=16, dropout=0.2)
    state = tmp_path / "state"
    program = [
        sys.executable, "-W", "ignore", "-c", KILLED, str(state), str(request.config.rootpath / "tests"),
        network.model_dump_json(), FAST.model_dump_json(),
    ]  # fmt: skip
    killed = subprocess.run(program, check=False, env=os.environ, timeout=240)
    assert killed.returncode == -signal.SIGKILL
    assert list(state.glob("*.safetensors"))
    seen, calm = [], []
    resumed = fit_ensemble(table, split, network=network, training=FAST, seed=2, checkpoint=state, on_epoch=seen.append)
    undisturbed = fit_ensemble(table, split, network=network, training=FAST, seed=2, on_epoch=calm.append)
    assert_equal_weights(resumed, undisturbed)
    assert sorted(map(repr, seen)) == sorted(map(repr, calm)), "every epoch is told once, the finished ones too"
    np.testing.assert_array_equal(resumed.held_out.value, undisturbed.held_out.value)
    np.testing.assert_array_equal(resumed.held_out.spread, undisturbed.held_out.spread)


def test_state_of_another_training_is_ignored(tmp_path):
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    fit_ensemble(table, split, network=SMALL, training=FAST, seed=2, checkpoint=tmp_path)
    other = FAST.model_copy(update={"learning_rate": 1e-3})
    again = fit_ensemble(table, split, network=SMALL, training=other, seed=2, checkpoint=tmp_path)
    assert_equal_weights(again, fit_ensemble(table, split, network=SMALL, training=other, seed=2))


def test_a_finished_training_is_not_done_again_and_damage_is_noticed(tmp_path):
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    first = fit_ensemble(table, split, network=SMALL, training=FAST, seed=2, checkpoint=tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert_equal_weights(fit_ensemble(table, split, network=SMALL, training=FAST, seed=2, checkpoint=tmp_path), first)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    (tmp_path / "network-000.safetensors").write_bytes(b"\x00" * 100)
    assert_equal_weights(fit_ensemble(table, split, network=SMALL, training=FAST, seed=2, checkpoint=tmp_path), first)


def test_a_larger_ensemble_keeps_the_networks_it_has(tmp_path):
    table, split = table_of(heavy_atoms()[:, None]), split_of(40)
    two = fit_ensemble(table, split, network=SMALL, training=FAST, seed=2, checkpoint=tmp_path)
    more = FAST.model_copy(update={"ensemble_size": 3})
    three = fit_ensemble(table, split, network=SMALL, training=more, seed=2, checkpoint=tmp_path)
    kept = weights(three)
    assert all(np.array_equal(kept[name], array) for name, array in weights(two).items())
    assert len(three.members) == 3


def test_an_error_in_a_listener_ends_all_networks():
    calls = []

    def fail(record) -> None:
        calls.append(threading.current_thread().name)
        raise ZeroDivisionError

    training = FAST.model_copy(update={"epochs": 1000, "patience": 1000})
    with pytest.raises(ZeroDivisionError):
        fit_ensemble(table_of(heavy_atoms()[:20, None]), ALL, network=SMALL, training=training, seed=0, on_epoch=fail)
    assert 1 <= len(calls) <= 2


def test_state_file_is_safetensors_with_json(tmp_path):
    from safetensors import safe_open

    fit_ensemble(table_of(heavy_atoms()[:20, None]), ALL, network=SMALL, training=FAST, seed=2, checkpoint=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network-000.safetensors", "network-001.safetensors"]
    with safe_open(str(tmp_path / "network-000.safetensors"), framework="np") as file:
        said = json.loads(file.metadata()["state"])
    assert said["finished"] is True
    assert len(said["history"]) == FAST.epochs
