"""Model folders: saved and opened unchanged, and refused when anything is not as it was saved."""

from __future__ import annotations

import json
import os
import pickle
import stat
import struct

import numpy as np
import pytest
import torch
from contracts.model_folder import ModelFolderContract
from contracts.scorer import GOOD_SMILES
from small_assays import heavy_atoms, split_of, table_of

from cinchona.digests import digest_file
from cinchona.errors import ConfigError, ModelFileError, UnsafeFileError
from cinchona.models.baselines import MeanScorer, fit_baselines
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.folder import (
    GOLDEN_SMILES,
    SCHEMA_VERSION,
    is_model_folder,
    model_fingerprint,
    open_scorer,
    read_trust,
    save_model,
)
from cinchona.models.folder_checks import is_pickle
from cinchona.models.scorers import pack_arrays
from cinchona.models.train import fit_ensemble
from cinchona.records import CompoundBatch, Direction, Endpoint

KINDS = ("graph-ensemble", "forest", "nearest-neighbour", "mean")


@pytest.fixture(scope="module")
def models():
    values = np.column_stack([heavy_atoms(), (heavy_atoms() > 6).astype(float)])
    table, split = table_of(values, kinds=("regression", "classification")), split_of(40)
    training = TrainingConfig(ensemble_size=2, epochs=2, batch_size=20, lower_is_better=("target0",))
    network = GraphNetConfig(hidden=16, head_hidden=8)
    ensemble = fit_ensemble(table, split, network=network, training=training, seed=0)
    return {"graph-ensemble": ensemble, **fit_baselines(table, split, seed=0, n_trees=5)}


class FolderOf(ModelFolderContract):
    kind = ""

    @pytest.fixture
    def scorer(self, models):
        return models[self.kind]

    @pytest.fixture
    def save(self):
        return save_model


class TestGraphEnsembleFolder(FolderOf):
    kind = "graph-ensemble"


class TestForestFolder(FolderOf):
    kind = "forest"


class TestNearestNeighbourFolder(FolderOf):
    kind = "nearest-neighbour"


class TestMeanFolder(FolderOf):
    kind = "mean"


@pytest.fixture
def folder(models, tmp_path):
    target = tmp_path / "model"
    save_model(models["graph-ensemble"], target, trust={"metrics": []})
    return target


