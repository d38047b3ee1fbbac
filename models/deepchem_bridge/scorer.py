"""A network of DeepChem as a scorer that lies in our model folders as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from rdkit import Chem

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.deepchem_bridge import deepchem, features
from cinchona.errors import ConfigError
from cinchona.models.deepchem_bridge.building import DeepChemShape, featurizer_of, network_of, seeded
from cinchona.models.deepchem_bridge.config import DeepChemConfig
from cinchona.models.fingerprinting import parsed_molecules
from cinchona.models.predictions import Predictions
from cinchona.models.scaling import TargetScaling
from cinchona.models.scorers import ArrayScorer
from cinchona.models.threads import one_torch_thread
from cinchona.records import CompoundBatch, Endpoint, Reject, Stage
from cinchona.seeds import derive

_NETWORK = "network."


class DeepChemScorer(ArrayScorer):
    """DeepChem's featurizer and network; a molecule that the featurizer fails at is a reject.

    Args:
        network: A fitted ``TorchModel`` of ``shape``.
        shape: Its form.
        endpoints: The targets.
        scaling: From outputs to natural units.
        inputs: Mean and standard deviation of each feature, float32, shape (2, n_features); (2, 0) for graphs.
    """

    kind: ClassVar[str] = "deepchem"

    def __init__(
        self,
        network: Any,  # noqa: ANN401 - without types
        *,
        shape: DeepChemShape,
        endpoints: Sequence[Endpoint],
        scaling: TargetScaling,
        inputs: np.ndarray,
    ) -> None:
        super().__init__(endpoints)
        self.shape, self.scaling, self.inputs = shape, scaling, inputs
        self._network = network

    @classmethod
    def fit(
        cls, table: AssayTable, rows: np.ndarray, *, endpoints: Sequence[Endpoint], config: DeepChemConfig, seed: int
    ) -> DeepChemScorer:
        """Fit a network to the compounds ``rows`` (int64) of a table; bounds count with their value.

        Raises:
            ConfigError: if targets of both kinds are asked for.
            MissingDependencyError: if DeepChem cannot be used.
        """
        mode = _one_kind(endpoints)
        shape = DeepChemShape(
            model=config.model, featurizer=config.featurizer, mode=mode, n_tasks=len(endpoints), n_features=0,
            layers=config.layers, dropout=config.dropout, learning_rate=config.learning_rate, batch_size=config.batch_size,
        )  # fmt: skip
        found = features(featurizer_of(shape), [table.smiles[row] for row in rows])
        good = np.array([_is_usable(one) for one in found], bool)
        x, inputs = _scaled_inputs([one for one, usable in zip(found, good.tolist(), strict=True) if usable], shape)
        shape = shape.model_copy(update={"n_features": inputs.shape[1]})
        scaling = TargetScaling.fit(table.values[rows[good]], table.targets)
        values = table.values[rows[good]]
        known = np.isfinite(values)
        labels = np.where(known, scaling.to_scaled(values), 0.0)
        network = network_of(shape, seed=derive(seed, "deepchem"))
        with seeded(derive(seed, "deepchem", "batches")):
            network.fit(
                deepchem().data.NumpyDataset(X=x, y=labels, w=known.astype(float)),
                nb_epoch=config.epochs,
                checkpoint_interval=0,
            )
        return cls(network, shape=shape, endpoints=endpoints, scaling=scaling, inputs=inputs)

    @property
    def name(self) -> str:
        """Short name for reports."""
        return (
            "DeepChem DMPNN"
            if self.shape.model == "dmpnn"
            else f"DeepChem multitask network on {self.shape.featurizer}"
        )

    @cached_property
    def _featurizer(self) -> Any:  # noqa: ANN401 - without types
        return featurizer_of(self.shape)

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Featurize and predict the molecules of ``batch``."""
        molecules, kept, rejects = parsed_molecules(batch)
        found = features(self._featurizer, [Chem.MolToSmiles(mol) for mol in molecules])
        good = np.array([self._fits(one) for one in found], bool)
        rows = batch.row_ids[kept]
        failed = tuple(
            Reject(int(row), Stage.FEATURIZE, "DeepChem's featurizer fails at this molecule") for row in rows[~good]
        )
        usable = kept.copy()
        usable[np.flatnonzero(kept)[~good]] = False
        raw = self._outputs([one for one, fits in zip(found, good.tolist(), strict=True) if fits])
        return Predictions(usable, self.scaling.to_natural(raw), None, (*rejects, *failed))

    def _fits(self, found: Any) -> bool:  # noqa: ANN401 - without types
        return _is_usable(found) and (self.shape.model == "dmpnn" or len(found) == self.shape.n_features)

    def _outputs(self, found: list[Any]) -> np.ndarray:
        """Raw outputs, float32, shape (n, t): scaled values, or log-odds."""
        if not found:
            return np.zeros((0, len(self.endpoints)), np.float32)
        x = _objects(found) if self.shape.model == "dmpnn" else (np.stack(found) - self.inputs[0]) / self.inputs[1]
        with one_torch_thread(strict=False):
            out = np.asarray(self._network.predict(deepchem().data.NumpyDataset(X=x)))
        if self.shape.mode == "regression":
            return out.reshape(len(found), -1).astype(np.float32)
        chance = np.clip(out.reshape(len(found), -1, 2)[:, :, 1].astype(np.float64), 1e-7, 1 - 1e-7)
        odds: np.ndarray = (np.log(chance) - np.log1p(-chance)).astype(np.float32)
        return odds

    def spec(self) -> dict[str, Any]:
        """The shape and the scaling as plain data."""
        return {
            "shape": self.shape.model_dump(mode="json"),
            "mean": self.scaling.mean.tolist(),
            "scale": self.scaling.scale.tolist(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The scaling of the inputs, and weights by name, ``network.<parameter>``."""
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in self._network.model.state_dict().items()}
        return {"inputs": self.inputs} | {_NETWORK + name: array for name, array in weights.items()}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the scorer.

        Raises:
            MissingDependencyError: if DeepChem cannot be used.
            ValueError: if weights are missing or misshapen.
        """
        import torch

        shape = DeepChemShape.model_validate(spec["shape"])
        if shape.n_tasks != len(endpoints) or arrays["inputs"].shape != (2, shape.n_features):
            raise ValueError("the shape does not fit the endpoints or the inputs")
        network = network_of(shape)
        weights = {
            n.removeprefix(_NETWORK): torch.from_numpy(np.array(a)) for n, a in arrays.items() if n.startswith(_NETWORK)
        }
        try:
            network.model.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        is_class = np.full(len(endpoints), shape.mode == "classification")
        scaling = TargetScaling(np.array(spec["mean"], np.float64), np.array(spec["scale"], np.float64), is_class)
        return cls(network, shape=shape, endpoints=endpoints, scaling=scaling, inputs=np.array(arrays["inputs"]))

    def __reduce__(self) -> tuple[Any, ...]:
        # DeepChem's objects hold optimizers and folders; only what a model folder holds travels to workers.
        return _travelled, (self.spec(), self.arrays(), self.endpoints, self.trust)


def _travelled(spec: Any, arrays: Any, endpoints: Any, trust: Any) -> DeepChemScorer:  # noqa: ANN401
    made = DeepChemScorer.restore(spec, arrays, endpoints)
    made.trust = trust
    return made


def _one_kind(endpoints: Sequence[Endpoint]) -> Any:  # noqa: ANN401 - a literal
    kinds = {endpoint.kind for endpoint in endpoints}
    if len(kinds) != 1 or not kinds <= {"regression", "classification"}:
        raise ConfigError(
            "DeepChem's networks take targets of one kind", expected="only numbers, or only classes",
            remedy="train a model for each kind",
        )  # fmt: skip
    return kinds.pop()


def _is_usable(found: Any) -> bool:  # noqa: ANN401 - without types
    if not isinstance(found, np.ndarray):
        return found is not None
    return found.ndim == 1 and len(found) > 0 and bool(np.isfinite(found.astype(np.float64)).all())


def _scaled_inputs(found: list[Any], shape: DeepChemShape) -> tuple[np.ndarray, np.ndarray]:
    """Inputs for training, and their mean and standard deviation; bits stay what they are."""
    if shape.model == "dmpnn":
        return _objects(found), np.zeros((2, 0), np.float32)
    x = np.stack(found).astype(np.float64)
    mean, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if shape.featurizer == "rdkit":
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale[scale < 1e-9] = 1.0
    inputs = np.stack([mean, scale]).astype(np.float32)
    return (x - inputs[0]) / inputs[1], inputs


def _objects(found: list[Any]) -> np.ndarray:
    graphs = np.empty(len(found), dtype=object)
    graphs[:] = found
    return graphs


__all__ = ["DeepChemScorer"]
