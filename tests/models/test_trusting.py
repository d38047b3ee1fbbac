"""The seam of trust: what a model says of its predictions is stored, pinned, restored and never fitted again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cinchona.digests import digest_file
from cinchona.errors import ModelFileError
from cinchona.models import trusting
from cinchona.models.baselines import MeanScorer
from cinchona.models.folder import model_fingerprint, open_scorer, read_trust, save_model
from cinchona.models.trusting import Judged, Trust, Whereabouts
from cinchona.records import DOMAIN_UNKNOWN, CompoundBatch, Endpoint

SMILES = ("CCO", "not a molecule", "c1ccccc1")


class Wide:
    """A conformal part of one half width for each endpoint."""

    def __init__(self, half):
        self.half = np.asarray(half, np.float64)

    def judge(self, found, distance):
        reach = self.half if distance is None else self.half * (1 + distance[:, None])
        return Judged(
            found.value, np.broadcast_to(reach / 2, found.value.shape), found.value - reach, found.value + reach
        )

    def spec(self):
        return {"kind": "wide"}

    def arrays(self):
        return {"half": self.half}

    @classmethod
    def restore(cls, spec, arrays, endpoints):  # noqa: ARG003
        if arrays["half"].shape != (len(endpoints),):
            raise ValueError("one half width an endpoint")
        return cls(arrays["half"])


class Line:
    """A domain part: the longer the SMILES, the farther."""

    def __init__(self, limit):
        self.limit = limit

    def locate(self, batch, found):
        length = np.array([len(text) for text, kept in zip(batch.smiles, found.kept, strict=True) if kept], float)
        return Whereabouts((length <= self.limit).astype(np.int8), length, tuple("x" * int(n) for n in length))

    def spec(self):
        return {"limit": self.limit}

    def arrays(self):
        return {}

    @classmethod
    def restore(cls, spec, arrays, endpoints):  # noqa: ARG003
        return cls(spec["limit"])


@pytest.fixture
def parts(monkeypatch):
    """Let the stand-ins be found as parts of a model folder."""
    monkeypatch.setattr(trusting, "PARTS", {"conformal": ("stand_in", "Wide"), "domain": ("stand_in", "Line")})
    import_module = trusting.importlib.import_module
    here = type("Module", (), {"Wide": Wide, "Line": Line})
    monkeypatch.setattr(
        trusting.importlib, "import_module", lambda name: here if name.endswith("stand_in") else import_module(name)
    )


@pytest.fixture
def model():
    return MeanScorer([2.0, 0.5], endpoints=[Endpoint("pIC50"), Endpoint("active", kind="classification")])


def test_without_trust_nothing_is_added(model):
    scores = model.score(CompoundBatch.of(SMILES))
    assert (scores.lower, scores.upper, scores.in_domain, scores.nearest_train_ids) == (None,) * 4


def test_trust_fills_the_optional_columns(model):
    model.trust = Trust(conformal=Wide([1.0, 0.25]), domain=Line(5))
    batch = CompoundBatch.of(SMILES)
    scores = model.score(batch).check_accounts_for(batch)
    np.testing.assert_allclose(scores.upper - scores.lower, [[8.0, 2.0], [18.0, 4.5]])
    assert scores.in_domain.tolist() == [[1, 1], [0, 0]]
    assert scores.nearest_train_ids == ("xxx", "x" * 8)
    assert scores.lower.dtype == np.float32
    assert DOMAIN_UNKNOWN not in scores.in_domain


def test_trust_is_part_of_what_a_plan_pins(model):
    bare = model.fingerprint
    prints = {bare}
    for trust in (
        Trust(Wide([1.0, 0.5])),
        Trust(Wide([1.0, 0.6])),
        Trust(domain=Line(5)),
        Trust(Wide([1.0, 0.5]), Line(5)),
    ):
        model.trust = trust
        prints.add(model.fingerprint)
    assert len(prints) == 5
    model.trust = Trust()
    assert model.fingerprint == bare


def test_trust_survives_the_folder(model, parts, tmp_path):
    model.trust = Trust(conformal=Wide([1.0, 0.25]), domain=Line(5))
    save_model(model, tmp_path / "model", trust={"conformal": None, "domain": None, "metrics": []})
    assert (tmp_path / "model" / "trust.safetensors").is_file()
    twin = open_scorer(tmp_path / "model")
    assert twin.fingerprint == model.fingerprint == model_fingerprint(tmp_path / "model")
    assert read_trust(tmp_path / "model")["domain"] == {"limit": 5}
    one, other = model.score(CompoundBatch.of(SMILES)), twin.score(CompoundBatch.of(SMILES))
    for name in ("value", "uncertainty", "lower", "upper", "in_domain"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_record_of_another_models_trust_is_not_written(model, tmp_path):
    save_model(model, tmp_path / "model", trust={"conformal": {"kind": "wide"}})
    assert read_trust(tmp_path / "model")["conformal"] is None
    assert open_scorer(tmp_path / "model").trust.parts == {}
    assert not (tmp_path / "model" / "trust.safetensors").exists()


@pytest.mark.parametrize("harm", ["removed", "altered", "unlisted", "other width", "other golden"])
def test_damaged_trust_is_refused(model, parts, tmp_path, harm):
    model.trust = Trust(conformal=Wide([1.0, 0.25]))
    folder = tmp_path / "model"
    save_model(model, folder)
    arrays, config = folder / "trust.safetensors", json.loads((folder / "config.json").read_text())
    if harm == "removed":
        arrays.unlink()
    elif harm == "altered":
        arrays.write_bytes(arrays.read_bytes()[:-1] + b"!")
    elif harm == "unlisted":
        del config["files"]["trust.safetensors"]
    else:
        wrong = {"other width": [1.0], "other golden": [1.0, 0.3]}[harm]
        arrays.write_bytes(trusting.pack_arrays({"conformal.half": np.array(wrong)}))
        config["files"]["trust.safetensors"]["sha256"] = digest_file(arrays)
        if harm == "other golden":
            model.trust = Trust(conformal=Wide(wrong))
            config["fingerprint"] = model.fingerprint
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError):
        open_scorer(folder)