def rewrite(folder, name, data) -> None:
    """Replace a file and mend its digest, as an attacker would."""
    (folder / name).write_bytes(data)
    config = json.loads((folder / "config.json").read_text())
    config["files"][name] = {"bytes": len(data), "sha256": digest_file(folder / name)}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_keeps_everything(models, tmp_path, kind):
    model = models[kind]
    save_model(model, tmp_path / "model", trust={"note": "µ"})
    twin = open_scorer(tmp_path / "model")
    assert type(twin) is type(model)
    assert twin.fingerprint == model.fingerprint == model_fingerprint(tmp_path / "model")
    assert twin.name == model.name
    assert twin.spec() == model.spec()
    trust = read_trust(tmp_path / "model")
    assert trust.pop("note") == "µ"
    assert set(trust) <= {"start"}, "only what the model itself says of its training is added"
    batch = CompoundBatch.of(GOOD_SMILES)
    one, other = model.score(batch), twin.score(batch)
    for name in ("value", "score", "uncertainty"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert is_model_folder(tmp_path / "model")
    assert not is_model_folder(tmp_path)


def test_directions_survive(folder):
    assert open_scorer(folder).endpoints[0].direction is Direction.LOWER
    assert open_scorer(folder).objective == "-target0"


def test_files_are_those_that_are_documented(folder):
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "golden.json",
        "trust.json",
        "weights.safetensors",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["schema_version"] == SCHEMA_VERSION
    assert config["kind"] == "graph-ensemble"
    assert set(config["files"]) == {"golden.json", "trust.json", "weights.safetensors"}
    assert config["versions"]["torch"]
    assert stat.S_IMODE(folder.stat().st_mode) & 0o055 == 0o055


def test_nothing_is_left_when_saving_fails(models, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cinchona.models.folder.write_json", fail)
    with pytest.raises(Exception, match="cannot write"):
        save_model(models["mean"], tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_not_overwritten(folder, models, tmp_path):
    with pytest.raises(ConfigError, match="taken"):
        save_model(models["mean"], folder)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="taken"):
        save_model(models["mean"], tmp_path / "file")
    (tmp_path / "empty").mkdir()
    save_model(models["mean"], tmp_path / "empty")
    assert open_scorer(tmp_path / "empty").fingerprint == models["mean"].fingerprint


@pytest.mark.parametrize("name", ["notes.txt", "model.py", "config.json.bak", ".hidden"])
def test_foreign_files_are_refused_by_name(folder, name):
    (folder / name).write_text("hello")
    with pytest.raises(ModelFileError, match=name.replace(".", r"\.")):
        open_scorer(folder)


def test_what_training_leaves_beside_the_model_is_allowed(folder):
    (folder / "report").mkdir()
    (folder / "report" / "metrics.parquet").write_bytes(b"PAR1")
    (folder / "README.md").write_text("# No model is better than its data.")
    (folder / "manifest.json").write_text("{}")
    open_scorer(folder)
    (folder / "report" / "run.sh").write_text("#!/bin/sh")
    with pytest.raises(ModelFileError, match=r"run\.sh"):
        open_scorer(folder)


@pytest.mark.parametrize("name", ["model.pkl", "model.PT", "a.ckpt", "b.joblib", "c.npz", "report/deep/d.pth"])
def test_files_that_may_hold_a_pickle_are_refused(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"anything")
    with pytest.raises(UnsafeFileError, match="pickle") as caught:
        open_scorer(folder)
    assert "cinchona train" in caught.value.remedy


class Bomb:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_are_known_by_their_content(protocol, folder):
    data = pickle.dumps(Bomb(), protocol=protocol)
    assert is_pickle(data)
    (folder / "README.md").write_bytes(data)
    with pytest.raises(UnsafeFileError):
        open_scorer(folder)


def test_torch_archives_are_refused(folder, tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "weights.pt")
    rewrite(folder, "weights.safetensors", (tmp_path / "weights.pt").read_bytes())
    with pytest.raises(UnsafeFileError):
        open_scorer(folder)


@pytest.mark.parametrize("text", [
    "# No model is better than its data.", "Name,pIC50\n", "compound_id,smiles\nx,y\n", "{}", "[1, 2]", "", "No.\n",
    "I am a model.\n", "S\n", "i\n", "(c) 2026\n",
])  # fmt: skip
def test_text_is_no_pickle(text):
    assert not is_pickle(text.encode())


def test_no_weights_file_begins_like_a_pickle():
    for width in range(1, 400):
        head = pack_arrays({"a" * width: np.zeros(1)})[:2]
        assert not is_pickle(head), width


def test_links_and_pipes_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    (folder / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeFileError, match="link"):
        open_scorer(folder)
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")
    with pytest.raises(UnsafeFileError, match="pipe"):
        open_scorer(folder)
    (folder / "README.md").unlink()
    (folder / "report").mkdir()
    (folder / "report" / "x.json").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeFileError, match="link"):
        open_scorer(folder)


def test_listed_paths_cannot_leave_the_folder(folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    config = json.loads((folder / "config.json").read_text())
    config["files"]["../secret"] = config["files"].pop("trust.json")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="exactly the files"):
        open_scorer(folder)


def header_of(length: int, text: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", length) + text + body


@pytest.mark.parametrize("data", [
    b"", b"\x00" * 7, header_of(1 << 40, b"{}"), header_of(1 << 62, b"{}"), header_of(0, b""), header_of(3, b"{}}"),
    header_of(2, b"[]"), header_of(4, b"\xff\xfe{}"),
    header_of(17 << 20, b" " * (17 << 20)),
    header_of(54, b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,9]}}', b"\x00" * 9),
    header_of(55, b'{"a":{"dtype":"F99","shape":[9],"data_offsets":[0,36]}}', b"\x00" * 36),
])  # fmt: skip
def test_damaged_weights_are_refused(folder, data):
    rewrite(folder, "weights.safetensors", data)
    with pytest.raises(ModelFileError):
        open_scorer(folder)


def test_weights_of_another_shape_are_refused(folder, models):
    arrays = models["graph-ensemble"].arrays()
    first = next(iter(arrays))
    for changed in ({**arrays, first: np.zeros((3, 3), np.float32)}, {k: v for k, v in arrays.items() if k != first}):
        rewrite(folder, "weights.safetensors", pack_arrays(changed))
        with pytest.raises(ModelFileError, match="do not fit"):
            open_scorer(folder)


