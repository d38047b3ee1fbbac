"""Weights of our models as plain files, for use without Cinchona."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from cinchona.errors import ConfigError, ModelFileError
from cinchona.files import atomic_path, write_json
from cinchona.models.classical.blend import BlendScorer
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.export_blend import export_members
from cinchona.models.folder import open_scorer


def export_model(folder: Path, out: Path) -> tuple[Path, ...]:
    """Write the members of a graph network (:func:`export_state_dicts`) or of a blend as plain files.

    Args:
        folder: Model folder.
        out: New or empty folder.

    Raises:
        ModelFileError: if the folder holds another kind of model, or a damaged one.
        ConfigError: if the place is taken.
        RetryableError: if the disk is full or failing.
    """
    scorer = open_scorer(folder)
    if not isinstance(scorer, BlendScorer):
        return export_state_dicts(folder, out)
    _check_place(out)
    return export_members(scorer, out)


def export_state_dicts(folder: Path, out: Path) -> tuple[Path, ...]:
    """Write one ``member_<k>.pt`` for each network, and ``network.json`` with shape, features, targets and scaling.

    The files hold tensors only: ``torch.load(path, weights_only=True)`` reads them. Their names are those of
    Chemprop 2's ``BondMessagePassing`` (``encoder.W_i``, ``W_h``, ``W_o``) and of the head's layers.

    Args:
        folder: Model folder of a graph network that was trained here.
        out: New or empty folder.

    Raises:
        ModelFileError: if the folder holds another kind of model, or a damaged one.
        ConfigError: if the place is taken.
        RetryableError: if the disk is full or failing.
    """
    scorer = open_scorer(folder)
    if not isinstance(scorer, GraphEnsemble):
        raise ModelFileError(
            f"{scorer.name} is no graph network that was trained here", where=str(folder), expected="a D-MPNN",
            remedy="its weights lie in weights.safetensors, which any program can read",
        )  # fmt: skip
    _check_place(out)
    written = []
    for position, member in enumerate(scorer.members):
        target = out / f"member_{position}.pt"
        with atomic_path(target) as draft:
            torch.save({name: tensor.clone() for name, tensor in member.state_dict().items()}, draft)
        written.append(target)
    endpoints = [{"name": e.name, "unit": e.unit, "kind": e.kind} for e in scorer.endpoints]
    write_json(out / "network.json", json.loads(json.dumps({**scorer.spec(), "endpoints": endpoints})))
    return (*written, out / "network.json")


def _check_place(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError("the place is taken", where=str(out), expected="a new or empty folder")


__all__ = ["export_model", "export_state_dicts"]
