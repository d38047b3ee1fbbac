"""An ensemble of graph networks as a scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, FEATURE_SCHEMA, MolGraph
from cinchona.errors import ModelFileError
from cinchona.models.coded_input import molecules_of
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.additive_block import AdditiveBlock, Answers
from cinchona.models.engine.gemm import GemmName
from cinchona.models.engine.graphs import FeatureRows
from cinchona.models.member_weights import Members, weights_of
from cinchona.models.molecule_features import MoleculeFeatures
from cinchona.models.scaling import TargetScaling
from cinchona.models.scorers import ArrayScorer, Predictions
from cinchona.models.serving import Bank, additive_blocks, make_bank
from cinchona.models.threads import one_torch_thread
from cinchona.models.uncertainty.kinds import outputs_of, own_variance, served, served_targets, values_only
from cinchona.records import CompoundBatch, Endpoint, Reject

if TYPE_CHECKING:
    from cinchona.models.calibration.held_out import HeldOut
    from cinchona.models.network import GraphNet
    from cinchona.models.start_choice import StartChoice

_CHUNK_BONDS: Final = 40_000
_TITLES: Final = {
    "dmpnn": "D-MPNN", "gin": "GIN", "gine": "GINE", "attentivefp": "AttentiveFP", "pna": "PNA", "gatv2": "GATv2", "gps": "GPS",
}  # fmt: skip


class GraphEnsemble(ArrayScorer):
    """Networks of one shape that were trained from different first weights; their mean predicts, their spread warns.

    The value of an endpoint is the mean over the members in natural units (of probabilities, for classification), the
    uncertainty their population standard deviation: 0 for a single network, and a lower bound of the true error. Networks that
    state variances of their own (``network.uncertainty``) add the mean of these to the square of it.

    Args:
        members: Networks, at least one.
        network: Their shape.
        endpoints: What the outputs are.
        scaling: From network outputs to natural units.
        features: Features of whole molecules that the networks' heads join; None for those that join none.
    """

    kind: ClassVar[str] = "graph-ensemble"
    uses_codes: ClassVar[bool] = True
    """Graph codes in a batch are used."""
    product: GemmName = "torch"
    """Matrix product of the engine; a screen's plan chooses one for all workers, since the other differs in the last bit."""

    def __init__(
        self,
        members: Sequence[GraphNet],
        *,
        network: GraphNetConfig,
        endpoints: Sequence[Endpoint],
        scaling: TargetScaling,
        features: MoleculeFeatures | None = None,
    ) -> None:
        super().__init__(endpoints)
        self.network = network
        self.scaling = scaling
        self.features = features
        self.origin: dict[str, str] = {}
        self.start: StartChoice | None = None
        self.held_out: HeldOut | None = None
        self._weights: tuple[dict[str, np.ndarray], ...] = tuple(
            {name: tensor.detach().numpy() for name, tensor in member.state_dict().items()} for member in members
        )

    @property
    def weights(self) -> tuple[Mapping[str, np.ndarray], ...]:
        """Parameters of each network by their name in its state dict; not to be changed."""
        return self._weights

    @cached_property
    def members(self) -> tuple[GraphNet, ...]:
        """The networks as torch modules; made when they are first asked for, since scoring does without."""
        return Members(self.network, self._weights, len(self.endpoints))()

    @cached_property
    def _served(self) -> Members:
        weights = tuple(served(self.network, each) for each in self._weights)
        return Members(self.network, weights, served_targets(self.network, len(self.endpoints)))

    @cached_property
    def _modules(self) -> tuple[GraphNet, ...]:
        """The networks with the outputs that are served."""
        return self.members if self._served.n_targets == len(self.endpoints) else self._served()

    @cached_property
    def _bank(self) -> Bank:
        return make_bank(self.network, self._served.weights, self._served)

    @property
    def size(self) -> int:
        """Number of networks."""
        return len(self._weights)

    def of_members(self, chosen: Sequence[int]) -> GraphEnsemble:
        """An ensemble of some of the networks, by number."""
        part = GraphEnsemble(
            (), network=self.network, endpoints=self.endpoints, scaling=self.scaling, features=self.features
        )
        part._weights = tuple(self._weights[member] for member in chosen)
        return part

    @property
    def name(self) -> str:
        """Short name for reports."""
        joined = "".join(f" + {name}" for name in self.network.features)
        return f"{_TITLES[self.network.architecture]}{joined} x {len(self._weights)}"

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Featurize and predict the molecules of ``batch``, each distinct atom environment once where the engine serves."""
        molecules, kept, rejects = molecules_of(batch)
        extra = None
        if self.features is not None:
            extra = self.features.rows([text for text, usable in zip(batch.smiles, kept, strict=True) if usable])
        vectors = self._room(molecules) if getattr(self.trust.domain, "needs_vectors", False) else None
        raw = self._bank.outputs(molecules, extra, self.product, vectors=vectors)
        return replace(self._predictions(raw, kept=kept, rejects=rejects), molecules=molecules, vectors=vectors)

    def predict_graphs(
        self, graphs: Sequence[MolGraph], *, kept: np.ndarray | None = None, rejects: tuple[Reject, ...] = ()
    ) -> Predictions:
        """Predict featurized molecules.

        Args:
            graphs: n molecules.
            kept: Which rows of a batch they are, bool; all by default.
            rejects: The other rows.
        """
        everything = np.ones(len(graphs), dtype=bool) if kept is None else kept
        return self._predictions(self.raw_outputs(graphs), kept=everything, rejects=rejects)

    def coded_outputs(self, molecules: CodedMolecules, extra: np.ndarray | None = None) -> np.ndarray:
        """Outputs of each member for n coded molecules and their features, as :meth:`raw_outputs`, by the engine if it can."""
        return self._bank.outputs(molecules, extra, self.product)

    def molecule_vectors(self, smiles: Sequence[str]) -> np.ndarray:
        """Vectors that the first network makes of valid molecules before its head, float32, shape (n, hidden)."""
        molecules = molecules_of(CompoundBatch.of(smiles))[0]
        vectors = self._room(molecules)
        extra = None if self.features is None else self.features.rows(smiles)
        self._bank.outputs(molecules, extra, self.product, vectors=vectors)
        return vectors

    def _room(self, molecules: CodedMolecules) -> np.ndarray:
        return np.zeros((len(molecules), self.network.hidden), np.float32)

    def additive_blocks(self) -> tuple[FeatureRows, list[AdditiveBlock] | str]:
        """The networks as sums over atoms, or why they are none; see :func:`~cinchona.models.additive.additive_form`."""
        scaling, count = self.scaling, len(self._weights)
        answers = Answers(
            tuple(e.name for e in self.endpoints),
            tuple(bool(c) for c in scaling.is_class),
            np.tile(scaling.scale, (count, 1)),
            np.tile(scaling.mean, (count, 1)),
        )
        weights = [values_only(self.network, each, len(self.endpoints)) for each in self._weights]
        return additive_blocks(self.network, weights, answers)

    def _predictions(self, raw: np.ndarray, *, kept: np.ndarray, rejects: tuple[Reject, ...]) -> Predictions:
        value, between, own = self.variances(raw)
        return Predictions(kept, value, np.sqrt(between + own), rejects)

    def raw_of(self, smiles: Sequence[str]) -> np.ndarray:
        """Outputs of each member for n valid molecules, as :meth:`raw_outputs`."""
        molecules, kept, _ = molecules_of(CompoundBatch.of(list(smiles)))
        assert kept.all(), "curated compounds are predicted"
        extra = None if self.features is None else self.features.rows(list(smiles))
        return self._bank.outputs(molecules, extra, self.product)

    def variances(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, population variance between the networks, and mean variance that they state themselves.

        Args:
            raw: Outputs of each member, float32, shape (members, n, outputs).

        Returns:
            In natural units, float64, each of shape (n, t); the last one is 0 for plain networks.
        """
        members = self.scaling.to_natural(raw[..., : len(self.endpoints)])
        own = own_variance(self.network, raw, self.scaling)
        between = members.var(axis=0)
        return members.mean(axis=0), between, np.zeros_like(between) if own is None else own.mean(axis=0)

    def raw_outputs(self, graphs: Sequence[MolGraph]) -> np.ndarray:
        """Outputs of each member before they are turned into natural units, float32, shape (members, n, outputs), values first.

        Raises:
            ShapeError: if the heads join features of whole molecules, which graphs do not carry.
        """
        import torch

        from cinchona.models.batching import GraphSet, chunks

        outputs = outputs_of(self.network, self._served.n_targets)
        raw = np.empty((len(self._modules), len(graphs), outputs), dtype=np.float32)
        with one_torch_thread(), torch.inference_mode():
            for part in chunks([g.edges.shape[1] for g in graphs], _CHUNK_BONDS):
                batch = GraphSet.of(graphs[part], depth=self.network.program_depth).batch(
                    np.arange(part.stop - part.start)
                )
                for position, member in enumerate(self._modules):
                    raw[position, part] = member(batch).numpy()
        return raw

    def spec(self) -> dict[str, Any]:
        """Architecture as plain data; :meth:`restore` reads it."""
        joined = {} if self.features is None else {"features": self.features.spec()}
        started = {"pretrained": self.origin} if self.origin else {}
        return {
            "network": self.network.as_spec(),
            "members": len(self._weights),
            "feature_schema": FEATURE_SCHEMA,
            "d_atom": ATOM_DIM,
            "d_bond": BOND_DIM,
            "mean": self.scaling.mean.tolist(),
            "scale": self.scaling.scale.tolist(),
            **joined,
            **started,
        }

    def notes(self) -> dict[str, Any]:
        """Where the networks started, if that was decided by cross-validation."""
        return {} if self.start is None else {"start": self.start.to_json()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, ``members.<i>.<parameter>``, and the scaling of joined features."""
        joined = {} if self.features is None else self.features.arrays()
        return joined | {
            f"members.{position}.{name}": array
            for position, weights in enumerate(self._weights)
            for name, array in weights.items()
        }

    @classmethod
    def restore(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]
    ) -> GraphEnsemble:
        """Rebuild the ensemble.

        Raises:
            ModelFileError: if the feature schema is not the installed one, or weights are missing or misshapen.
        """
        if spec["feature_schema"] != FEATURE_SCHEMA:
            raise ModelFileError(
                f"the model was trained on features {spec['feature_schema']!r}",
                expected=f"{FEATURE_SCHEMA!r}, the features of this version of Cinchona",
                remedy="install the version of Cinchona that saved the model, or train it again",
            )
        config = GraphNetConfig.model_validate(spec["network"])
        members = [weights_of(config, arrays, position, len(endpoints)) for position in range(int(spec["members"]))]
        is_class = np.array([e.kind == "classification" for e in endpoints], dtype=bool)
        scaling = TargetScaling(np.array(spec["mean"], np.float64), np.array(spec["scale"], np.float64), is_class)
        joined = MoleculeFeatures.restore(spec["features"], arrays) if config.features else None
        made = cls((), network=config, endpoints=endpoints, scaling=scaling, features=joined)
        made._weights = tuple(members)
        made.origin = (
            {name: str(spec["pretrained"][name]) for name in ("name", "digest")} if "pretrained" in spec else {}
        )
        _ = made._bank  # weights that do not fit show here, not in the first batch
        return made
