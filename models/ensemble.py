"""An ensemble of graph networks as a scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from cinchona.datasets.binarycodes import CodedMolecules
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, FEATURE_SCHEMA, MolGraph, features
from cinchona.errors import ModelFileError
from cinchona.models.coded_input import molecules_of
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.gemm import GemmName, gemm
from cinchona.models.engine.inference import EngineNetwork, engine_outputs
from cinchona.models.scaling import TargetScaling
from cinchona.models.scorers import ArrayScorer, Predictions
from cinchona.models.threads import one_torch_thread, product_thread
from cinchona.records import CompoundBatch, Endpoint, Reject

if TYPE_CHECKING:
    from cinchona.models.network import GraphNet

_CHUNK_BONDS: Final = 40_000


class GraphEnsemble(ArrayScorer):
    """Networks of one shape that were trained from different first weights; their mean predicts, their spread warns.

    The value of an endpoint is the mean over the members in natural units (of probabilities, for classification), the
    uncertainty their population standard deviation: 0 for a single network, and a lower bound of the true error.

    Args:
        members: Networks, at least one.
        network: Their shape.
        endpoints: What the outputs are.
        scaling: From network outputs to natural units.
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
    ) -> None:
        super().__init__(endpoints)
        self.network = network
        self.scaling = scaling
        self._weights = tuple(
            {name: tensor.detach().numpy() for name, tensor in member.state_dict().items()} for member in members
        )
        self._engine = tuple(EngineNetwork.of_weights(weights) for weights in self._weights)

    @cached_property
    def members(self) -> tuple[GraphNet, ...]:
        """The networks as torch modules; made when they are first asked for, since scoring does without."""
        return tuple(_member(self.network, weights, len(self.endpoints)) for weights in self._weights)

    @property
    def name(self) -> str:
        """Short name for reports."""
        return f"D-MPNN x {len(self._weights)}"

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Featurize and predict the molecules of ``batch``, each distinct atom environment once."""
        molecules, kept, rejects = molecules_of(batch)
        return self._predictions(self.coded_outputs(molecules), kept=kept, rejects=rejects)

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

    def coded_outputs(self, molecules: CodedMolecules) -> np.ndarray:
        """Outputs of each member for n coded molecules, as :meth:`raw_outputs`, through the engine."""
        with product_thread(self.product):
            return engine_outputs(
                self._engine, molecules, config=self.network, rows_of=features, multiply=gemm(self.product)
            )

    def _predictions(self, raw: np.ndarray, *, kept: np.ndarray, rejects: tuple[Reject, ...]) -> Predictions:
        members = self.scaling.to_natural(raw)
        return Predictions(kept, members.mean(axis=0), members.std(axis=0), rejects)

    def raw_outputs(self, graphs: Sequence[MolGraph]) -> np.ndarray:
        """Outputs of each member before they are turned into natural units, float32, shape (members, n, t)."""
        import torch

        from cinchona.models.batching import GraphSet, chunks

        raw = np.empty((len(self.members), len(graphs), len(self.endpoints)), dtype=np.float32)
        with one_torch_thread(), torch.inference_mode():
            for part in chunks([g.edges.shape[1] for g in graphs], _CHUNK_BONDS):
                batch = GraphSet.of(graphs[part], depth=self.network.depth).batch(np.arange(part.stop - part.start))
                for position, member in enumerate(self.members):
                    raw[position, part] = member(batch).numpy()
        return raw

    def spec(self) -> dict[str, Any]:
        """Architecture as plain data; :meth:`restore` reads it."""
        return {
            "network": self.network.model_dump(mode="json"),
            "members": len(self._weights),
            "feature_schema": FEATURE_SCHEMA,
            "d_atom": ATOM_DIM,
            "d_bond": BOND_DIM,
            "mean": self.scaling.mean.tolist(),
            "scale": self.scaling.scale.tolist(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, ``members.<i>.<parameter>``."""
        return {
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
        members = [_weights_of(config, arrays, position, len(endpoints)) for position in range(int(spec["members"]))]
        is_class = np.array([e.kind == "classification" for e in endpoints], dtype=bool)
        scaling = TargetScaling(np.array(spec["mean"], np.float64), np.array(spec["scale"], np.float64), is_class)
        made = cls((), network=config, endpoints=endpoints, scaling=scaling)
        made._weights = tuple(members)
        made._engine = tuple(EngineNetwork.of_weights(weights) for weights in members)
        return made


def _weights_of(
    config: GraphNetConfig, arrays: Mapping[str, np.ndarray], position: int, n_targets: int
) -> dict[str, np.ndarray]:
    """Weights of one member, checked against the architecture."""
    prefix = f"members.{position}."
    weights = {n.removeprefix(prefix): np.array(a, np.float32) for n, a in arrays.items() if n.startswith(prefix)}
    wanted = _shapes(config, n_targets)
    wrong = [name for name in {**wanted, **weights} if wanted.get(name) != getattr(weights.get(name), "shape", None)]
    if wrong:
        found = weights[wrong[0]].shape if wrong[0] in weights else "missing"
        raise ModelFileError(
            f"the weights of network {position} do not fit its architecture: {wrong[0]} is {found}",
            expected=f"one array of the right shape for each parameter, here {wanted.get(wrong[0], 'none')}",
            remedy="copy the model folder again from where it was trained",
        )
    return weights


def _shapes(config: GraphNetConfig, n_targets: int) -> dict[str, tuple[int, ...]]:
    """Shape of each parameter by its name in a state dict."""
    h = config.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.W_i.weight": (h, ATOM_DIM + BOND_DIM), "encoder.W_h.weight": (h, h),
        "encoder.W_o.weight": (h, ATOM_DIM + h), "encoder.W_o.bias": (h,),
    }  # fmt: skip
    widths = [h, *[config.head_hidden] * config.head_layers, n_targets]
    for k, (width, after) in enumerate(pairwise(widths)):
        shapes |= {f"head.{3 * k}.weight": (after, width), f"head.{3 * k}.bias": (after,)}
    return shapes


def _member(config: GraphNetConfig, weights: Mapping[str, np.ndarray], n_targets: int) -> GraphNet:
    import torch

    from cinchona.models.network import build_network

    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=n_targets)
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    return network.eval().requires_grad_(requires_grad=False)
