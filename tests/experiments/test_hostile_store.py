"""A store is not trusted: whatever is planted in it, nothing runs, nothing leaves its folder, nothing altered is used."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from recorded_models import forest, training

from cinchona.digests import digest_file
from cinchona.errors import CinchonaError, ModelFileError, UnsafeFileError
from cinchona.experiments.hostile import data_path, download, take_model
from cinchona.experiments.modeluri import ModelUri
from cinchona.experiments.registering import register
from cinchona.experiments.registry import Registry
from cinchona.experiments.store import Store
from cinchona.experiments.tracker import MlflowTracker
from cinchona.pipelines.config import TrackingConfig

GOOD = {"flavors": {"python_function": {"loader_module": "cinchona.experiments.pyfunc", "data": "data/model"}}}


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch /tmp/cinchona-was-here",)


def changed(**fields):
    return {"flavors": {"python_function": {**GOOD["flavors"]["python_function"], **fields}}}


@pytest.mark.parametrize("content,words", [
    (changed(data="../../../etc"), "data path"), (changed(data="/etc/passwd"), "data path"),
    (changed(data="data/../../x"), "data path"), (changed(data="data/.."), "data path"), (changed(data="data/a/b"), "data path"),
    (changed(data="data/a\nb"), "data path"), (changed(data=None), "data path"), (changed(data=["data/x"]), "data path"),
    (changed(data="data/x%2f.."), "data path"),
    (changed(loader_module="os"), "loader 'os'"), (changed(loader_module="mlflow.sklearn"), "loader"),
    (changed(loader_module=None), "loader"), (changed(code="code"), "brings code"),
    (changed(python_model="python_model.pkl"), "brings python_model"), (changed(cloudpickle_version="3"), "brings cloudpickle"),
    ({"flavors": {**GOOD["flavors"], "sklearn": {"pickled_model": "model.pkl"}}}, "flavours are python_function, sklearn"),
    ({"flavors": {"sklearn": {}}}, "flavours are sklearn"), ({"flavors": {"python_function": []}}, "says nothing"),
    ({"flavors": []}, "missing"), ([], "missing"), ("text", "missing"), (None, "missing"),
])  # fmt: skip
def test_what_an_mlmodel_may_not_ask_for(content, words):
    with pytest.raises(UnsafeFileError, match=words):
        data_path(yaml.safe_dump(content).encode(), "here")


@pytest.mark.parametrize("content", [
    b"\xff\xfe", b"a: [", b"!!python/object/apply:os.system ['touch /tmp/cinchona-was-here']", b"[" * 20_000,
])  # fmt: skip
def test_an_mlmodel_that_is_no_plain_yaml(content):
    with pytest.raises(ModelFileError, match="cannot be read"):
        data_path(content, "https://me:hunter2@host/x")
    assert not Path("/tmp/cinchona-was-here").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return forest(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def stored(folder, new_store, tmp_path):
    """A registry with one model, the folder of its files, and where they are fetched to."""
    tracker = MlflowTracker(new_store)
    registry = Registry(tracker.store)
    config = TrackingConfig(uri=new_store, folder=tmp_path)
    version = register(registry, training(tracker, folder, tmp_path / "t"), "n", config=config)
    location = registry.client.get_logged_model(version.model_id).artifact_location
    return registry, Path(unquote(urlsplit(location).path)), tmp_path / "cache"


def fetch(stored):
    return stored[0].fetch(ModelUri("n", "1"), stored[2])


def test_an_honest_store_gives_the_model(stored, folder):
    place = fetch(stored)
    assert {p.name for p in place.iterdir()} == {"config.json", "golden.json", "trust.json", "weights.safetensors"}
    for name in ("config.json", "weights.safetensors"):
        assert digest_file(place / name) == digest_file(folder / name)
    before = (place / "config.json").stat().st_mtime_ns
    assert fetch(stored) == place
    assert (place / "config.json").stat().st_mtime_ns == before, "it is not fetched twice"


def _edit(path, change):
    path.write_bytes(change(path.read_bytes()))


def _weights(root):
    data = root / "data" / "model"
    _edit(data / "weights.safetensors", lambda b: b[:-4] + b"\0\0\x80\x3f")


def _weights_with_their_digest(root):
    """As a careful attacker would: the digests within the folder fit again."""
    _weights(root)
    data = root / "data" / "model"
    config = json.loads((data / "config.json").read_bytes())
    config["files"]["weights.safetensors"]["sha256"] = digest_file(data / "weights.safetensors")
    (data / "config.json").write_text(json.dumps(config))


def _trust_with_its_digest(root):
    data = root / "data" / "model"
    _edit(data / "trust.json", lambda b: b.replace(b'"seed": 1', b'"seed": 2'))
    config = json.loads((data / "config.json").read_bytes())
    config["files"]["trust.json"]["sha256"] = digest_file(data / "trust.json")
    (data / "config.json").write_text(json.dumps(config))


def _header(root):
    _edit(root / "data" / "model" / "weights.safetensors", lambda b: struct.pack("<Q", 1 << 40) + b[8:])


def _pickle(root):
    (root / "data" / "model" / "weights.safetensors").write_bytes(pickle.dumps(Bomb()))


def _pickle_beside(root):
    (root / "data" / "model" / "model.pkl").write_bytes(pickle.dumps(Bomb()))


def _link(root):
    weights = root / "data" / "model" / "weights.safetensors"
    weights.unlink()
    weights.symlink_to("/etc/passwd")


def _linked_folder(root):
    shutil.move(root / "data" / "model", root.parent / "elsewhere")
    (root / "data" / "model").symlink_to(root.parent / "elsewhere")


def _device(root):
    (root / "MLmodel").unlink()
    (root / "MLmodel").symlink_to("/dev/zero")


def _large(root):
    _edit(root / "MLmodel", lambda b: b + b"\n#" + b"x" * (1 << 20))


def _loader(root):
    _edit(root / "MLmodel", lambda b: b.replace(b"cinchona.experiments.pyfunc", b"mlflow.pyfunc.model"))


@pytest.mark.parametrize("harm,kind,words", [
    (_weights, ModelFileError, "its digest differs"),
    (_weights_with_their_digest, ModelFileError, "differs|not those that were registered"),
    (_trust_with_its_digest, ModelFileError, "config digest differs"),
    (_header, ModelFileError, "digest differs|no valid header"), (_pickle, UnsafeFileError, "is a pickle"),
    (_pickle_beside, UnsafeFileError, "is a pickle"), (_link, UnsafeFileError, "is a link"),
    (_linked_folder, UnsafeFileError, "is a link"), (_device, ModelFileError, "no usable MLmodel"),
    (_large, ModelFileError, "no usable MLmodel"), (_loader, UnsafeFileError, "loader"),
])  # fmt: skip
def test_harm_in_a_store_is_refused(stored, harm, kind, words):
    harm(stored[1])
    with pytest.raises(kind, match=words):
        fetch(stored)
    assert not Path("/tmp/cinchona-was-here").exists()


@pytest.mark.parametrize("location", ["http://evil.example/x", "ftp://me:pw@evil.example/x", "dbfs:/x", "hdfs://x/y"])
def test_a_location_elsewhere_is_not_asked(location, tmp_path):
    with pytest.raises(UnsafeFileError, match="is said to lie") as refused:
        take_model(location, tmp_path / "x")
    assert "me:pw" not in str(refused.value)


class Entry:
    is_dir = False

    def __init__(self, path, size):
        self.path, self.file_size = path, size


class Repository:
    """A server that tells what it likes."""

    artifact_uri = "mlflow-artifacts:/x"

    def __init__(self, *entries):
        self.entries, self.asked = entries, []

    def list_artifacts(self, _path):
        return self.entries

    def download_artifacts(self, path, into):
        self.asked.append(path)
        return f"{into}/{path}"


def test_only_files_of_known_name_and_size_are_downloaded(tmp_path):
    repository = Repository(Entry("../../x", 1), Entry("MLmodel", 2_000_000), Entry("data/m/config.json", 10))
    with pytest.raises(ModelFileError, match="more than 1,000 bytes"):
        download(repository, "MLmodel", tmp_path, 1_000)
    with pytest.raises(ModelFileError, match="missing"):
        download(repository, "weights.safetensors", tmp_path, 1_000)
    download(repository, "data/m/config.json", tmp_path, 1_000)
    assert repository.asked == ["data/m/config.json"]


def test_a_folder_without_anything(tmp_path):
    for location in (str(tmp_path), tmp_path.as_uri()):
        with pytest.raises(CinchonaError, match="no usable MLmodel"):
            take_model(location, tmp_path / "x")


def test_making_a_store_touches_nothing(tmp_path):
    Store.at(f"sqlite:///{tmp_path}/a/b.db")
    assert list(tmp_path.iterdir()) == []
