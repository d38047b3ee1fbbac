"""Graph networks of other packages as a scorer: blocks of networks, each block answering for some of the endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.chemprop_features import CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM, CHEMPROP_SCHEMA
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.parsing import Rejected
from cinchona.errors import ModelFileError
from cinchona.models.coded_input import molecules_of, usable_molecule
from cinchona.models.config import GraphNetConfig, ReadoutName
from cinchona.models.engine.additive_block import AdditiveBlock, Answers, directed_block
from cinchona.models.engine.directed import DirectedWeights
from cinchona.models.engine.gemm import GemmName, gemm
from cinchona.models.engine.graphs import FEATURE_ROWS, FeatureRows
from cinchona.models.engine.inference import EngineBlock, EngineNetwork, block_outputs
from cinchona.models.imported.descriptors import DESCRIPTORS, descriptor_rows, descriptor_width
from cinchona.models.scaling import TargetScaling
from cinchona.models.scorers import ArrayScorer, Predictions
from cinchona.models.threads import product_thread
from cinchona.records import CompoundBatch, Endpoint, Reject, Stage

ENCODER: Final = ("w_i", "b_i", "w_h", "b_h", "w_o", "b_o")
"""Arrays of every network's encoder, as torch lays them out: (outputs, inputs)."""


class BlockSpec(BaseModel):
    """What the networks of a block have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[str, ...] = Field(min_length=1)
    """Names of the endpoints that the block answers for, in the order of its outputs."""
    kind: Literal["regression", "classification"]
    """Classification outputs are logits."""
    depth: int = Field(ge=1, le=12)
    """Message-passing steps."""
    readout: ReadoutName
    """How atom states become one vector a molecule."""
    norm: float = Field(1.0, gt=0)
    """Constant of the ``norm`` readout."""
    members: int = Field(ge=1, le=1000)
    """Number of networks."""
    head_layers: int = Field(ge=1, le=20)
    """Linear layers of the head."""
    descriptors: str | None = None
    """Descriptors behind the molecule vector: one of :data:`~cinchona.models.imported.descriptors.DESCRIPTORS`."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A block with its numbers."""

    spec: BlockSpec
    """What the networks share."""
    networks: tuple[Mapping[str, np.ndarray], ...]
    """Of each network the arrays by name: :data:`ENCODER`, ``head.<k>.weight`` and ``head.<k>.bias``, and where there are
    any ``affine.scale`` and ``affine.shift``, ``output.mean`` and ``output.scale``, ``descriptors.mean`` and
    ``descriptors.scale``; float32."""


