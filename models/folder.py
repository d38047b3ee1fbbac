"""Model folders: how a model is saved, and how it is opened without trusting it.

::

    model/  config.json          kind, architecture, endpoints, versions, digest of every other file
            weights.safetensors  all arrays
            trust.json           metrics beside the baselines', data, split, leakage, calibration, domain
            trust.safetensors    arrays of calibration and domain, where there are any
            golden.json          a few SMILES with their predictions, recomputed on loading

A folder holds data only. Nothing in it is executed, and whatever is not expected is refused.
"""

from __future__ import annotations

import importlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from cinchona.digests import digest_bytes
from cinchona.errors import ConfigError, ModelFileError
from cinchona.files import disk_errors, fsync_folder, write_bytes, write_json
from cinchona.manifest import package_versions
from cinchona.models.folder_checks import COMPANIONS, DIGESTED, TRUST_ARRAYS, check_safetensors, read_entries
from cinchona.models.golden import GOLDEN_SMILES, GOLDEN_TOLERANCE, check_golden, golden_record
from cinchona.models.scorers import ArrayScorer, pack_arrays
from cinchona.models.trusting import PARTS, Trust
from cinchona.records import Direction, Endpoint

logger = logging.getLogger(__name__)

SCHEMA_VERSION: Final = "cinchona-model-1"
"""Version of the layout; a loader that does not know it refuses the folder."""

_REMEDY: Final = "copy the model folder again from where it was trained, or train the model again"


def save_model(
    model: ArrayScorer,
    folder: Path,
    *,
    trust: Mapping[str, Any] | None = None,
    golden_smiles: Sequence[str] = GOLDEN_SMILES,
    beside: Callable[[Path], None] | None = None,
) -> None:
    """Write ``model`` into a new ``folder``: either the whole folder appears, or nothing.

    Args:
        model: Any scorer of this room.
        folder: Must not exist, or be empty.
        trust: What the model can be trusted with, JSON data; see :mod:`cinchona.models.trust`.
        golden_smiles: Molecules whose predictions are stored and checked on loading.
        beside: Writes what stands beside the model (:data:`COMPANIONS`) into the finished draft of the folder.

    Raises:
        ConfigError: if the folder is not empty.
        RetryableError: if the disk is full or failing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            "the place of the model is taken", where=str(folder), expected="a new or empty folder",
            remedy="choose another folder, or remove this one",
        )  # fmt: skip
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            draft = Path(scratch, folder.name)  # the name that reports show
            draft.mkdir()
            write_contents(model, draft, trust=trust or {}, golden_smiles=golden_smiles)
            if beside is not None:
                beside(draft)
            draft.replace(folder)
            fsync_folder(folder.parent)


def write_contents(model: ArrayScorer, folder: Path, *, trust: Mapping[str, Any], golden_smiles: Sequence[str]) -> None:
    """Write the files of ``model`` into an existing ``folder``, the configuration last."""
    names: tuple[str, ...] = DIGESTED
    write_bytes(folder / "weights.safetensors", pack_arrays(model.arrays()))
    write_json(folder / "trust.json", _trust_record(model, trust))
    if model.trust.parts:
        write_bytes(folder / TRUST_ARRAYS, pack_arrays(model.trust.arrays()))
        names = (*DIGESTED, TRUST_ARRAYS)
    write_json(folder / "golden.json", golden_record(model, golden_smiles))
    contents = {name: (folder / name).read_bytes() for name in names}
    write_json(folder / "config.json", {
        "schema_version": SCHEMA_VERSION,
        "kind": model.kind,
        "fingerprint": model.fingerprint,
        "endpoints": [
            {"name": e.name, "unit": e.unit, "direction": str(e.direction), "kind": e.kind} for e in model.endpoints
        ],
        "spec": model.spec(),
        "versions": package_versions(),
        "files": {name: {"bytes": len(data), "sha256": digest_bytes(data)} for name, data in contents.items()},
    })  # fmt: skip


def open_scorer(folder: Path | str) -> ArrayScorer:
    """Open a model folder after checking all of it.

    Every file is read once and what is used is what was checked: names, sizes, digests, that nothing is a link or a
    pickle, the layout's version, the shapes of all arrays, and that the golden molecules get their stored predictions,
    together and one by one.

    Raises:
        ModelFileError: if the folder is missing, damaged, altered, incomplete or of an unknown version, or if the
            predictions differ from those that were stored.
        UnsafeFileError: if it holds a pickle, a link, or a path that leaves it.
    """
    folder = Path(folder)
    entries = read_entries(folder)
    config = _read_config(entries, folder)
    _check_digests(entries, config, folder)
    scorer = _restore(config, entries["weights.safetensors"], folder)
    scorer.trust = _restore_trust(entries, scorer.endpoints, folder)
    if scorer.fingerprint != config.get("fingerprint"):
        raise _damaged("the content does not have the fingerprint that config.json states", folder)
    check_golden(scorer, _json(entries["golden.json"], "golden.json", folder), config, folder)
    return scorer


def read_trust(folder: Path | str) -> dict[str, Any]:
    """The content of ``trust.json``, checked against its digest.

    Raises:
        ModelFileError: if the folder is damaged.
        UnsafeFileError: if it holds something that could do harm.
    """
    folder = Path(folder)
    entries = read_entries(folder)
    _check_digests(entries, _read_config(entries, folder), folder)
    return _json(entries["trust.json"], "trust.json", folder)


def model_fingerprint(folder: Path | str) -> str:
    """Fingerprint of the model in ``folder``, hex; files are checked against their digests, nothing is computed.

    Raises:
        ModelFileError: if the folder is damaged.
        UnsafeFileError: if it holds something that could do harm.
    """
    folder = Path(folder)
    entries = read_entries(folder)
    config = _read_config(entries, folder)
    _check_digests(entries, config, folder)
    return str(config.get("fingerprint", ""))


def is_model_folder(folder: Path) -> bool:
    """Whether ``folder`` looks like one of ours, judged by its ``config.json`` alone."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("schema_version", "")).startswith("cinchona-model-")


