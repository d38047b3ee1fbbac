"""The contract of model folders accepts an honest folder and catches each kind of cheat."""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from contracts.model_folder import ModelFolderContract
from contracts.scorer import GOOD_SMILES

from cinchona.errors import CinchonaError, ModelFileError
from cinchona.protocols import Requirement
from cinchona.records import Endpoint, Scores

SCHEMA = 3


class WeightScorer:
    """Scores by the length of the text times a weight."""

    name = "weight"
    requires = frozenset({Requirement.SMILES})
    endpoints = (Endpoint("length"),)
    objective = "length"

    def __init__(self, weight, fingerprint=""):
        self.weight, self.fingerprint = weight, fingerprint

    def score(self, batch):
        value = np.array([[self.weight * len(s)] for s in batch.smiles], np.float32)
        return Scores(batch.row_ids, self.endpoints, value, value[:, 0].copy())


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def save(scorer, folder):
    folder.mkdir()
    weights = np.array([scorer.weight], np.float64).tobytes()
    trust = b'{"rmse": 0.5}'
    (folder / "weights.raw").write_bytes(weights)
    (folder / "trust.json").write_bytes(trust)
    files = {"weights.raw": _digest(weights), "trust.json": _digest(trust)}
    (folder / "config.json").write_text(json.dumps({"schema_version": SCHEMA, "files": files}, indent=1))


def _require(holds, message):
    if not holds:
        raise ModelFileError(message)


def open_folder(folder):
    try:
        config = json.loads((folder / "config.json").read_bytes())
        _require(isinstance(config, dict), "no mapping")
        version = config.get("schema_version")
        _require(version == SCHEMA, f"unknown schema version {version}")
        _require({p.name for p in folder.iterdir()} == {"config.json", *config["files"]}, "unlisted or missing files")
        for name, digest in config["files"].items():
            _require(not (folder / name).is_symlink(), "a link")
            _require(_digest((folder / name).read_bytes()) == digest, "altered")
        weight = np.frombuffer((folder / "weights.raw").read_bytes())[0]
    except (OSError, ValueError, KeyError) as error:
        raise ModelFileError(f"damaged: {error}") from error
    return WeightScorer(float(weight), _digest((folder / "config.json").read_bytes()))


class TestHonestFolder(ModelFolderContract):
    @pytest.fixture
    def scorer(self):
        return WeightScorer(0.1)

    @pytest.fixture
    def save(self):
        return save

    @pytest.fixture
    def open_folder(self):
        return open_folder


def _lenient(message):
    """Open as ``open_folder`` does, but shrug at the fault whose message starts so."""

    def opener(folder):
        try:
            return open_folder(folder)
        except ModelFileError as error:
            if not str(error).startswith(message):
                raise
            return WeightScorer(0.1, "x")

    opener.__name__ = f"lenient_{message.split()[0]}"
    return opener


def raises_raw_errors(folder):
    json.loads((folder / "config.json").read_bytes())
    return open_folder(folder)


def rounds(folder):
    return WeightScorer(float(np.float16(open_folder(folder).weight)), "x")


def runs_pickles(folder):
    for path in folder.iterdir():
        data = path.read_bytes()
        if data[:2] == b"\x80\x04":
            pickle.loads(data)  # noqa: TID251 - the cheat that the contract must catch
    return open_folder(folder)


def remembers_place(folder):
    scorer = open_folder(folder)
    scorer.fingerprint = _digest(str(folder).encode())
    return scorer


def nameless_version(folder):
    try:
        return open_folder(folder)
    except ModelFileError as error:
        raise ModelFileError("cannot open") from error


def exits_with_one(folder):
    try:
        return open_folder(folder)
    except ModelFileError as error:
        raise CinchonaError("internal") from error


def other_endpoints(folder):
    scorer = open_folder(folder)
    scorer.endpoints = (Endpoint("other"),)
    return scorer


def save_with_time(scorer, folder):
    save(scorer, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "made": folder.name}))


def save_with_path(scorer, folder):
    save(scorer, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "from": str(folder)}))


def save_with_pickle(scorer, folder):
    save(scorer, folder)
    (folder / "extra.raw").write_bytes(pickle.dumps({"weight": scorer.weight}))


_CATCHES = [
    (save, rounds, "test_opened_is_saved"),
    (save, other_endpoints, "test_opened_describes_itself_as_saved"),
    (save_with_time, open_folder, "test_saving_twice_gives_one_fingerprint"),
    (save, remembers_place, "test_a_moved_folder_opens"),
    (save_with_path, open_folder, "test_the_folder_tells_nothing_of_the_machine"),
    (save_with_pickle, open_folder, "test_nothing_is_pickled"),
    (save, _lenient("altered"), "test_an_altered_byte_is_refused"),
    (save, exits_with_one, "test_an_altered_byte_is_refused"),
    (save, _lenient("unlisted"), "test_a_missing_file_is_refused"),
    (save, _lenient("damaged"), "test_a_missing_or_empty_folder_is_refused"),
    (save, raises_raw_errors, "test_a_damaged_configuration_is_refused"),
    (save, _lenient("unknown"), "test_an_unknown_schema_version_is_refused_by_name"),
    (save, nameless_version, "test_an_unknown_schema_version_is_refused_by_name"),
    (save, _lenient("unlisted"), "test_a_planted_pickle_is_refused_and_not_run"),
    (save, runs_pickles, "test_a_planted_pickle_is_refused_and_not_run"),
    (save, _lenient("a link"), "test_a_link_out_of_the_folder_is_refused"),
]


def _run(test, saver, opener, base: Path):
    base.mkdir()
    scorer = WeightScorer(0.1)
    saver(scorer, base / "model")
    known = {"scorer": scorer, "save": saver, "open_folder": opener, "folder": base / "model", "tmp_path": base,
             "smiles": GOOD_SMILES}  # fmt: skip
    method = getattr(ModelFolderContract(), test)
    method(**{name: known[name] for name in inspect.signature(method).parameters})


@pytest.mark.parametrize("saver,opener,test", _CATCHES, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_folder_is_caught(saver, opener, test, tmp_path):
    _run(test, save, open_folder, tmp_path / "honest")
    with pytest.raises(AssertionError):
        _run(test, saver, opener, tmp_path / "broken")


def test_every_test_of_the_contract_catches_somebody():
    assert {test for *_, test in _CATCHES} == {name for name in vars(ModelFolderContract) if name.startswith("test_")}