class ImportedEnsemble(ArrayScorer):
    """Directed message-passing networks that Chemprop 2 trained, run by our engine on Chemprop's own features.

    The value of an endpoint is the mean over the networks of its block in natural units (of probabilities, for
    classification), the uncertainty their population standard deviation: 0 for a single network.

    Args:
        blocks: The networks; their endpoints together are those of the scorer.
        endpoints: What is predicted.
        source: Where the networks come from, for people.
    """

    kind: ClassVar[str] = "imported-ensemble"
    uses_codes: ClassVar[bool] = True
    """Graph codes in a batch are used."""
    product: GemmName = "torch"
    """Matrix product of the engine; a screen's plan chooses one for all workers."""

    def __init__(self, blocks: Sequence[Block], *, endpoints: Sequence[Endpoint], source: str) -> None:
        super().__init__(endpoints)
        self.blocks, self.source = tuple(blocks), source
        names = [name for block in self.blocks for name in block.spec.endpoints]
        if sorted(names) != sorted(e.name for e in self.endpoints) or len(set(names)) != len(names):
            raise ValueError("the blocks do not answer for each endpoint once")
        position = {name: k for k, name in enumerate(names)}
        self._order = np.array([position[e.name] for e in self.endpoints])
        self._engine = [tuple(_engine(block.spec, arrays) for arrays in block.networks) for block in self.blocks]

    @property
    def name(self) -> str:
        """Short name for reports."""
        return f"{self.source} x {sum(len(block.networks) for block in self.blocks)}"

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Featurize and predict the molecules of ``batch``, each distinct atom environment once for all networks."""
        described = sorted({b.spec.descriptors for b in self.blocks if b.spec.descriptors is not None})
        if not described:
            molecules, kept, rejects = molecules_of(batch)
            return self._predictions(molecules, {}, kept=kept, rejects=rejects)
        parsed = [usable_molecule(text) for text in batch.smiles]
        mols = [mol for mol in parsed if not isinstance(mol, Rejected)]
        extra = {name: descriptor_rows(name, mols) for name in described}
        finite = np.ones(len(mols), bool)
        for rows in extra.values():
            finite &= np.isfinite(rows).all(axis=1)
        kept, rejects = _account(batch, parsed, finite)
        usable = [mol for mol, good in zip(mols, finite.tolist(), strict=True) if good]
        chosen = {name: rows[finite] for name, rows in extra.items()}
        return self._predictions(codes_of_many(usable), chosen, kept=kept, rejects=rejects)

    def additive_blocks(self) -> tuple[FeatureRows, list[AdditiveBlock] | str]:
        """The networks as sums over atoms, or why they are none; see :func:`~cinchona.models.additive.additive_form`."""
        rows_of = FEATURE_ROWS[CHEMPROP_SCHEMA]
        if any(block.spec.descriptors is not None for block in self.blocks):
            return rows_of, f"{self.name} takes descriptors of whole molecules, which are no sums over atoms"
        return rows_of, [
            directed_block(networks, _config(block.spec), _answers(block))
            for networks, block in zip(self._engine, self.blocks, strict=True)
        ]

    def _predictions(
        self,
        molecules: CodedMolecules,
        extra: Mapping[str, np.ndarray],
        *,
        kept: np.ndarray,
        rejects: tuple[Reject, ...],
    ) -> Predictions:
        blocks = [
            EngineBlock(networks, _config(block.spec), extra.get(block.spec.descriptors or ""))
            for networks, block in zip(self._engine, self.blocks, strict=True)
        ]
        with product_thread(self.product):
            raw = block_outputs(
                blocks, molecules, rows_of=FEATURE_ROWS[CHEMPROP_SCHEMA], multiply=gemm(self.product)
            )  # fmt: skip
        natural = [_natural(block, out) for block, out in zip(self.blocks, raw, strict=True)]
        value = np.concatenate([members.mean(axis=0) for members in natural], axis=1)[:, self._order]
        spread = np.concatenate([members.std(axis=0) for members in natural], axis=1)[:, self._order]
        return Predictions(kept, value, spread, rejects, molecules)

    def sees_graphs_only(self, endpoint: str) -> bool:
        """Whether the networks that answer for ``endpoint`` take nothing but the graph."""
        return all(b.spec.descriptors is None for b in self.blocks if endpoint in b.spec.endpoints)

    def member_outputs(self, molecules: CodedMolecules, endpoint: str, rows_of: FeatureRows) -> np.ndarray:
        """What each of the k networks that answer for ``endpoint`` says of n coded molecules, from features of ``rows_of``.

        Returns:
            float64, shape (k, n): values in natural units, or log-odds for a class.
        """
        (place,) = (k for k, block in enumerate(self.blocks) if endpoint in block.spec.endpoints)
        block, networks = self.blocks[place], self._engine[place]
        engine = EngineBlock(networks, _config(block.spec), None)
        with product_thread(self.product):
            (raw,) = block_outputs([engine], molecules, rows_of=rows_of, multiply=gemm(self.product))
        column = block.spec.endpoints.index(endpoint)
        scale, mean = _scalings(block)
        outputs: np.ndarray = raw[:, :, column] * scale[:, column, None] + mean[:, column, None]
        return outputs

    def spec(self) -> dict[str, Any]:
        """Architecture as plain data; :meth:`restore` reads it."""
        return {
            "source": self.source,
            "feature_schema": CHEMPROP_SCHEMA,
            "blocks": [block.spec.model_dump(mode="json") for block in self.blocks],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, ``blocks.<b>.networks.<k>.<array>``."""
        return {
            f"blocks.{b}.networks.{k}.{name}": array
            for b, block in enumerate(self.blocks)
            for k, network in enumerate(block.networks)
            for name, array in network.items()
        }

    @classmethod
    def restore(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]
    ) -> ImportedEnsemble:
        """Rebuild the scorer.

        Raises:
            ModelFileError: if the feature schema or the descriptors are not known, or weights are missing or misshapen.
        """
        if spec["feature_schema"] != CHEMPROP_SCHEMA:
            raise ModelFileError(
                f"the model was trained on features {spec['feature_schema']!r}", expected=CHEMPROP_SCHEMA,
                remedy="install the version of Cinchona that imported the model, or import it again",
            )  # fmt: skip
        blocks = []
        for b, listed in enumerate(spec["blocks"]):
            shape = BlockSpec.model_validate(listed)
            prefixes = [f"blocks.{b}.networks.{k}." for k in range(shape.members)]
            networks = [
                {n.removeprefix(p): np.array(a) for n, a in arrays.items() if n.startswith(p)} for p in prefixes
            ]
            blocks.append(Block(shape, tuple(networks)))
        for block in blocks:
            for network in block.networks:
                check_network(block.spec, network)
        return cls(blocks, endpoints=endpoints, source=str(spec["source"]))