def _trust_record(model: ArrayScorer, trust: Mapping[str, Any]) -> dict[str, Any]:
    """Content of ``trust.json``; of its parts the model itself decides, whatever ``trust`` says."""
    return {**model.notes(), **trust, **{name: None for name in PARTS if name in trust}, **model.trust.specs()}


def _read_config(entries: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    if "config.json" not in entries:
        raise _damaged("config.json is missing", folder)
    config = _json(entries["config.json"], "config.json", folder)
    version = config.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ModelFileError(
            f"the layout of the model folder has version {version!r}",
            where=str(folder / "config.json"),
            expected=f"{SCHEMA_VERSION!r}",
            remedy="install the version of Cinchona that saved the model, or train it again",
        )
    return config


def _json(data: bytes, name: str, folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(f"{name} is no JSON: {error}", folder) from error
    if not isinstance(content, dict):
        raise _damaged(f"{name} holds {type(content).__name__}, not an object", folder)
    return content


def _check_digests(entries: Mapping[str, bytes], config: Mapping[str, Any], folder: Path) -> None:
    listed = config.get("files")
    if not isinstance(listed, dict) or set(listed) - {TRUST_ARRAYS} != set(DIGESTED):
        raise _damaged(f"config.json does not list exactly the files {', '.join(DIGESTED)}", folder)
    if TRUST_ARRAYS in entries and TRUST_ARRAYS not in listed:
        raise _damaged(f"config.json does not list {TRUST_ARRAYS}", folder)
    for name in listed:
        if name not in entries:
            raise _damaged(f"{name} is missing", folder)
        stated = listed[name].get("sha256") if isinstance(listed[name], dict) else None
        if digest_bytes(entries[name]) != stated:
            raise _damaged(f"{name} is not the file that was saved: its digest differs", folder)


def _restore(config: Mapping[str, Any], weights: bytes, folder: Path) -> ArrayScorer:
    kind = config.get("kind")
    scorer = _kind(kind)
    if scorer is None:
        raise ModelFileError(
            f"unknown kind of model {kind!r}", where=str(folder / "config.json"), expected=", ".join(sorted(_KINDS)),
            remedy="install the version of Cinchona that saved the model",
        )  # fmt: skip
    check_safetensors(weights, folder)
    try:
        return scorer.restore(config["spec"], load(weights), _endpoints(config["endpoints"]))
    except (KeyError, TypeError, ValueError, IndexError, SafetensorError, ValidationError) as error:
        raise _damaged(f"config.json and the weights do not fit: {type(error).__name__}: {error}", folder) from error


def _restore_trust(entries: Mapping[str, bytes], endpoints: Sequence[Endpoint], folder: Path) -> Trust:
    record = _json(entries["trust.json"], "trust.json", folder)
    packed = entries.get(TRUST_ARRAYS)
    if packed is not None:
        check_safetensors(packed, folder, TRUST_ARRAYS)
    try:
        return Trust.restore(record, {} if packed is None else load(packed), endpoints)
    except (KeyError, TypeError, ValueError, IndexError, SafetensorError, ValidationError) as error:
        raise _damaged(f"trust.json and {TRUST_ARRAYS} do not fit: {type(error).__name__}: {error}", folder) from error


def _endpoints(listed: Sequence[Mapping[str, Any]]) -> list[Endpoint]:
    if not listed:
        raise ValueError("no endpoint")
    return [Endpoint(e["name"], unit=e["unit"], direction=Direction(e["direction"]), kind=e["kind"]) for e in listed]


_KINDS: Final = {
    "graph-ensemble": ("ensemble", "GraphEnsemble"),
    "imported-ensemble": ("imported.scorer", "ImportedEnsemble"),
    "forest": ("forest", "ForestScorer"),
    "nearest-neighbour": ("neighbours", "NearestNeighbourScorer"),
    "mean": ("baselines", "MeanScorer"),
    "blend": ("classical.blend", "BlendScorer"),
    "deepchem": ("deepchem_bridge.scorer", "DeepChemScorer"),
    "few-shot": ("fewshot", "FewShotScorer"),
}
"""Module and class of each kind; only the one that is opened is imported, since some bring large libraries."""


def _kind(name: object) -> type[ArrayScorer] | None:
    if name not in _KINDS:
        return None
    module, attribute = _KINDS[str(name)]
    found: type[ArrayScorer] = getattr(importlib.import_module(f"cinchona.models.{module}"), attribute)
    return found


def _damaged(what: str, folder: Path) -> ModelFileError:
    return ModelFileError(what, where=str(folder), expected="a folder as it was saved", remedy=_REMEDY)


__all__ = [
    "COMPANIONS",
    "GOLDEN_SMILES",
    "GOLDEN_TOLERANCE",
    "is_model_folder",
    "model_fingerprint",
    "open_scorer",
    "read_trust",
    "save_model",
    "SCHEMA_VERSION",
    "write_contents",
]
