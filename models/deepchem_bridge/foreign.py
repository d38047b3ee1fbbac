"""Any fitted model of DeepChem as a scorer in memory, for screens by this process."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from rdkit import Chem

from cinchona.datasets.deepchem_bridge import deepchem, features
from cinchona.digests import digest_bytes, digest_json
from cinchona.errors import ContractError
from cinchona.models.deepchem_bridge.building import without_folder
from cinchona.models.fingerprinting import parsed_molecules
from cinchona.models.scorers import pack_arrays
from cinchona.models.threads import one_torch_thread
from cinchona.protocols import Requirement
from cinchona.records import CompoundBatch, Direction, Endpoint, Reject, Scores, Stage, default_objective


class DeepChemObject:
    """A fitted model of DeepChem with its featurizer; satisfies the Scorer protocol.

    It lives in memory: a screen that is resumed must be given it again, and it cannot become a model folder, because most models of DeepChem
    are stored as pickles.

    Args:
        model: ``SklearnModel``, ``TorchModel`` or any other model with ``predict``.
        featurizer: What made its inputs.
        endpoints: The targets, in the order of its tasks.
        transformers: Transformers of the labels in training; they are undone.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - without types
        featurizer: Any,  # noqa: ANN401 - without types
        *,
        endpoints: Sequence[Endpoint],
        transformers: Sequence[Any] = (),
    ) -> None:
        self._model, self._featurizer = model, featurizer
        self._endpoints, self._transformers = tuple(endpoints), list(transformers)
        without_folder(model)

    @property
    def name(self) -> str:
        """Short name for reports."""
        return f"DeepChem {type(self._model).__name__}"

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the classes, the settings of the featurizer and the weights, hex."""
        inner = self._model.model
        if hasattr(inner, "state_dict"):
            arrays = {name: tensor.detach().cpu().numpy() for name, tensor in inner.state_dict().items()}
            content = digest_bytes(pack_arrays(arrays))
        else:
            import joblib

            content = joblib.hash(inner)
        undone = [type(one).__name__ for one in self._transformers]
        return digest_json([type(self._model).__name__, repr(self._featurizer), content, undone])

    @property
    def requires(self) -> frozenset[Requirement]:
        """SMILES only."""
        return frozenset({Requirement.SMILES})

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is predicted."""
        return self._endpoints

    @property
    def objective(self) -> str:
        """The first endpoint, in its good direction."""
        first = self._endpoints[0]
        return first.name if first.direction is Direction.HIGHER else f"-{first.name}"

    def score(self, batch: CompoundBatch) -> Scores:
        """Featurize and predict every row of ``batch``, or reject it with a reason.

        Raises:
            ContractError: if the model answers for another number of targets.
        """
        molecules, kept, rejects = parsed_molecules(batch)
        found = features(self._featurizer, [Chem.MolToSmiles(mol) for mol in molecules])
        good = np.array([one is not None and np.size(one) > 0 for one in found], bool)
        value = self._values([one for one, fits in zip(found, good.tolist(), strict=True) if fits])
        sound = np.isfinite(value).all(axis=1)
        rows = batch.row_ids[kept]
        failed = [(row, "DeepChem's featurizer fails at this molecule") for row in rows[~good]]
        failed += [(row, "DeepChem's model gives no finite number") for row in rows[good][~sound]]
        return Scores(
            row_ids=rows[good][sound],
            endpoints=self._endpoints,
            value=value[sound],
            score=default_objective(self._endpoints, value[sound]),
            rejects=(*rejects, *(Reject(int(row), Stage.SCORE, reason) for row, reason in failed)),
        )

    def _values(self, found: list[Any]) -> np.ndarray:
        if not found:
            return np.zeros((0, len(self._endpoints)), np.float32)
        if isinstance(found[0], np.ndarray):
            x = np.stack(found)
        else:
            x = np.empty(len(found), dtype=object)
            x[:] = found
        with one_torch_thread(strict=False):
            out = np.asarray(self._model.predict(deepchem().data.NumpyDataset(X=x), self._transformers))
        is_class = any(endpoint.kind == "classification" for endpoint in self._endpoints)
        if is_class and out.shape[-1] == 2 and out.size == 2 * len(found) * len(self._endpoints):
            out = out.reshape(len(found), -1, 2)[:, :, 1]
        if out.size != len(found) * len(self._endpoints):
            raise ContractError(
                f"{self.name} gives an array of shape {out.shape} for {len(found)} molecules",
                expected=f"one number, or two probabilities, for each of {len(self._endpoints)} endpoints",
            )
        return np.ascontiguousarray(out.reshape(len(found), -1), dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out a function of RDKit that some featurizers keep, cannot send, and find again."""
        featurizer = copy.copy(self._featurizer)
        if hasattr(featurizer, "calculator"):
            featurizer.calculator = None
        return self.__dict__ | {"_featurizer": featurizer}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the place of a copy from another process, whose folder is not ours to remove."""
        self.__dict__.update(state)
        self._model.model_dir_is_temp = False


__all__ = ["DeepChemObject"]
