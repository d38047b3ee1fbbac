"""DeepChem both ways: datasets, splitters, models, and errors that say what to do. One module, since its import takes seconds."""

from __future__ import annotations

import json
import os
import pickle
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from contracts.scorer import ScorerContract
from rdkit import Chem
from small_assays import SMILES, heavy_atoms, table_of

from cinchona.datasets import deepchem_bridge
from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.deepchem_bridge import load_csv, split_by, to_deepchem, write_deepchem
from cinchona.datasets.deepchem_disk import METADATA, from_deepchem, is_deepchem_folder, read_deepchem_folder
from cinchona.datasets.splits import make_split
from cinchona.errors import ConfigError, InputError, MissingDependencyError, UnsafeFileError
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.deepchem_bridge.config import DeepChemConfig
from cinchona.models.deepchem_bridge.foreign import DeepChemObject
from cinchona.models.deepchem_bridge.model import deepchem_model
from cinchona.models.deepchem_bridge.scorer import DeepChemScorer
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.scorers import endpoints_of
from cinchona.records import CompoundBatch, Endpoint

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 12), reason="DeepChem 2.8 needs Python 3.11")
ROWS = np.arange(len(SMILES))


@pytest.fixture(scope="module")
def dc():
    pytest.importorskip("deepchem", reason="needs DeepChem: pip install 'cinchona[screening]'")
    return deepchem_bridge.deepchem()


@pytest.fixture(scope="module")
def table(dc):
    values = np.stack([heavy_atoms(), np.arange(len(SMILES), dtype=float)], axis=1)
    values[4, 1] = np.nan
    return table_of(values, kinds=("regression", "regression"))


@pytest.fixture(scope="module")
def heavy(dc):
    return table_of(heavy_atoms()[:, None])


@pytest.fixture
def folder(dc, table, tmp_path):
    """A folder as DeepChem writes it, texts as objects."""
    data = to_deepchem(table)
    dc.data.DiskDataset.from_numpy(data.X, data.y, data.w, data.ids, tasks=["a", "b"], data_dir=str(tmp_path / "disk"))
    return tmp_path / "disk"


class TestDatasets:
    def test_our_table_becomes_a_dataset_with_missing_labels_of_weight_zero(self, table):
        data = to_deepchem(table)
        assert data.y.shape == data.w.shape == (len(SMILES), 2)
        assert data.w[4].tolist() == [1.0, 0.0]
        assert data.ids.tolist() == list(SMILES)

    def test_there_and_back_in_memory(self, table):
        found = from_deepchem(to_deepchem(table))
        assert found["smiles"].to_pylist() == table.smiles
        np.testing.assert_array_equal(found["task0"].to_numpy(zero_copy_only=False), table.values[:, 0])
        assert found["task1"].to_pylist()[4] is None

    def test_there_and_back_on_disk_without_a_pickle(self, table, tmp_path):
        write_deepchem(table, tmp_path / "out")
        for path in (tmp_path / "out").glob("*.npy"):
            np.load(path, allow_pickle=False)
        found = read_assay_table(tmp_path / "out", targets=["target0", "target1"])
        assert found.compound_ids == table.compound_ids
        np.testing.assert_array_equal(found.values, table.values)
        with pytest.raises(ConfigError, match="not empty"):
            write_deepchem(table, tmp_path / "out")

    def test_what_deepchem_wrote_is_read_without_running_it(self, folder, table, dc):
        assert is_deepchem_folder(folder)
        found = read_deepchem_folder(folder)
        assert found["smiles"].to_pylist() == table.smiles
        assert found["b"].null_count == 1
        assert from_deepchem(dc.data.DiskDataset(str(folder))).equals(found)

    def test_molecules_as_inputs(self, dc):
        mols = np.empty(2, dtype=object)
        mols[:] = [Chem.MolFromSmiles("CCO"), Chem.MolFromSmiles("CCN")]
        data = dc.data.NumpyDataset(X=mols, y=np.array([1.0, 2.0]), ids=np.array(["x", "y"], dtype=object))
        assert from_deepchem(data)["smiles"].to_pylist() == ["CCO", "CCN"]

    def test_without_structures(self, dc):
        with pytest.raises(InputError, match="no structures"):
            from_deepchem(dc.data.NumpyDataset(X=np.zeros((3, 2)), y=np.zeros((3, 1))))

    def test_a_file_of_moleculenet_by_its_loader(self, dc, tmp_path):
        if "CINCHONA_DATA" not in os.environ:
            pytest.skip("needs CINCHONA_DATA with molprop/moleculenet")
        whole = Path(os.environ["CINCHONA_DATA"], "molprop", "moleculenet", "esol_delaney.csv").read_text()
        path = tmp_path / "esol.csv"
        path.write_text("".join(whole.splitlines(keepends=True)[:120]))
        column = "measured log solubility in mols per litre"
        theirs = read_assay_table(load_csv(path, tasks=[column]), targets=[column])
        ours = read_assay_table(path, targets=[column])
        assert theirs.smiles == ours.smiles
        np.testing.assert_allclose(theirs.values, ours.values)


