"""Our models as models of DeepChem: fitted to its datasets, judged by its metrics, stored in our folders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.deepchem_bridge import deepchem
from cinchona.datasets.deepchem_disk import from_deepchem
from cinchona.datasets.splits import make_split
from cinchona.errors import ConfigError
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.scorers import ArrayScorer
from cinchona.models.train import fit_ensemble
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch

FOLDER: Final = "cinchona"
"""Model folder inside of DeepChem's ``model_dir``."""


class CinchonaModel:
    """A scorer of ours with the interface of ``deepchem.models.Model``; made by :func:`deepchem_model`.

    Inputs are SMILES or RDKit molecules, or anything where the ids of the dataset are SMILES. Structures are taken as they are: standardize them before.
    """

    model: Any
    model_dir: str

    def __init__(
        self, scorer: Scorer | None = None, *, model_dir: str | None = None, network: GraphNetConfig | None = None,
        training: TrainingConfig | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(model=scorer, model_dir=model_dir)  # type: ignore[call-arg] # DeepChem's class stands behind
        self.network, self.training, self.seed = network or GraphNetConfig(), training or TrainingConfig(), seed

    @property
    def scorer(self) -> Scorer:
        """What predicts.

        Raises:
            ConfigError: if there is none yet.
        """
        if self.model is None:
            raise ConfigError("the model is not fitted", expected="a scorer", remedy="call fit(dataset), or reload()")
        found: Scorer = self.model
        return found

    def fit(self, dataset: Any) -> None:  # noqa: ANN401 - DeepChem's dataset
        """Fit an ensemble of graph networks; a tenth of the compounds, whole scaffolds, is held out to stop by.

        Raises:
            InputError: if the dataset has no structures.
            NoUsableRowsError: if it has no labels.
        """
        table = from_deepchem(dataset)
        targets = [name for name in table.schema.names if name not in {"compound_id", "smiles"}]
        data = read_assay_table(table, targets=targets)
        split = make_split(data, SplitConfig(kind="scaffold", fractions=(0.9, 0.1, 0.0)), seed=self.seed)
        self.model = fit_ensemble(data, split, network=self.network, training=self.training, seed=self.seed)

    def predict_on_batch(self, X: Any) -> np.ndarray:  # noqa: ANN401 - DeepChem's name and type
        """Predict structures.

        Returns:
            Values, float32, shape (n, t); for classes the probabilities of both, (n, t, 2). NaN where there is no prediction.
        """
        smiles = [Chem.MolToSmiles(one) if isinstance(one, Chem.Mol) else str(one) for one in X]
        scores = self.scorer.score(CompoundBatch.of(smiles))
        value = np.full((len(smiles), len(self.scorer.endpoints)), np.nan, np.float32)
        value[scores.row_ids] = scores.value
        return np.stack([1 - value, value], axis=2) if self.get_task_type() == "classification" else value

    def predict(self, dataset: Any, transformers: Sequence[Any] = ()) -> np.ndarray:  # noqa: ANN401 - DeepChem's types
        """Predict a dataset, as :meth:`predict_on_batch`; ``transformers`` of the labels are undone."""
        from deepchem.trans import undo_transforms

        inputs = dataset.X
        has_structures = len(inputs) and np.ndim(inputs) == 1 and isinstance(inputs[0], str | Chem.Mol)
        found = self.predict_on_batch(inputs if has_structures else dataset.ids)
        undone: np.ndarray = undo_transforms(found, list(transformers))
        return undone

    def save(self) -> None:
        """Write the scorer into ``model_dir``/cinchona as one of our model folders: no pickle.

        Raises:
            ConfigError: if it is no scorer that can be saved, or the folder is taken.
        """
        if not isinstance(self.model, ArrayScorer):
            raise ConfigError("this scorer cannot be saved", expected="a model that consists of plain arrays")
        save_model(self.model, Path(self.model_dir, FOLDER))

    def reload(self) -> None:
        """Open what :meth:`save` wrote; all of it is checked first.

        Raises:
            ModelFileError: if it is missing or damaged.
        """
        self.model = open_scorer(Path(self.model_dir, FOLDER))

    def get_task_type(self) -> str:
        """``regression`` or ``classification``; DeepChem knows one kind for all tasks.

        Raises:
            ConfigError: if the endpoints are of both kinds.
        """
        kinds = {"classification" if e.kind == "classification" else "regression" for e in self.scorer.endpoints}
        if len(kinds) > 1:
            raise ConfigError("the endpoints are of both kinds", expected="only numbers, or only classes, for DeepChem")
        return kinds.pop()

    def get_num_tasks(self) -> int:
        """Number of endpoints."""
        return len(self.scorer.endpoints)


def deepchem_model(
    model: Scorer | str | Path | None = None, *, model_dir: str | None = None, network: GraphNetConfig | None = None,
    training: TrainingConfig | None = None, seed: int = 0,
) -> Any:  # noqa: ANN401 - a model of DeepChem # fmt: skip
    """A model of DeepChem that is ours inside.

    Args:
        model: A scorer or a model folder; None for one that is still to be fitted.
        model_dir: Folder for ``save`` and ``reload``; None takes a temporary one, as DeepChem does.
        network: Shape of the networks that ``fit`` trains.
        training: How it trains them.
        seed: Seed of ``fit``.

    Raises:
        MissingDependencyError: if DeepChem cannot be used.
        ModelFileError: if the folder holds no usable model.
    """
    scorer = open_scorer(model) if isinstance(model, str | Path) else model
    return _kind()(scorer, model_dir=model_dir, network=network, training=training, seed=seed)


@cache
def _kind() -> Any:  # noqa: ANN401 - a class with a base that is known at run time
    return type("CinchonaModel", (CinchonaModel, deepchem().models.Model), {"__doc__": CinchonaModel.__doc__})


__all__ = ["CinchonaModel", "deepchem_model"]
