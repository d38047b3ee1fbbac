"""The space of settings: what may be searched, what a pretrained encoder decides, and from draws to settings."""

from __future__ import annotations

import optuna
import pytest
from pydantic import ValidationError

from cinchona.errors import ConfigError
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.pretraining.encoder_file import DEFAULT, open_encoder
from cinchona.models.tuning.config import SearchRange
from cinchona.models.tuning.space import START, USUAL, Candidate, draw, space_of, starts, with_values

BASE = Candidate(GraphNetConfig(), TrainingConfig(pretrained="none"))


@pytest.mark.parametrize(
    "wrong",
    [{}, {"low": 1.0}, {"low": 2.0, "high": 1.0}, {"choices": (1,), "low": 0.0, "high": 1.0},
     {"low": 0.0, "high": 1.0, "log": True}, {"low": 1.0, "high": 8.0, "log": True, "step": 1.0}],
)  # fmt: skip
def test_a_range_is_either_choices_or_two_ends(wrong):
    with pytest.raises(ValidationError):
        SearchRange(**wrong)


@pytest.mark.parametrize(
    "name,values",
    [("network.depht", SearchRange(low=1, high=2)), ("screen.top_k", SearchRange(low=1, high=2)),
     ("network.depth", SearchRange(low=1, high=400)), ("network.readout", SearchRange(choices=("norm", "median"))),
     ("network.features", SearchRange(choices=("morgan+maccs",)))],
)  # fmt: skip
def test_what_no_setting_may_be_is_refused_before_the_search(name, values):
    with pytest.raises(ConfigError) as refused:
        space_of({name: values}, BASE)
    assert name in str(refused.value.where)


def test_every_draw_of_the_usual_space_is_a_valid_network():
    space = space_of({}, BASE)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    shapes = set()
    encoder = open_encoder(DEFAULT).network
    for _ in range(60):
        trial = study.ask()
        made = draw(space, trial, BASE)
        shapes.add((made.training.pretrained, made.network.hidden, made.network.architecture))
        assert made.network.depth == trial.params.get("network.depth", encoder.depth)
        if made.training.pretrained == DEFAULT:
            assert "network.hidden" not in trial.params
            assert (made.network.hidden, made.network.architecture) == (encoder.hidden, encoder.architecture)
        assert 3e-4 <= made.training.learning_rate <= 1e-2
    assert len({shape for start, *shape in map(list, shapes) for shape in [tuple(shape)] if start == "none"}) == 6


def test_a_list_of_names_is_drawn_as_text():
    assert with_values(BASE, {"network.features": "morgan+rdkit"}).network.features == ("morgan", "rdkit")
    assert with_values(BASE, {"network.features": ""}).network.features == ()


def test_the_search_begins_with_the_settings_as_they_are():
    first, second = starts(space_of({}, BASE), BASE)
    assert first[START] == "none"
    assert with_values(BASE, first) == BASE
    assert second[START] == DEFAULT
    assert set(second) == set(USUAL) - {"network.architecture", "network.hidden", "network.depth"}


def test_settings_outside_the_space_are_not_tried_first():
    space = space_of({"network.depth": SearchRange(low=4, high=6)}, BASE)
    assert starts(space, BASE) == []