class Burglar:
    def __reduce__(self):
        return os.system, ("touch burgled",)


class TestHostileFolders:
    @pytest.mark.parametrize("name", ["ids", "y"])
    def test_a_pickle_is_not_run(self, folder, name, monkeypatch):
        monkeypatch.chdir(folder)
        bad = np.empty(1, dtype=object)
        bad[0] = Burglar()
        with (folder / f"shard-0-{name}.npy").open("wb") as file:
            np.lib.format.write_array(file, bad, allow_pickle=True)
        with pytest.raises((UnsafeFileError, InputError)):
            read_deepchem_folder(folder)
        assert not (folder / "burgled").exists()

    def test_the_obsolete_description_is_refused(self, folder):
        (folder / METADATA).unlink()
        (folder / "metadata.joblib").write_bytes(pickle.dumps(["a"]))
        with pytest.raises(UnsafeFileError, match="could run any program"):
            read_deepchem_folder(folder)

    def test_no_file_outside_is_read(self, folder):
        import gzip

        text = gzip.decompress((folder / METADATA).read_bytes()).replace(b"shard-0-ids.npy", b"../elsewhere.npy")
        (folder / METADATA).write_bytes(gzip.compress(text))
        with pytest.raises(UnsafeFileError):
            read_deepchem_folder(folder)

    @pytest.mark.parametrize("file,content", [
        ("tasks.json", b"{"), ("tasks.json", json.dumps("a").encode()), (METADATA, b"no gzip"), ("shard-0-y.npy", b"\x93NUMPY"),
        ("shard-0-ids.npy", b""),
    ])  # fmt: skip
    def test_damage_is_told(self, folder, file, content):
        (folder / file).write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            read_deepchem_folder(folder)


class TestSplitters:
    @pytest.mark.parametrize("name", ["RandomSplitter", "ScaffoldSplitter", "FingerprintSplitter", "MaxMinSplitter"])
    def test_every_row_is_in_one_part_and_the_seed_decides(self, heavy, name):
        parts = split_by(heavy, name, (0.8, 0.1, 0.1), seed=3)
        assert np.bincount(parts, minlength=3).sum() == len(SMILES)
        assert parts.min() >= 0
        np.testing.assert_array_equal(parts, split_by(heavy, name, (0.8, 0.1, 0.1), seed=3))

    def test_as_a_setting_it_is_deepchems_own_split(self, dc, heavy):
        split = make_split(heavy, SplitConfig(kind="deepchem", splitter="ScaffoldSplitter"), seed=0)
        theirs = dc.splits.ScaffoldSplitter().split(
            to_deepchem(heavy), frac_train=0.8, frac_valid=0.1, frac_test=0.1, seed=0
        )
        for part, rows in zip((split.train, split.valid, split.test), theirs, strict=True):
            assert part.tolist() == sorted(rows)


