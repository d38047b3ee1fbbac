"""Settings of DeepChem's models in our pipelines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cinchona.settings import Config

DeepChemModelName = Literal["multitask", "dmpnn"]
"""Models of DeepChem that run without DGL and TensorFlow, and whose weights are plain arrays."""
DeepChemFeaturizerName = Literal["circular", "maccs", "rdkit"]
"""DeepChem's CircularFingerprint, MACCSKeysFingerprint and RDKitDescriptors."""


class DeepChemConfig(Config):
    """What ``choice.model=deepchem`` fits; needs DeepChem, and so Python 3.11."""

    model: DeepChemModelName = "multitask"
    """``multitask``: MultitaskRegressor or MultitaskClassifier on a vector; ``dmpnn``: DMPNNModel on graphs."""
    featurizer: DeepChemFeaturizerName = "circular"
    """Vector for ``multitask``; ``dmpnn`` has its own."""
    epochs: int = Field(30, ge=1, le=10_000)
    """Passes over the training and validation part."""
    layers: tuple[int, ...] = (500,)
    """Widths of the hidden layers of ``multitask``."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the units of ``multitask`` that are dropped in training."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """Learning rate (Adam)."""
    batch_size: int = Field(50, ge=1, le=100_000)
    """Compounds in one optimization step."""


__all__ = ["DeepChemConfig", "DeepChemFeaturizerName", "DeepChemModelName"]
