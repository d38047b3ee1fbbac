"""A graph network as a member of a blend, beside models on fingerprints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np

from cinchona.models.classical.inputs import Inputs
from cinchona.models.classical.members import Labels, Learner, Member
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.molecule_features import MoleculeFeatures
from cinchona.models.pretraining.encoder_file import DEFAULT, SHIPPED, is_encoder
from cinchona.models.schedule import Schedule
from cinchona.models.start_choice import LARGEST
from cinchona.models.starting import NONE
from cinchona.records import Endpoint

_PILOT_EPOCHS: Final = 4


class NetworkMember(Member):
    r"""Mean of graph networks of one target.

    .. math:: f(x) = \frac1m \sum_i f_i(x)

    over the m networks, of values in natural units or of probabilities.

    Args:
        ensemble: The networks, with one endpoint.
    """

    kind: ClassVar[str] = "network"

    def __init__(self, ensemble: GraphEnsemble) -> None:
        self.ensemble = ensemble

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Mean of the networks."""
        raw = self.ensemble.coded_outputs(inputs.codes(), joined(self.ensemble.features, inputs))
        value: np.ndarray = self.ensemble.variances(raw)[0][:, 0]
        return value

    def spec(self) -> dict[str, Any]:
        """The networks' shape, and what they predict."""
        return {"task": self.ensemble.endpoints[0].kind, "ensemble": self.ensemble.spec()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The networks' weights."""
        return self.ensemble.arrays()

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, references: int) -> Self:  # noqa: ARG003 - no kernel
        """Rebuild the networks.

        Raises:
            ModelFileError: if weights are missing or misshapen, or features are not those of this version.
        """
        return cls(GraphEnsemble.restore(spec["ensemble"], arrays, (output_of(spec["task"]),)))


def output_of(task: str) -> Endpoint:
    """What the networks of a member predict: a number, or the probability of a class."""
    if task == "classification":
        return Endpoint("value", kind="classification")
    return Endpoint("value")


def joined(features: MoleculeFeatures | None, inputs: Inputs) -> np.ndarray | None:
    """Scaled features of whole molecules that the networks' heads join, float32, shape (n, x); None where they join none."""
    if features is None:
        return None
    parts = {
        "morgan": lambda: inputs.table("bits"),
        "rdkit": lambda: features.scaled(inputs.descriptors()),
    }
    return np.concatenate([parts[name]() for name in features.names], axis=1)


class NetworkLearner(Learner):
    """Trains graph networks whose heads join Morgan bits and RDKit's descriptors.

    All compounds are fitted: nothing is held out to stop by, the schedule ends where it ends. That makes the time foreseeable, and
    a tenth of a few hundred compounds is worth more in the training part.

    Args:
        pretrained: ``none`` for random first weights, ``default`` for the encoder of the package.
        size: Networks that differ in their first weights.
        workers: Threads; they do not change the result.
    """

    def __init__(self, pretrained: str = NONE, *, size: int = 1, workers: int | None = None) -> None:
        self.network = GraphNetConfig(features=("morgan", "rdkit"))
        self.training = TrainingConfig(ensemble_size=size, pretrained=pretrained, workers=workers)
        self.costly = True
        self.most_rows = 50_000 if pretrained == NONE else LARGEST
        self.name = "graph network" if pretrained == NONE else "graph network from the pretrained encoder"

    def fit(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, seed: int) -> NetworkMember:
        """Train on ``rows``."""
        return self._fitted(inputs, labels, rows, training=self.training, seed=seed)

    def costs(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, wanted: list[int], seed: int) -> list[float]:
        """As :meth:`Learner.costs`, from a few epochs: steps take the same time however many compounds there are."""
        self._fitted(inputs, labels, rows[:2], training=self._epochs(1), seed=seed)  # what is loaded on first use
        took = []
        for epochs in (1, _PILOT_EPOCHS):
            start = time.monotonic()
            self._fitted(inputs, labels, rows, training=self._epochs(epochs), seed=seed)
            took.append(time.monotonic() - start)
        more = max(took[1] - took[0], took[1] / _PILOT_EPOCHS)  # of a busy machine the difference alone may be anything
        step = more / ((_PILOT_EPOCHS - 1) * Schedule.of(self.training, len(rows)).steps_per_epoch)
        plans = [Schedule.of(self.training, max(n, 1)) for n in wanted]
        return [took[0] + step * plan.epochs * plan.steps_per_epoch for plan in plans]

    def _epochs(self, count: int) -> TrainingConfig:
        return self.training.model_copy(update={"epochs": count})

    def _fitted(
        self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, training: TrainingConfig, seed: int
    ) -> NetworkMember:
        # It brings torch, which a model that is only opened does without.
        from cinchona.models.single_target import fit_networks

        part = inputs.take(rows)
        descriptors = part.descriptors()
        features = MoleculeFeatures.of_values(self.network.features, descriptors)
        ensemble = fit_networks(
            part.codes(), labels.values[rows], joined(features, part), features=features,
            endpoint=output_of(labels.task), network=self.network, training=training, seed=seed,
        )  # fmt: skip
        return NetworkMember(ensemble)


def network_learners(n: int, *, workers: int | None) -> list[Learner]:
    """Networks that are worth trying on ``n`` compounds, the most promising first.

    Args:
        n: Training compounds.
        workers: Threads.
    """
    found: list[Learner] = [NetworkLearner(workers=workers)]
    if n <= LARGEST and is_encoder(SHIPPED):
        found.insert(0, NetworkLearner(DEFAULT, workers=workers))
    return found


__all__ = ["joined", "network_learners", "NetworkLearner", "NetworkMember", "output_of"]
