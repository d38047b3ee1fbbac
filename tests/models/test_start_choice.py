"""Where networks start: decided on held-out folds of the compounds to fit, never on the test part."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss
from small_assays import heavy_atoms, split_of, table_of

from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.pretraining.encoder_file import open_encoder, save_encoder
from cinchona.models.start_choice import choose_start, held_out_loss
from cinchona.models.train import fit_ensemble

SHAPE = GraphNetConfig(hidden=8, head_hidden=8)
QUICK = TrainingConfig(ensemble_size=1, epochs=2, batch_size=20)
PATCHED = ("cinchona.models.start_choice.SHIPPED", "cinchona.models.pretraining.encoder_file.SHIPPED")


class Guesses:
    """A scorer whose error is known."""

    def __init__(self, table, offset):
        self.table, self.offset = table, offset

    def score(self, batch):
        class Found:
            value = self.table.values[batch.row_ids] + self.offset

        return Found


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A default encoder of eight units."""
    table = table_of(heavy_atoms()[:, None])
    made = fit_ensemble(
        table, split_of(40), network=SHAPE, training=QUICK.model_copy(update={"pretrained": "none"}), seed=9
    )
    weights = {n.removeprefix("members.0.encoder."): a for n, a in made.arrays().items() if ".encoder." in n}
    save_encoder(tmp_path, network=SHAPE, weights=weights, card={"sources": [{"name": "few"}]})
    for place in PATCHED:
        monkeypatch.setattr(place, tmp_path)
    return tmp_path


def choose(table, errors, *, network=SHAPE, split=None, seen=None):
    def fit(table, part, *, network, training, seed):
        if seen is not None:
            seen.append((training, part))
        return Guesses(table, errors[training.pretrained])

    return choose_start(table, split or split_of(40), network=network, training=QUICK, seed=0, fit=fit)


@pytest.mark.usefixtures("shipped")
class TestChoice:
    @pytest.mark.parametrize("errors,chosen", [
        ({"none": 2.0, "default": 1.0}, "default"), ({"none": 1.0, "default": 2.0}, "none"),
        ({"none": 1.0, "default": 1.0}, "none"),
    ])  # fmt: skip
    def test_the_smaller_loss_wins_and_a_draw_changes_nothing(self, errors, chosen):
        found = choose(table_of(heavy_atoms()[:, None]), errors)
        assert found.pretrained == chosen
        assert set(found.losses) == {"none", "default"}
        assert f"{found.losses['default']:.3f} from the pretrained encoder" in found.reason

    def test_folds_hold_no_test_compound_and_no_compound_twice(self):
        seen = []
        split = split_of(40)
        choose(table_of(heavy_atoms()[:, None]), {"none": 1.0, "default": 2.0}, split=split, seen=seen)
        assert [training.pretrained for training, _ in seen] == ["none", "none", "default", "default"]
        assert {training.ensemble_size for training, _ in seen} == {1}
        for _, part in seen:
            rows = np.concatenate([part.train, part.valid, part.test])
            assert len(set(rows.tolist())) == len(rows) == 32
            assert not set(rows.tolist()) & set(split.test.tolist())
        assert not set(seen[0][1].test.tolist()) & set(seen[1][1].test.tolist())
        for one, other in zip(seen[:2], seen[2:], strict=True):
            np.testing.assert_array_equal(one[1].test, other[1].test)

    @pytest.mark.parametrize("network,patch,words", [
        (GraphNetConfig(hidden=9), {}, "another shape"),
        (GraphNetConfig(hidden=8, architecture="gin"), {}, "another shape"),
        (SHAPE, {"LARGEST": 5}, "more than 5"),
        (SHAPE, {"FEWEST": 50}, "fewer than 50"),
    ])  # fmt: skip
    def test_where_it_does_not_suit_nothing_is_tried(self, network, patch, words, monkeypatch):
        for name, value in patch.items():
            monkeypatch.setattr(f"cinchona.models.start_choice.{name}", value)
        found = choose(table_of(heavy_atoms()[:, None]), {}, network=network)
        assert (found.pretrained, found.losses) == ("none", {})
        assert words in found.reason

    def test_training_on_auto_is_training_on_what_it_chose(self):
        table = table_of(heavy_atoms()[:, None])
        auto = fit_ensemble(table, split_of(40), network=SHAPE, training=QUICK, seed=0)
        named = QUICK.model_copy(update={"pretrained": auto.start.pretrained})
        same = fit_ensemble(table, split_of(40), network=SHAPE, training=named, seed=0)
        assert auto.fingerprint == same.fingerprint
        assert len(auto.start.losses) == 2
        assert same.start is None

    def test_labels_of_the_test_part_do_not_matter(self):
        table, split = table_of(heavy_atoms()[:, None]), split_of(40)
        changed = table.values.copy()
        changed[split.test] = 1e6
        one, other = (
            fit_ensemble(t, split, network=SHAPE, training=QUICK, seed=0).start for t in (table, table_of(changed))
        )
        assert one == other


def test_without_an_encoder_nothing_is_tried(tmp_path, monkeypatch):
    for place in PATCHED:
        monkeypatch.setattr(place, tmp_path / "nowhere")
    found = choose(table_of(heavy_atoms()[:, None]), {})
    assert (found.pretrained, found.reason) == ("none", "no pretrained encoder is installed")


def test_held_out_loss_is_that_of_scikit_learn_and_of_the_variance():
    values = np.column_stack([heavy_atoms(), (heavy_atoms() > 5).astype(float)])
    values[0, 0], values[1, 1] = math.nan, math.nan
    censor = np.zeros((40, 2), np.int8)
    censor[2, 0] = 1
    table, part = table_of(values, kinds=("regression", "classification"), censor=censor), split_of(40, test=20)
    odds = np.clip(values[:, 1] * 0.6 + 0.2, 0, 1)

    class Fixed:
        def score(self, batch):
            class Found:
                value = np.column_stack([values[:, 0] + 1.5, np.nan_to_num(odds, nan=0.5)])[batch.row_ids]

            return Found

    known = part.test[~np.isnan(values[part.test, 1])]
    want = (1.5**2 / np.nanvar(values[part.train, 0]) + log_loss(values[known, 1], odds[known], labels=[0, 1])) / 2
    assert held_out_loss(table, Fixed(), part) == pytest.approx(want, rel=1e-6)


def test_the_encoder_of_the_package_is_sound_and_small():
    encoder = open_encoder("default")
    assert encoder.network.as_spec() == GraphNetConfig().as_spec(), "it fits the default network"
    assert all(np.isfinite(array).all() for array in encoder.weights.values())
    assert sum(array.nbytes for array in encoder.weights.values()) < 5 << 20
    licences = {source["licence"] for source in encoder.card["sources"]}
    assert licences <= {"MIT (molsets)", "public domain"}
    assert encoder.card["made_with"]["command"].startswith("cinchona pretrain catalogue:moses catalogue:nci5k")
    assert encoder.card["figures"]["descriptors_explained_median"] > 0.8
