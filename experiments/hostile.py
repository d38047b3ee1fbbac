"""Taking a model out of a store without trusting the store.

Whoever can write to a store can put anything there, and MLflow itself loads what an ``MLmodel`` file asks for. Nothing of
that happens here: of a stored model five files are read, by names that are ours, none larger than a model file of ours
can be, and what comes out is a model folder that passed all checks of :func:`cinchona.models.folder.open_scorer`.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml

from cinchona.errors import ModelFileError, UnsafeFileError
from cinchona.experiments.client import load_mlflow
from cinchona.masking import mask_secrets
from cinchona.models.folder_checks import LIMITS, TRUST_ARRAYS, read_entries

LOADER: Final = "cinchona.experiments.pyfunc"
SCHEMES: Final = frozenset({"", "file", "mlflow-artifacts", "s3", "gs", "wasbs", "abfss"})
"""Places from which a model is fetched; a plain web address or FTP could be anybody's."""
_MLMODEL: Final = "MLmodel"
_MAX_MLMODEL: Final = 1 << 20
_DATA: Final = re.compile(r"data/[\w][\w.-]{0,199}", re.ASCII)
_FORBIDDEN: Final = ("code", "python_model", "model_code_path", "artifacts", "cloudpickle_version", "streamable")


def take_model(location: str, target: Path) -> None:
    """Copy the model at ``location`` as a model folder to ``target``, which must not exist.

    Args:
        location: Artifact address of a logged model.
        target: Where the model folder goes; it is not opened yet.

    Raises:
        UnsafeFileError: if the stored model would run code, holds a pickle or a link, or names a path that leaves it.
        ModelFileError: if it is no model of ours, incomplete, or a file is too large.
    """
    scheme = urlsplit(location).scheme
    if scheme not in SCHEMES:
        raise UnsafeFileError(
            f"the stored model is said to lie at a {scheme} address",
            where=str(mask_secrets(location)),
            expected="a place among the store's own artifacts",
            remedy="register the model again from its folder",
        )
    if scheme in {"", "file"}:
        root = Path(unquote(urlsplit(location).path) if scheme else location)
        _copy(read_entries(_inside(root, data_path(_small(root / _MLMODEL), location))), target)
        return
    with tempfile.TemporaryDirectory(prefix="cinchona-fetch-") as scratch:
        repository = load_mlflow("mlflow.store.artifact.artifact_repository_registry").get_artifact_repository(location)
        place = Path(scratch, "model")
        place.mkdir()
        download(repository, _MLMODEL, place, _MAX_MLMODEL)
        inner = data_path(_small(place / _MLMODEL), location)
        there = {entry.path for entry in repository.list_artifacts(inner)}
        for name, limit in LIMITS.items():
            if name != TRUST_ARRAYS or f"{inner}/{name}" in there:
                download(repository, f"{inner}/{name}", place, limit)
        _copy(read_entries(place / inner), target)


def data_path(content: bytes, where: str) -> str:
    """Path of the model folder within a stored model, as its ``MLmodel`` says, after checking all that it asks for.

    Raises:
        UnsafeFileError: if it asks for code of its own, another loader, or a path that leaves it.
        ModelFileError: if it is no ``MLmodel`` file of ours.
    """
    shown = str(mask_secrets(where))
    try:
        stated = yaml.safe_load(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError("the MLmodel file of the stored model cannot be read", where=shown) from error
    flavors = stated.get("flavors") if isinstance(stated, dict) else None
    if not isinstance(flavors, dict) or set(flavors) != {"python_function"}:
        raise _refused(f"its flavours are {_list(flavors)}", shown)
    ours = flavors["python_function"]
    if not isinstance(ours, dict):
        raise _refused("its flavour says nothing", shown)
    if ours.get("loader_module") != LOADER:
        raise _refused(f"it asks for the loader {str(ours.get('loader_module'))[:80]!r}", shown)
    if asked := [name for name in _FORBIDDEN if ours.get(name)]:
        raise _refused(f"it brings {', '.join(asked)}", shown)
    path = ours.get("data")
    if not isinstance(path, str) or not _DATA.fullmatch(path) or ".." in path:
        raise _refused(f"its data path is {str(path)[:80]!r}", shown)
    return path


def download(repository: Any, path: str, into: Path, limit: int) -> Path:  # noqa: ANN401 - MLflow's own type
    """Fetch one file of a store, never more than ``limit`` bytes as far as the store tells its size.

    Raises:
        ModelFileError: if it is missing or larger.
    """
    above = path.rpartition("/")[0]
    sizes = {entry.path: entry.file_size for entry in repository.list_artifacts(above or None) if not entry.is_dir}
    if path not in sizes or not 0 <= (sizes[path] or 0) <= limit:
        raise ModelFileError(
            f"{path} is missing in the store, or has more than {limit:,} bytes",
            where=str(mask_secrets(repository.artifact_uri)),
            remedy="register the model again from its folder",
        )
    return Path(repository.download_artifacts(path, str(into)))


def _small(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_MLMODEL:
        raise ModelFileError(
            "the stored model has no usable MLmodel file", where=str(path), expected="a file of at most 1 MiB"
        )
    return path.read_bytes()


def _inside(root: Path, inner: str) -> Path:
    place = root / inner
    if any(part.is_symlink() for part in (place, place.parent)):
        raise UnsafeFileError(
            "the data of the stored model is a link", where=str(place), expected="a folder of its own"
        )
    return place


def _copy(entries: Mapping[str, bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        draft = Path(scratch, target.name)
        draft.mkdir()
        for name, data in entries.items():
            (draft / name).write_bytes(data)
        if target.exists():
            shutil.rmtree(target)
        draft.replace(target)


def _list(flavors: object) -> str:
    return ", ".join(map(str, flavors))[:200] if isinstance(flavors, dict) else "missing"


def _refused(why: str, where: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"the stored model is refused: {why}",
        where=where,
        expected=f"a model that {LOADER} loads from safetensors and JSON",
        remedy="log and register a model folder with 'cinchona models register'",
    )