def check_network(spec: BlockSpec, network: Mapping[str, np.ndarray]) -> None:
    """Check that the arrays of a network fit together and to its block.

    Raises:
        ModelFileError: naming the array that is missing, misshapen, or holds something that is no number.
    """
    if spec.descriptors is not None and spec.descriptors not in DESCRIPTORS:
        raise ModelFileError(f"unknown descriptors {spec.descriptors!r}", expected=", ".join(DESCRIPTORS))
    hidden = network["w_h"].shape[0] if "w_h" in network and network["w_h"].ndim == 2 else 0
    extra = 0 if spec.descriptors is None else descriptor_width(spec.descriptors)
    wanted = _shapes(spec, hidden, extra, network)
    for name, shape in wanted.items():
        if name not in network or network[name].shape != shape:
            found = network[name].shape if name in network else "none"
            raise ModelFileError(f"the array {name} has shape {found}", expected=f"{shape}")
    optional = {"affine.scale": (hidden,), "affine.shift": (hidden,), "output.mean": (len(spec.endpoints),),
                "output.scale": (len(spec.endpoints),), "descriptors.mean": (extra,), "descriptors.scale": (extra,)}  # fmt: skip
    for name, array in network.items():
        if name not in wanted and optional.get(name) != array.shape:
            raise ModelFileError(
                f"the array {name} of shape {array.shape} does not belong to this network", expected=", ".join(wanted)
            )
        if not np.isfinite(array).all():
            raise ModelFileError(f"the array {name} holds infinite or undefined numbers", expected="finite numbers")


def _shapes(spec: BlockSpec, hidden: int, extra: int, network: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    atom, bond = CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM
    shapes: dict[str, tuple[int, ...]] = {
        "w_i": (hidden, atom + bond), "b_i": (hidden,), "w_h": (hidden, hidden), "b_h": (hidden,),
        "w_o": (hidden, atom + hidden), "b_o": (hidden,),
    }  # fmt: skip
    width = hidden + extra
    for k in range(spec.head_layers):
        bias = network.get(f"head.{k}.bias")
        out = len(spec.endpoints) if k == spec.head_layers - 1 else (0 if bias is None else bias.shape[0])
        shapes |= {f"head.{k}.weight": (out, width), f"head.{k}.bias": (out,)}
        width = out
    return shapes


def _config(spec: BlockSpec) -> GraphNetConfig:
    return GraphNetConfig(depth=spec.depth, readout=spec.readout, norm=spec.norm)


def _engine(spec: BlockSpec, arrays: Mapping[str, np.ndarray]) -> EngineNetwork:
    atom = CHEMPROP_ATOM_DIM
    w_i, w_o = _transposed(arrays["w_i"]), _transposed(arrays["w_o"])
    encoder = DirectedWeights(
        w_atom=np.ascontiguousarray(w_i[:atom]), w_bond=np.ascontiguousarray(w_i[atom:]), b_i=arrays["b_i"],
        w_h=_transposed(arrays["w_h"]), b_h=arrays["b_h"], w_out_atom=np.ascontiguousarray(w_o[:atom]),
        w_out_message=np.ascontiguousarray(w_o[atom:]), b_o=arrays["b_o"],
    )  # fmt: skip
    layers = range(spec.head_layers)
    head = tuple((_transposed(arrays[f"head.{k}.weight"]), arrays[f"head.{k}.bias"]) for k in layers)
    return EngineNetwork(encoder, head, _pair(arrays, "affine.scale", "affine.shift"),
                         _pair(arrays, "descriptors.mean", "descriptors.scale"))  # fmt: skip


def _pair(arrays: Mapping[str, np.ndarray], first: str, second: str) -> tuple[np.ndarray, np.ndarray] | None:
    return (arrays[first], arrays[second]) if first in arrays and second in arrays else None


def _transposed(weight: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(weight.T)


def _natural(block: Block, raw: np.ndarray) -> np.ndarray:
    """Outputs of the members in natural units, float64, shape (members, n, t)."""
    is_class = np.full(len(block.spec.endpoints), block.spec.kind == "classification")
    scale, mean = _scalings(block)
    return np.stack([TargetScaling(m, s, is_class).to_natural(out) for s, m, out in zip(scale, mean, raw, strict=True)])


def _answers(block: Block) -> Answers:
    is_class = (block.spec.kind == "classification",) * len(block.spec.endpoints)
    return Answers(block.spec.endpoints, is_class, *_scalings(block))


def _scalings(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Factor and summand from outputs to natural units, float64, shape (members, t) each."""
    t = len(block.spec.endpoints)
    scale = [network.get("output.scale", np.ones(t)).astype(np.float64) for network in block.networks]
    mean = [network.get("output.mean", np.zeros(t)).astype(np.float64) for network in block.networks]
    return np.stack(scale), np.stack(mean)


def _account(
    batch: CompoundBatch, parsed: Sequence[Chem.Mol | Rejected], finite: np.ndarray
) -> tuple[np.ndarray, tuple[Reject, ...]]:
    """Which rows are predicted, bool, and the others as rejects."""
    kept = np.array([not isinstance(mol, Rejected) for mol in parsed], dtype=bool)
    undefined = Rejected(Stage.FEATURIZE, "a descriptor that the model needs is not defined for this molecule")
    without = np.flatnonzero(kept)[~finite]
    reasons: dict[int, Rejected] = {k: mol for k, mol in enumerate(parsed) if isinstance(mol, Rejected)}
    reasons |= dict.fromkeys(without.tolist(), undefined)
    kept[without] = False
    rows = batch.row_ids.tolist()
    return kept, tuple(reasons[k].of_row(rows[k]) for k in sorted(reasons))


__all__ = ["ENCODER", "Block", "BlockSpec", "ImportedEnsemble", "check_network"]