def test_swapped_weights_are_noticed_even_with_mended_digests(folder, models):
    arrays = {name: array * np.float32(1.01) for name, array in models["graph-ensemble"].arrays().items()}
    rewrite(folder, "weights.safetensors", pack_arrays(arrays))
    with pytest.raises(ModelFileError, match="fingerprint"):
        open_scorer(folder)
    config = json.loads((folder / "config.json").read_text())
    twin = type(models["graph-ensemble"]).restore(config["spec"], arrays, models["graph-ensemble"].endpoints)
    (folder / "config.json").write_text(json.dumps({**config, "fingerprint": twin.fingerprint}))
    with pytest.raises(ModelFileError, match="differ by"):
        open_scorer(folder)


def test_other_versions_are_named_when_predictions_differ(folder):
    golden = json.loads((folder / "golden.json").read_text())
    golden["value"][0][0] += 1e-3
    rewrite(folder, "golden.json", json.dumps(golden).encode())
    config = json.loads((folder / "config.json").read_text())
    config["versions"]["rdkit"] = "1999.1.1"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="one by one differ") as caught:
        open_scorer(folder)
    assert "rdkit was 1999.1.1" in caught.value.remedy


@pytest.mark.parametrize("golden", [{}, {"smiles": [], "value": []}, {"smiles": ["CCO"], "value": [[1.0]]},
                                    {"smiles": "CCO", "value": [[1.0, 2.0]]}, {"smiles": ["C1CC"], "value": [[1.0, 2.0]]}])  # fmt: skip
def test_useless_golden_files_are_refused(folder, golden):
    rewrite(folder, "golden.json", json.dumps(golden).encode())
    with pytest.raises(ModelFileError):
        open_scorer(folder)


@pytest.mark.parametrize(("key", "value"), [
    ("kind", "oracle"), ("kind", None), ("endpoints", []), ("endpoints", [{"name": "y"}]), ("spec", {}), ("spec", None),
    ("files", None), ("files", {}), ("fingerprint", "0" * 64),
])  # fmt: skip
def test_altered_configurations_are_refused(folder, key, value):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: value}))
    with pytest.raises(ModelFileError):
        open_scorer(folder)


def test_other_features_are_refused_by_name(folder):
    config = json.loads((folder / "config.json").read_text())
    config["spec"]["feature_schema"] = "other-9"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="other-9"):
        open_scorer(folder)


def test_other_fingerprints_are_refused_by_name(models, tmp_path):
    save_model(models["forest"], tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["spec"]["fingerprint"]["radius"] = 7
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="'radius': 7"):
        open_scorer(tmp_path / "model")


@pytest.mark.parametrize("change", ["loop", "outside", "feature", "root"])
def test_forests_that_would_not_end_are_refused(models, tmp_path, change):
    save_model(models["forest"], tmp_path / "model")
    arrays = {name: array.copy() for name, array in models["forest"].arrays().items()}
    if change == "loop":
        arrays["forests.0.left"][0] = 0
    elif change == "outside":
        arrays["forests.0.right"][0] = 10**6
    elif change == "feature":
        arrays["forests.0.feature"][0] = 5000
    else:
        arrays["forests.0.root"][0] = -1
    rewrite(tmp_path / "model", "weights.safetensors", pack_arrays(arrays))
    with pytest.raises(ModelFileError, match="trees are damaged"):
        open_scorer(tmp_path / "model")


def test_oversized_files_are_refused_unread(folder):
    with (folder / "config.json").open("ab") as file:
        file.truncate(5 << 20)
    with pytest.raises(ModelFileError, match="more than"):
        open_scorer(folder)


def test_deeply_nested_json_is_refused(folder):
    rewrite(folder, "golden.json", b'{"smiles":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    with pytest.raises(ModelFileError):
        open_scorer(folder)


def test_golden_molecules_that_the_model_rejects_are_left_out(tmp_path):
    model = MeanScorer(np.array([1.5]), endpoints=[Endpoint("y")])
    save_model(model, tmp_path / "model", golden_smiles=["CCO", "no molecule"])
    assert json.loads((tmp_path / "model" / "golden.json").read_text())["smiles"] == ["CCO"]
    assert len(GOLDEN_SMILES) == 10


def test_no_remedy_is_missing(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelFileError) as caught:
        open_scorer(folder)
    assert caught.value.remedy
    assert caught.value.where
