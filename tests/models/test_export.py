"""Exported weights are plain tensors that give the same predictions without us."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from foreign_models import write_checkpoint
from small_training import quick_model

from cinchona.errors import ConfigError, ModelFileError
from cinchona.models.export import export_state_dicts
from cinchona.models.folder import open_scorer
from cinchona.models.imported.importing import import_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("model") / "model"
    quick_model(target)
    return target


def test_weights_are_those_of_the_model(folder, tmp_path):
    *files, shape = export_state_dicts(folder, tmp_path / "out")
    scorer = open_scorer(folder)
    assert [f.name for f in files] == ["member_0.pt", "member_1.pt"]
    for file, member in zip(files, scorer.members, strict=True):
        loaded = torch.load(file, weights_only=True)
        assert type(loaded) is dict
        assert set(loaded) == set(member.state_dict())
        for name, tensor in member.state_dict().items():
            np.testing.assert_array_equal(loaded[name].numpy(), tensor.numpy())
    told = json.loads(shape.read_text())
    assert told["network"]["hidden"] == 16
    assert told["endpoints"] == [{"name": "pIC50", "unit": scorer.endpoints[0].unit, "kind": "regression"}]


def test_refusals(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ConfigError, match="place is taken"):
        export_state_dicts(folder, tmp_path / "full")
    import_model(write_checkpoint(tmp_path / "best.pt"), out=tmp_path / "foreign")
    with pytest.raises(ModelFileError, match="no graph network that was trained here"):
        export_state_dicts(tmp_path / "foreign", tmp_path / "out")
