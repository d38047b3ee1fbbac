"""The quick way to the registry: what commands need that only look, without the rooms that score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cinchona.experiments.modeluri import ModelUri, is_model_uri
from cinchona.experiments.registry import Registry
from cinchona.experiments.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from cinchona.pipelines.config import TrackingConfig

MODELS: Final = "models"
"""Folder within the record's folder that keeps fetched models."""


def open_registry(config: TrackingConfig) -> Registry:
    """The registry of the store that the settings name.

    Raises:
        RetryableError: if it cannot be reached.
    """
    return Registry(Store.resolve(config.uri, config.folder))


def cache_of(config: TrackingConfig) -> Path:
    """Where fetched models are kept: they stay there, since a screen can only be resumed with its model."""
    return config.folder.absolute() / MODELS


def local_folder(model: str, config: TrackingConfig) -> str:
    """``model`` itself if it is a folder; a model of the store is fetched first, and not trusted.

    Raises:
        InputError: if there is no such model.
        UnsafeFileError: if it holds something that could do harm.
        ModelFileError: if it is damaged or altered.
    """
    if not is_model_uri(model):
        return model
    return str(open_registry(config).fetch(ModelUri.parse(model), cache_of(config)))


def heldout_of_model(model: str, config: TrackingConfig) -> pa.Table | None:
    """Held-out predictions of the run that made a registered model; None for a folder, or where the run left none.

    Raises:
        InputError: if there is no such model.
    """
    uri = ModelUri.parse(model) if is_model_uri(model) else ModelUri()
    if not uri.name:
        return None
    from cinchona.experiments.runfiles import heldout_of

    registry = open_registry(config)
    return heldout_of(registry, registry.version(uri).run_id)


__all__ = ["MODELS", "cache_of", "heldout_of_model", "local_folder", "open_registry"]
