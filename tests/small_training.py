"""A training that takes seconds: a slice of the Nav1.7 series and a network of a few units."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from cinchona.datasets.catalogue import resolve
from cinchona.pipelines.config import Settings
from cinchona.pipelines.train import TrainResult, train
from cinchona.settings import load_settings

QUICK = ("network.hidden=16", "network.head_hidden=16", "training.epochs=3", "training.ensemble_size=2",
         "training.forest_trees=10", "tracking.enabled=false", "executor.kind=serial")  # fmt: skip


def quick_settings(*changes: str) -> Settings:
    """Settings of a training and a screen that take seconds."""
    return load_settings(Settings, overrides=[*QUICK, *changes], environ={})


def nav17(rows: int = 120) -> pa.Table:
    """The first rows of the Nav1.7 series: compound_id, smiles, pIC50."""
    table = resolve("nav17")
    assert isinstance(table, pa.Table)
    return table.slice(0, rows)


def quick_model(out: Path, **options) -> TrainResult:
    """A trained model folder."""
    return train(nav17(), targets=["pIC50"], out=out, settings=quick_settings(), seed=1, **options)
