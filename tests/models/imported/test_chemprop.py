"""Chemprop checkpoints predict here what Chemprop's formulas say, and what cannot be represented is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.model_folder import ModelFolderContract
from contracts.scorer import ScorerContract
from foreign_models import HIDDEN, random_weights, reference, write_checkpoint
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import code_columns
from cinchona.errors import ConfigError, ModelFileError
from cinchona.models.folder import open_scorer, read_trust, save_model
from cinchona.models.imported.descriptors import DESCRIPTORS, descriptor_rows, descriptor_width
from cinchona.models.imported.importing import checkpoints, import_model, read_foreign
from cinchona.records import CompoundBatch

SMILES = (
    "CCO",
    "c1ccccc1C(=O)N",
    "C[C@H](N)C(=O)O",
    "F/C=C/Cl",
    "[Na+].[Cl-]",
    "C",
    "CC(C)(C)c1ccc(O)cc1",
    "C1CC1N(=O)=O",
)


def scored(source, **options) -> np.ndarray:
    scorer, _ = read_foreign(source, **options)
    found = scorer.score(CompoundBatch.of(list(SMILES)))
    assert found.value.dtype == np.float32
    assert not found.rejects
    return found.value


@pytest.mark.parametrize(
    ("aggregation", "name"), [("norm", "NormAggregation"), ("mean", "MeanAggregation"), ("sum", "SumAggregation")]
)
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_aggregations_and_depths(aggregation, name, depth, tmp_path):
    weights = random_weights(3)
    path = write_checkpoint(tmp_path / "best.pt", weights, aggregation=name, encoder={"depth": depth}, norm=20.0)
    wanted = reference(weights, SMILES, depth=depth, aggregation=aggregation, norm=20.0)
    np.testing.assert_allclose(scored(path), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("options", [
    {"layers": 0}, {"layers": 3}, {"bias": True}, {"batch_norm": True}, {"targets": 3}, {"scaled": False},
    {"bias": True, "batch_norm": True, "layers": 2, "targets": 2},
])  # fmt: skip
def test_parts_of_the_network(options, tmp_path):
    weights = random_weights(5, **options)
    columns = [f"t{k}" for k in range(options.get("targets", 1))]
    path = write_checkpoint(tmp_path / "best.pt", weights, columns=columns)
    np.testing.assert_allclose(scored(path), reference(weights, SMILES), rtol=2e-5, atol=2e-5)


def test_classes_are_probabilities(tmp_path):
    weights = random_weights(7, targets=2, scaled=False)
    path = write_checkpoint(tmp_path / "best.pt", weights, columns=("a", "b"), kind="BinaryClassificationFFN")
    scorer, _ = read_foreign(path)
    assert [(e.name, e.kind) for e in scorer.endpoints] == [("a", "classification"), ("b", "classification")]
    np.testing.assert_allclose(scored(path), reference(weights, SMILES, classes=True), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["morgan_binary", "charge", "rdkit_2d"])
def test_descriptors(name, tmp_path):
    weights = random_weights(9, extra=descriptor_width(name))
    path = write_checkpoint(tmp_path / "best.pt", weights)
    smiles = [s for s in SMILES if "." not in s]  # RDKit has no partial charges of ions, so no 2-D descriptors
    extra = descriptor_rows(name, [Chem.MolFromSmiles(s) for s in smiles]).astype(float)
    wanted = reference(weights, smiles, extra=extra)
    scorer, _ = read_foreign(path, descriptors=name)
    gap = np.abs(scorer.score(CompoundBatch.of(smiles)).value - wanted) / np.maximum(1, np.abs(wanted))
    assert gap.max() < 1e-4
    with pytest.raises(ModelFileError, match="descriptors of the whole molecule") as told:
        read_foreign(path)
    assert name in told.value.expected
    for wrong in set(DESCRIPTORS) - {name, "morgan_count"}:
        with pytest.raises(ModelFileError, match="descriptors"):
            read_foreign(path, descriptors=wrong)


def test_descriptors_that_are_not_defined_reject_the_row(tmp_path, monkeypatch):
    path = write_checkpoint(tmp_path / "best.pt", random_weights(9, extra=1))
    scorer, _ = read_foreign(path, descriptors="charge")
    monkeypatch.setattr(
        "cinchona.models.imported.scorer.descriptor_rows",
        lambda _, mols: np.array([[np.nan] if m.GetNumAtoms() == 1 else [0.0] for m in mols], np.float32),
    )
    found = scorer.score(CompoundBatch.of(["CC", "bad", "C", "CCC"]))
    assert found.row_ids.tolist() == [0, 3]
    assert [(r.row_id, str(r.stage)) for r in found.rejects] == [(1, "parse"), (2, "featurize")]


def test_an_ensemble_is_the_mean_and_keeps_its_spread(tmp_path):
    members = [random_weights(seed, targets=2) for seed in (1, 2, 3)]
    for k, weights in enumerate(members):
        (tmp_path / f"model_{k}").mkdir()
        write_checkpoint(tmp_path / f"model_{k}" / "best.pt", weights, columns=("a", "b"))
    each = np.stack([reference(w, SMILES) for w in members])
    scorer, files = read_foreign(tmp_path)
    found = scorer.score(CompoundBatch.of(list(SMILES)))
    np.testing.assert_allclose(found.value, each.mean(axis=0), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(found.uncertainty, each.std(axis=0), rtol=2e-4, atol=2e-5)
    assert scorer.name == "Chemprop x 3"
    assert [f.parent.name for f in files] == ["model_0", "model_1", "model_2"]
    assert checkpoints(str(tmp_path / "model_[01]" / "*.pt")) == files[:2]


def test_names_of_outputs(tmp_path):
    path = write_checkpoint(tmp_path / "best.pt", random_weights(targets=2), columns=("a", "b"))
    assert [e.name for e in read_foreign(path, targets=["x", "y"])[0].endpoints] == ["x", "y"]
    with pytest.raises(ModelFileError, match="2 outputs and 1 names"):
        read_foreign(path, targets=["x"])
    bare = write_checkpoint(
        tmp_path / "bare.ckpt", random_weights(targets=2), columns=("a", "b"), change=lambda c: c.pop("output_columns")
    )
    assert [e.name for e in read_foreign(bare)[0].endpoints] == ["target_0", "target_1"]


def test_prepared_codes_give_the_same_bits_and_no_molecule_is_parsed(tmp_path, monkeypatch):
    import pyarrow as pa

    scorer, _ = read_foreign(write_checkpoint(tmp_path / "best.pt"))
    batch = CompoundBatch.of(list(SMILES))
    wanted = scorer.score(batch).value
    codes = code_columns(codes_of_many([Chem.MolFromSmiles(s) for s in SMILES]), np.arange(len(SMILES)), len(SMILES))
    columns = {name: batch.data.column(k) for k, name in enumerate(batch.data.schema.names)} | codes
    monkeypatch.setattr("cinchona.models.coded_input.parse_smiles", lambda _: pytest.fail("parsed"))
    found = scorer.score(CompoundBatch(pa.RecordBatch.from_pydict(columns)))
    np.testing.assert_array_equal(found.value, wanted)


# ------------------------------------------------------------------------------------------------------ refusals


def without(name):
    return lambda content: content["state_dict"].pop(name)


def with_weight(name, *shape):
    return lambda content: content["state_dict"].update({name: torch.zeros(*shape)})


@pytest.mark.parametrize(("options", "words"), [
    ({"encoder_class": "AtomMessagePassing"}, "its encoder is AtomMessagePassing"),
    ({"encoder": {"undirected": True}}, "undirected"),
    ({"encoder": {"d_v": 133}}, "133 and 14 features"),
    ({"encoder": {"d_vd": 4}}, "extra atom descriptors"),
    ({"encoder": {"activation": torch.nn.Tanh()}}, "activation is Tanh"),
    ({"predictor": {"activation": "elu"}}, "activation is elu"),
    ({"aggregation": "AttentiveAggregation"}, "AttentiveAggregation"),
    ({"kind": "MveFFN"}, "its predictor is MveFFN"),
    ({"change": without("message_passing.W_h.weight")}, "W_h.weight is missing"),
    ({"change": without("predictor.ffn.0.0.weight")}, "missing"),
    ({"change": with_weight("message_passing.W_d.weight", 3, 3)}, "not known here: message_passing.W_d.weight"),
    ({"change": with_weight("message_passing.W_o.weight", 5, 5)}, "has shape"),
    ({"change": with_weight("predictor.output_transform.mean", 1, 7)}, "does not belong"),
    ({"change": lambda c: c["state_dict"].update({"predictor.ffn.1.2.bias": torch.full((1,), torch.nan)})}, "undefined numbers"),
    ({"change": lambda c: c["hyper_parameters"].pop("agg")}, "no agg"),
    ({"change": lambda c: c.pop("hyper_parameters")}, "no hyper_parameters"),
    ({"change": lambda c: c["state_dict"].update(other="text")}, "no array of numbers"),
])  # fmt: skip
def test_what_cannot_be_represented_is_refused(options, words, tmp_path):
    path = write_checkpoint(tmp_path / "best.pt", **options)
    with pytest.raises(ModelFileError, match=words) as told:
        read_foreign(path)
    assert told.value.expected


def test_models_that_do_not_belong_together(tmp_path):
    write_checkpoint(tmp_path / "a.pt", columns=("y",))
    write_checkpoint(tmp_path / "b.pt", columns=("z",))
    with pytest.raises(ModelFileError, match="differ in shape or targets"):
        read_foreign(tmp_path)


def test_nothing_there(tmp_path):
    for source in (tmp_path / "none.pt", tmp_path, tmp_path / "*.pt"):
        with pytest.raises(ModelFileError, match="no checkpoint"):
            read_foreign(source)


# ------------------------------------------------------------------------------------------------------- folders


def test_a_folder_keeps_where_it_comes_from(tmp_path):
    path = write_checkpoint(tmp_path / "best.pt")
    done = import_model(path, out=tmp_path / "model")
    opened = open_scorer(done.folder)
    np.testing.assert_array_equal(opened.score(CompoundBatch.of(list(SMILES))).value, scored(path))
    (file,) = read_trust(done.folder)["imported"]["files"]
    assert file["name"] == "best.pt" and len(file["sha256"]) == 64
    with pytest.raises(ConfigError, match="taken"):
        import_model(path, out=tmp_path / "model")


@pytest.fixture
def imported(tmp_path):
    scorer, _ = read_foreign(write_checkpoint(tmp_path / "best.pt", random_weights(targets=2), columns=("a", "b")))
    return scorer


class TestImportedScorer(ScorerContract):
    @pytest.fixture
    def scorer(self, imported):
        return imported


class TestImportedFolder(ModelFolderContract):
    @pytest.fixture
    def scorer(self, imported):
        return imported

    @pytest.fixture
    def save(self):
        return partial(save_model, trust={})


def test_a_folder_whose_arrays_were_exchanged(tmp_path):
    import json

    done = import_model(write_checkpoint(tmp_path / "best.pt"), out=tmp_path / "model")
    config = json.loads((done.folder / "config.json").read_text())
    config["spec"]["blocks"][0]["head_layers"] = 1
    (done.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError):
        open_scorer(done.folder)
    assert HIDDEN == 12


def test_comparison_with_the_original(tmp_path, monkeypatch):
    """A program in the place of Chemprop's answers what the reference says, and once something else."""
    import sys

    from cinchona.models.imported import comparison

    weights = random_weights(4)
    path = write_checkpoint(tmp_path / "best.pt", weights)
    smiles = comparison.some_smiles(6)
    values = reference(weights, smiles)[:, 0]
    answers = tmp_path / "answers.csv"
    answers.write_text("smiles,y\n" + "".join(f"{s},{v}\n" for s, v in zip(smiles, values, strict=True)))
    program = tmp_path / "bin" / "chemprop"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport shutil, sys\nshutil.copy({str(answers)!r}, sys.argv[sys.argv.index('-o') + 1])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(comparison, "some_smiles", lambda: smiles)
    done = import_model(path, out=tmp_path / "model", compare=True)
    assert done.comparison is not None
    (found,) = done.comparison.endpoints
    assert (done.comparison.molecules, found.endpoint) == (6, "y")
    assert found.largest < 1e-4
    assert "| y |" in (done.folder / "report" / "comparison.md").read_text()
    open_scorer(done.folder)
    answers.write_text("smiles,z\nCCO,1\n" + "".join(f"{s},1\n" for s in smiles))
    with pytest.raises(ModelFileError, match="gives no y"):
        import_model(path, out=tmp_path / "other", compare=True)
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such file')\n")
    with pytest.raises(ModelFileError, match="chemprop failed: no such file"):
        import_model(path, out=tmp_path / "other", compare=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="not installed"):
        import_model(path, out=tmp_path / "other", compare=True)
    assert not (tmp_path / "other").exists()
    assert Path(done.folder).is_dir()
