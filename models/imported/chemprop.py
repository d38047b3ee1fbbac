"""Chemprop 2 checkpoints to blocks of networks; what cannot be represented is refused with the reason.

Layout of the checkpoints as of Chemprop 2.3.1 (Heid et al. 2024, doi:10.1021/acs.jcim.3c01250): ``hyper_parameters``
(settings and class names), ``state_dict`` (arrays) and, where ``chemprop train`` wrote it, ``output_columns``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import numpy as np

from cinchona.datasets.chemprop_features import CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM
from cinchona.datasets.pickled import Inert
from cinchona.errors import ModelFileError
from cinchona.models.config import ReadoutName
from cinchona.models.imported.checkpoint import mapping_of, read_checkpoint
from cinchona.models.imported.descriptors import DESCRIPTORS, descriptor_width
from cinchona.models.imported.scorer import Block, BlockSpec, check_network

_READOUTS: Final[dict[str, ReadoutName]] = {
    "NormAggregation": "norm",
    "MeanAggregation": "mean",
    "SumAggregation": "sum",
}
_KINDS: Final[dict[str, Literal["regression", "classification"]]] = {
    "RegressionFFN": "regression",
    "BinaryClassificationFFN": "classification",
}
_IGNORED: Final = re.compile(
    r"(metrics|criterion|predictor\.criterion)\.|predictor\.task_weights$|bn\.num_batches_tracked$"
)
"""Arrays that training needs and prediction does not."""
_LAYER: Final = re.compile(r"predictor\.ffn\.(\d+)\.(?:\d+)\.(weight|bias)$")
_BATCH_NORM_EPS: Final = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class ChempropModel:
    """One checkpoint."""

    spec: BlockSpec
    """Its shape, as a block of one network."""
    network: Mapping[str, np.ndarray]
    """Its arrays, see :class:`~cinchona.models.imported.scorer.Block`."""


def read_chemprop(path: Path, *, targets: Sequence[str] | None = None, descriptors: str | None = None) -> ChempropModel:
    """Read a checkpoint of ``chemprop train`` (``.pt`` or Lightning's ``.ckpt``). Nothing in the file is executed.

    Args:
        path: The file.
        targets: Names of the outputs; None for those in the file.
        descriptors: What the model was trained with beside the graph (``--molecule-featurizers``); Chemprop does not
            write it down.

    Raises:
        ModelFileError: if the file is damaged, or what it holds cannot be represented, with the reason.
        UnsafeFileError: if it could do harm.
    """
    content = read_checkpoint(path)
    settings, weights = mapping_of(content, "hyper_parameters", path), mapping_of(content, "state_dict", path)
    arrays = {
        str(name): _array(array, str(name), path) for name, array in weights.items() if not _IGNORED.match(str(name))
    }
    encoder, predictor = (_part(settings, name, path) for name in ("message_passing", "predictor"))
    _check_encoder(encoder, path)
    kind = _KINDS.get(_class(predictor)) or _refuse(path, f"its predictor is {_class(predictor)}", " or ".join(_KINDS))
    _require_relu(predictor, path)
    taken = _Taken(arrays, path)
    network = _encoder_arrays(taken) | _head_arrays(taken)
    hidden, extra = network["w_h"].shape[0], 0
    network |= _affine(taken, hidden)
    extra = network["head.0.weight"].shape[1] - hidden
    network |= _scales(taken)
    taken.require_nothing_left()
    layers = sum(name.endswith(".weight") and name.startswith("head.") for name in network)
    n_targets = network[f"head.{layers - 1}.bias"].shape[0]
    spec = BlockSpec(
        endpoints=tuple(targets or _columns(content, n_targets)), kind=kind, depth=int(encoder.get("depth", 3)),
        readout=_readout(settings, path), norm=float(_part(settings, "agg", path).get("norm", 1.0)), members=1,
        head_layers=layers, descriptors=_descriptors(extra, descriptors, path),
    )  # fmt: skip
    if len(spec.endpoints) != n_targets:
        _refuse(path, f"it has {n_targets} outputs and {len(spec.endpoints)} names for them", "one name an output")
    check_network(spec, network)
    return ChempropModel(spec, network)


def block_of(models: Sequence[ChempropModel], where: str) -> Block:
    """Make an ensemble of checkpoints of one shape.

    Raises:
        ModelFileError: if they differ in shape or targets.
    """
    first = models[0].spec
    for model in models:
        if model.spec != first:
            raise ModelFileError(
                "the checkpoints of an ensemble differ in shape or targets", where=where,
                expected="models of one training, such as model_0/best.pt, model_1/best.pt",
                remedy="import them one by one, each into its own --out",
            )  # fmt: skip
    return Block(first.model_copy(update={"members": len(models)}), tuple(m.network for m in models))


class _Taken:
    """Arrays of a checkpoint, each of which has to be used."""

    def __init__(self, arrays: dict[str, np.ndarray], path: Path) -> None:
        self._left, self._path = dict(arrays), path

    def names(self) -> list[str]:
        return list(self._left)

    def take(self, name: str) -> np.ndarray:
        if name not in self._left:
            _refuse(self._path, f"the array {name} is missing", "the weights of a whole model")
        return self._left.pop(name)

    def maybe(self, name: str) -> np.ndarray | None:
        return self._left.pop(name, None)

    def require_nothing_left(self) -> None:
        if self._left:
            shown = ", ".join(sorted(self._left)[:4])
            _refuse(
                self._path, f"it holds weights that are not known here: {shown}", "a plain bond message-passing model"
            )


def _encoder_arrays(taken: _Taken) -> dict[str, np.ndarray]:
    found = {f"w_{k}": taken.take(f"message_passing.W_{k}.weight") for k in "iho"}
    for k in "iho":
        bias = taken.maybe(f"message_passing.W_{k}.bias")
        found[f"b_{k}"] = np.zeros(len(found[f"w_{k}"]), np.float32) if bias is None else bias
    return found


def _head_arrays(taken: _Taken) -> dict[str, np.ndarray]:
    layers = {int(m[1]): m[0].rpartition(".")[0] for name in taken.names() if (m := _LAYER.match(name))}
    found: dict[str, np.ndarray] = {}
    for k, number in enumerate(sorted(layers)):
        for what in ("weight", "bias"):
            found[f"head.{k}.{what}"] = taken.take(f"{layers[number]}.{what}")
    if not found:
        taken.take("predictor.ffn.0.0.weight")
    return found


def _affine(taken: _Taken, hidden: int) -> dict[str, np.ndarray]:
    """A batch normalization at rest, as a factor and a summand."""
    mean, variance = taken.maybe("bn.running_mean"), taken.maybe("bn.running_var")
    if mean is None or variance is None:
        return {}
    weight, bias = taken.maybe("bn.weight"), taken.maybe("bn.bias")
    weight = np.ones(hidden, np.float32) if weight is None else weight
    bias = np.zeros(hidden, np.float32) if bias is None else bias
    scale = (weight.astype(np.float64) / np.sqrt(variance.astype(np.float64) + _BATCH_NORM_EPS)).astype(np.float64)
    return {"affine.scale": scale.astype(np.float32), "affine.shift": (bias - mean * scale).astype(np.float32)}


def _scales(taken: _Taken) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for ours, theirs in (("output", "predictor.output_transform"), ("descriptors", "X_d_transform")):
        mean, scale = taken.maybe(f"{theirs}.mean"), taken.maybe(f"{theirs}.scale")
        if mean is not None and scale is not None:
            found |= {f"{ours}.mean": mean.reshape(-1), f"{ours}.scale": scale.reshape(-1)}
    return found


def _part(settings: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    part = settings.get(name)
    if not isinstance(part, dict):
        _refuse(path, f"its settings have no {name}", "a checkpoint of Chemprop 2 (chemprop train)")
    found: Mapping[str, Any] = part
    return found


def _class(part: Mapping[str, Any]) -> str:
    return str(getattr(part.get("cls"), "name", "") or part.get("cls"))


def _check_encoder(encoder: Mapping[str, Any], path: Path) -> None:
    if _class(encoder) != "BondMessagePassing":
        _refuse(path, f"its encoder is {_class(encoder)}", "BondMessagePassing, one molecule a row")
    if encoder.get("undirected"):
        _refuse(path, "its messages are undirected", "directed messages (the default)")
    widths = (encoder.get("d_v", CHEMPROP_ATOM_DIM), encoder.get("d_e", CHEMPROP_BOND_DIM))
    if widths != (CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM):
        _refuse(path, f"its atoms and bonds have {widths[0]} and {widths[1]} features",
                f"{CHEMPROP_ATOM_DIM} and {CHEMPROP_BOND_DIM}, those of the default featurizer (V2, no extra features)")  # fmt: skip
    if encoder.get("d_vd"):
        _refuse(path, "it takes extra atom descriptors", "none")
    _require_relu(encoder, path)


def _require_relu(part: Mapping[str, Any], path: Path) -> None:
    activation = part.get("activation", "relu")
    if isinstance(activation, Inert):
        name = str(activation.args[0]) if activation.args else activation.name
    else:
        name = str(activation)
    if name.lower() not in {"relu", "activation.relu"}:
        _refuse(path, f"its activation is {name}", "ReLU")


def _readout(settings: Mapping[str, Any], path: Path) -> ReadoutName:
    name = _class(_part(settings, "agg", path))
    if name not in _READOUTS:
        _refuse(path, f"its aggregation is {name}", ", ".join(_READOUTS))
    return _READOUTS[name]


def _columns(content: Mapping[str, Any], n: int) -> list[str]:
    listed = content.get("output_columns")
    if isinstance(listed, list | tuple) and listed and all(isinstance(name, str) for name in listed):
        return list(listed)
    return ["prediction"] if n == 1 else [f"target_{k}" for k in range(n)]


def _descriptors(extra: int, asked: str | None, path: Path) -> str | None:
    if extra == 0:
        if asked is not None:
            _refuse(path, f"it was trained without descriptors, {asked!r} was given", "no --descriptors")
        return None
    fitting = [name for name in DESCRIPTORS if descriptor_width(name) == extra]
    if asked not in fitting:
        given = f", {asked!r} has {descriptor_width(asked)}" if asked in DESCRIPTORS else ""
        _refuse(
            path, f"it was trained with {extra} descriptors of the whole molecule{given}",
            f"--descriptors NAME with NAME one of {', '.join(fitting) or '(none of those that RDKit gives has so many)'}",
        )  # fmt: skip
    return asked


def _array(value: Any, name: str, path: Path) -> np.ndarray:  # noqa: ANN401 - whatever a checkpoint holds
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        _refuse(path, f"{name} is no array of numbers", "arrays")
    return np.array(value, dtype=np.float32, order="C")


def _refuse(path: Path, what: str, expected: str) -> NoReturn:
    raise ModelFileError(
        f"the model cannot be represented: {what}", where=path.name, expected=expected,
        remedy="train it again with these settings, or use the package that made it",
    )  # fmt: skip


__all__ = ["ChempropModel", "block_of", "read_chemprop"]
