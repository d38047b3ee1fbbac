"""DeepChem's featurizers and networks by the names of our settings, and what is needed to make one again."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cinchona.datasets.deepchem_bridge import deepchem
from cinchona.models.deepchem_bridge.config import DeepChemFeaturizerName, DeepChemModelName
from cinchona.models.threads import one_torch_thread

_SIZE: Final = 2048
_RADIUS: Final = 2


class DeepChemShape(BaseModel):
    """What decides the form of a network of DeepChem; stands in model folders."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: DeepChemModelName
    """Which network."""
    featurizer: DeepChemFeaturizerName
    """Which vector; not looked at by ``dmpnn``."""
    mode: Literal["regression", "classification"]
    """Kind of all targets."""
    n_tasks: int = Field(ge=1, le=10_000)
    """Targets."""
    n_features: int = Field(ge=0, le=100_000)
    """Width of the vector; 0 for ``dmpnn``."""
    layers: tuple[int, ...] = Field(max_length=20)
    """Widths of hidden layers of ``multitask``."""
    dropout: float = Field(ge=0, lt=1)
    """Dropout in training."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate in training."""
    batch_size: int = Field(50, ge=1)
    """Compounds in one step."""


def featurizer_of(shape: DeepChemShape) -> Any:  # noqa: ANN401 - without types
    """The featurizer of a shape.

    Raises:
        MissingDependencyError: if DeepChem cannot be used.
    """
    feat = deepchem().feat
    if shape.model == "dmpnn":
        return feat.DMPNNFeaturizer()
    made = {"maccs": feat.MACCSKeysFingerprint, "rdkit": feat.RDKitDescriptors}
    if shape.featurizer == "circular":
        return feat.CircularFingerprint(size=_SIZE, radius=_RADIUS, is_counts_based=False)
    return made[shape.featurizer]()


def network_of(shape: DeepChemShape, *, seed: int = 0) -> Any:  # noqa: ANN401 - without types
    """A network of a shape with drawn weights; global random states stay as they were.

    Raises:
        MissingDependencyError: if DeepChem cannot be used.
    """
    models = deepchem().models
    with seeded(seed):
        if shape.model == "dmpnn":
            made = models.DMPNNModel(
                mode=shape.mode, n_classes=2, n_tasks=shape.n_tasks, batch_size=shape.batch_size,
                learning_rate=shape.learning_rate, device="cpu",
            )  # fmt: skip
        else:
            kind = models.MultitaskRegressor if shape.mode == "regression" else models.MultitaskClassifier
            made = kind(
                n_tasks=shape.n_tasks, n_features=shape.n_features, layer_sizes=list(shape.layers), dropouts=shape.dropout,
                batch_size=shape.batch_size, learning_rate=shape.learning_rate, device="cpu",
            )  # fmt: skip
    without_folder(made)
    return made


def without_folder(model: Any) -> None:  # noqa: ANN401 - without types
    """Remove the temporary folder of a model, which copies of it in other processes would remove a second time."""
    if getattr(model, "model_dir_is_temp", False):
        shutil.rmtree(model.model_dir, ignore_errors=True)
        model.model_dir_is_temp = False


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Global random states of numpy and torch, which DeepChem draws from, set for the block and put back after it.

    Warnings that its training gives rise to in torch are for its developers and stay silent.
    """
    import torch

    state = np.random.get_state()  # noqa: NPY002 - DeepChem draws from it
    with one_torch_thread(strict=False), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)  # noqa: TID251 - DeepChem takes no generator
        np.random.seed(seed)  # noqa: NPY002, TID251
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


__all__ = ["DeepChemShape", "featurizer_of", "network_of", "seeded", "without_folder"]