def fitted(table, **changes):
    config = DeepChemConfig(epochs=60, layers=(32,), dropout=0.0, learning_rate=3e-3, **changes)
    return DeepChemScorer.fit(table, ROWS, endpoints=endpoints_of(table.targets), config=config, seed=1)


@pytest.fixture(scope="module")
def multitask(heavy):
    return fitted(heavy)


class TestMultitaskScorer(ScorerContract):
    @pytest.fixture
    def scorer(self, multitask):
        return multitask


class TestSklearnScorer(ScorerContract):
    @pytest.fixture
    def scorer(self, dc, heavy):
        from sklearn.linear_model import Ridge

        featurizer = dc.feat.MACCSKeysFingerprint()
        model = dc.models.SklearnModel(Ridge())
        model.fit(to_deepchem(heavy, featurizer=featurizer))
        return DeepChemObject(model, featurizer, endpoints=[Endpoint("heavy atoms")])


class TestScorers:
    def test_learns(self, multitask):
        found = multitask.score(CompoundBatch.of(SMILES)).value[:, 0]
        assert np.corrcoef(found, heavy_atoms())[0, 1] > 0.9

    @pytest.mark.parametrize("changes", [{}, {"featurizer": "rdkit"}, {"model": "dmpnn"}])
    def test_is_what_it_was_in_a_model_folder(self, heavy, tmp_path, changes):
        config = DeepChemConfig(epochs=2, layers=(8,), **changes)
        scorer = DeepChemScorer.fit(heavy, ROWS[:12], endpoints=endpoints_of(heavy.targets), config=config, seed=1)
        again = DeepChemScorer.fit(heavy, ROWS[:12], endpoints=endpoints_of(heavy.targets), config=config, seed=1)
        assert again.fingerprint == scorer.fingerprint
        save_model(scorer, tmp_path / "model", golden_smiles=SMILES[:3])
        opened = open_scorer(tmp_path / "model")
        assert opened.fingerprint == scorer.fingerprint
        np.testing.assert_array_equal(
            opened.score(CompoundBatch.of(SMILES)).value, scorer.score(CompoundBatch.of(SMILES)).value
        )

    def test_classes_and_missing_labels(self, dc):
        values = np.stack([heavy_atoms() > 6, heavy_atoms() % 2 == 0], axis=1).astype(float)
        values[:3, 1] = np.nan
        scorer = fitted(table_of(values, kinds=("classification", "classification")))
        found = scorer.score(CompoundBatch.of(SMILES)).value
        assert ((found >= 0) & (found <= 1)).all()
        assert found[values[:, 0] == 1, 0].mean() > found[values[:, 0] == 0, 0].mean() + 0.3

    def test_targets_of_both_kinds_are_refused(self, dc):
        mixed = table_of(np.zeros((8, 2)), kinds=("regression", "classification"))
        with pytest.raises(ConfigError, match="one kind"):
            DeepChemScorer.fit(
                mixed, np.arange(8), endpoints=endpoints_of(mixed.targets), config=DeepChemConfig(), seed=0
            )

    def test_global_random_states_stay(self, heavy):
        np.random.seed(5)  # noqa: NPY002, TID251
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        fitted(heavy, model="multitask")
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_transformers_are_undone(self, dc, heavy):
        from sklearn.linear_model import LinearRegression

        featurizer = dc.feat.MACCSKeysFingerprint()
        data = to_deepchem(heavy, featurizer=featurizer)
        scale = dc.trans.NormalizationTransformer(transform_y=True, dataset=data)
        model = dc.models.SklearnModel(LinearRegression())
        model.fit(scale.transform(data))
        scorer = DeepChemObject(model, featurizer, endpoints=[Endpoint("y")], transformers=[scale])
        found = scorer.score(CompoundBatch.of(SMILES)).value[:, 0]
        assert abs(found.mean() - heavy_atoms().mean()) < 0.5


class TestOursAsTheirs:
    def test_predicts_and_is_judged_by_their_metrics(self, dc, multitask, heavy):
        model = deepchem_model(multitask)
        data = to_deepchem(heavy)
        ours = multitask.score(CompoundBatch.of(SMILES)).value
        np.testing.assert_allclose(model.predict(data), ours, rtol=1e-6)
        told = model.evaluate(data, [dc.metrics.Metric(dc.metrics.mean_squared_error)])
        assert told["mean_squared_error"] == pytest.approx(np.mean((ours[:, 0] - heavy_atoms()) ** 2), rel=1e-4)
        assert isinstance(model, dc.models.Model)
        assert model.get_num_tasks() == 1

    def test_ids_are_structures_where_inputs_are_features(self, dc, multitask, heavy):
        data = to_deepchem(heavy, featurizer=dc.feat.MACCSKeysFingerprint())
        np.testing.assert_allclose(
            deepchem_model(multitask).predict(data), deepchem_model(multitask).predict(to_deepchem(heavy))
        )

    def test_fits_saves_and_comes_back(self, dc, heavy, tmp_path):
        small = {"network": GraphNetConfig(hidden=8, head_hidden=8, depth=2),
                 "training": TrainingConfig(ensemble_size=1, epochs=2, workers=1, pretrained="none")}  # fmt: skip
        model = deepchem_model(model_dir=str(tmp_path), **small)
        with pytest.raises(ConfigError, match="not fitted"):
            model.predict(to_deepchem(heavy))
        model.fit(to_deepchem(heavy))
        model.save()
        other = deepchem_model(model_dir=str(tmp_path))
        other.reload()
        np.testing.assert_array_equal(other.predict(to_deepchem(heavy)), model.predict(to_deepchem(heavy)))
        assert deepchem_model(tmp_path / "cinchona").scorer.fingerprint == model.scorer.fingerprint

    def test_classes_are_two_probabilities(self, dc):
        values = (heavy_atoms() > 6).astype(float)[:, None]
        table = table_of(values, kinds=("classification",))
        model = deepchem_model(fitted(table))
        found = model.predict(to_deepchem(table))
        assert found.shape == (len(SMILES), 1, 2)
        np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-6)
        told = model.evaluate(to_deepchem(table), [dc.metrics.Metric(dc.metrics.roc_auc_score)])
        assert told["roc_auc_score"] > 0.9


class TestInPipelines:
    def test_train_and_predict(self, dc, table, tmp_path):
        from cinchona.pipelines.config import Settings
        from cinchona.pipelines.predict import predict
        from cinchona.pipelines.train import train
        from cinchona.settings import load_settings

        write_deepchem(table, tmp_path / "data")
        changes = ["choice.model=deepchem", "deepchem.epochs=2", "deepchem.layers=[8]", "split.kind=deepchem",
                   "split.splitter=RandomSplitter", "training.forest_trees=5", "calibration.folds=2", "tracking.enabled=false"]  # fmt: skip
        settings = load_settings(Settings, overrides=changes, environ={})
        found = train(tmp_path / "data", targets=["target0"], out=tmp_path / "model", settings=settings, seed=1)
        assert found.compounds == len(SMILES)
        library = tmp_path / "few.smi"
        library.write_text("CCO a\nnope( b\nCCN c\n")
        told = predict(library, model=tmp_path / "model")
        assert (told.rows, told.predicted) == (3, 2)


class TestElsewhere:
    def test_without_deepchem(self, monkeypatch):
        def nothing(_name):
            raise metadata.PackageNotFoundError

        monkeypatch.setattr(deepchem_bridge.metadata, "version", nothing)
        with pytest.raises(MissingDependencyError, match="not installed") as told:
            deepchem_bridge.deepchem()
        assert "pip install 'cinchona[screening]'" in str(told.value)

    def test_an_old_one_on_a_new_python(self, monkeypatch):
        monkeypatch.setattr(deepchem_bridge.metadata, "version", lambda _: "2.5.0")
        monkeypatch.setattr(deepchem_bridge.sys, "version_info", (3, 12, 1))
        with pytest.raises(MissingDependencyError, match=r"DeepChem 2\.5\.0 is installed") as told:
            deepchem_bridge.deepchem()
        assert "use Python 3.11" in str(told.value)
