"""The shares of atoms and bonds in a prediction of any scorer, by the method that suits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.chemprop_features import CHEMPROP_SCHEMA
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.molgraph import MAX_ATOMS, MolGraph, featurize_batch
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.errors import ConfigError
from cinchona.models.engine.graphs import FEATURE_ROWS
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.explanation.coded import hiding, masked_by_codes
from cinchona.models.explanation.masking import masked_shares
from cinchona.models.explanation.records import Attribution, MethodName
from cinchona.models.explanation.removal import removal_shares
from cinchona.models.imported.scorer import ImportedEnsemble
from cinchona.models.threads import one_torch_thread
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Endpoint, Stage

if TYPE_CHECKING:
    from cinchona.models.explanation.plain import PlainNetwork
    from cinchona.models.network import GraphNet

_SUREST: Final = 1e-3
_BLOCK: Final = 2_000


def attribute(
    scorer: Scorer, smiles: Sequence[str], *, endpoint: str | None = None, method: MethodName | None = None
) -> list[Attribution | Rejected]:
    """Explain the predictions of a scorer for molecules.

    Args:
        scorer: Any scorer; a wrapped one is explained by what it wraps.
        smiles: n molecules, standardized as in training.
        endpoint: What to explain; None for the first endpoint.
        method: None for the one that recovers planted atoms best: ``gradients`` for graph networks, ``masking`` for imported ones, ``removal``
            for all else.

    Returns:
        One explanation a molecule in the order given, or why there is none.

    Raises:
        ConfigError: if the scorer has no such endpoint, or the method does not suit it.
    """
    inner = innermost(scorer)
    column = _column(inner.endpoints, endpoint)
    chosen = method or default_method(inner, inner.endpoints[column].name)
    molecules = [_parsed(text) for text in smiles]
    rows = [k for k, mol in enumerate(molecules) if not isinstance(mol, Rejected)]
    task = _Task(inner, column, [smiles[k] for k in rows], [molecules[k] for k in rows])  # type: ignore[misc]
    explained = iter(_explained(task, chosen))
    return [mol if isinstance(mol, Rejected) else next(explained) for mol in molecules]


def innermost(scorer: Scorer) -> Scorer:
    """What a scorer wraps, or itself."""
    inner: Any = scorer
    while (wrapped := getattr(inner, "inner", None)) is not None:
        inner = wrapped
    found: Scorer = inner
    return found


def default_method(scorer: Scorer, endpoint: str | None = None) -> MethodName:
    """The method for this scorer unless another is named; see docs/explanation/explanations.md for the figures behind it."""
    return methods_of(scorer, endpoint)[0]


def methods_of(scorer: Scorer, endpoint: str | None = None) -> tuple[MethodName, ...]:
    """The methods that can explain this endpoint (the first one by default) of a scorer, the best first."""
    inner = innermost(scorer)
    if isinstance(inner, GraphEnsemble) and inner.features is None:
        return ("gradients", "masking", "removal")
    if isinstance(inner, ImportedEnsemble) and inner.sees_graphs_only(endpoint or inner.endpoints[0].name):
        return ("masking", "removal")
    return ("removal",)


@dataclass(frozen=True, slots=True)
class _Task:
    scorer: Scorer
    column: int
    smiles: list[str]
    molecules: list[Chem.Mol]

    @property
    def endpoint(self) -> Endpoint:
        return self.scorer.endpoints[self.column]

    @property
    def scale(self) -> str:
        return "log-odds" if self.endpoint.kind == "classification" else self.endpoint.unit


def _explained(task: _Task, method: MethodName) -> list[Attribution | Rejected]:
    if not task.smiles:
        return []
    if method == "removal":
        return _by_removal(task)
    possible = methods_of(task.scorer, task.endpoint.name)
    if method not in possible:
        raise ConfigError(
            f"{task.scorer.name} cannot be explained by {method}", where="method", expected=" or ".join(possible),
            remedy="leave the method to explanation.method=auto; removal works for every model",
        )  # fmt: skip
    found = _members_shares(task, method)
    return [
        Attribution(
            smiles=text, endpoint=task.endpoint.name, scale=task.scale, method=method,
            value=float(value.mean()), reference=float(reference.mean()),
            atoms=atoms.mean(axis=0), bonds=bonds.mean(axis=0),
            ends=bond_ends(mol),
            atom_spread=_spread(atoms), bond_spread=_spread(bonds),
        )
        for text, mol, (value, reference, atoms, bonds) in zip(task.smiles, task.molecules, found, strict=True)
    ]  # fmt: skip


_Shares = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Of k members: outputs (k,), references (k,), shares of atoms (k, n) and of bonds (k, m)."""


def _members_shares(task: _Task, method: MethodName) -> list[_Shares]:
    if isinstance(task.scorer, ImportedEnsemble):
        return _masked_imported(task.scorer, task.molecules, task.endpoint.name)
    assert isinstance(task.scorer, GraphEnsemble)
    graphs = [graph for graph in featurize_batch(task.molecules) if isinstance(graph, MolGraph)]
    return (_gradients if method == "gradients" else _masked)(task.scorer, graphs, task.column)


def _masked_imported(scorer: ImportedEnsemble, molecules: Sequence[Chem.Mol], endpoint: str) -> list[_Shares]:
    rows_of = hiding(FEATURE_ROWS[CHEMPROP_SCHEMA])

    def outputs(variants: CodedMolecules) -> np.ndarray:
        return scorer.member_outputs(variants, endpoint, rows_of)

    return [(value, np.full(len(value), np.nan), *shares) for value, *shares in masked_by_codes(molecules, outputs)]  # type: ignore[misc]


def _gradients(scorer: GraphEnsemble, graphs: Sequence[MolGraph], column: int) -> list[_Shares]:
    from cinchona.models.explanation.gradients import integrated_gradients
    from cinchona.models.explanation.plain import PlainNetwork, is_plain

    depth, (factor, summand) = scorer.network.program_depth, _to_natural(scorer, column)
    networks: Sequence[GraphNet | PlainNetwork] = (
        [PlainNetwork.of(scorer.network, each) for each in scorer.weights]
        if is_plain(scorer.network)
        else scorer.members
    )
    members = [integrated_gradients(network, graphs, target=column, depth=depth) for network in networks]
    found = []
    for parts in zip(*members, strict=True):
        value, reference = (np.array([part[k] for part in parts]) * factor + summand for k in (0, 1))
        atoms, bonds = (np.stack([part[k] for part in parts]) * factor for k in (2, 3))
        found.append((value, reference, atoms, bonds))
    return found


def _masked(scorer: GraphEnsemble, graphs: Sequence[MolGraph], column: int) -> list[_Shares]:
    factor, summand = _to_natural(scorer, column)

    def outputs(variants: Sequence[MolGraph]) -> np.ndarray:
        return scorer.raw_outputs(variants)[:, :, column]

    with one_torch_thread():
        shares = masked_shares(graphs, outputs)
    return [
        (value * factor + summand, np.full(len(value), np.nan), atoms * factor, bonds * factor)
        for value, atoms, bonds in shares
    ]


def _by_removal(task: _Task) -> list[Attribution | Rejected]:
    def predict(texts: Sequence[str]) -> np.ndarray:
        return predictions(task.scorer, texts, column=task.column)

    whole = predict(task.smiles)
    usable = [k for k in range(len(task.smiles)) if np.isfinite(whole[k])]
    shares = iter(removal_shares([task.molecules[k] for k in usable], [task.smiles[k] for k in usable], predict))
    found: list[Attribution | Rejected] = []
    for k, text in enumerate(task.smiles):
        if not np.isfinite(whole[k]):
            found.append(Rejected(Stage.SCORE, "the model gives no prediction to explain"))
            continue
        value, atoms, bonds = next(shares)
        found.append(Attribution(
            smiles=text, endpoint=task.endpoint.name, scale=task.scale, method="removal", value=value,
            reference=float("nan"), atoms=atoms, bonds=bonds, ends=bond_ends(task.molecules[k]),
        ))  # fmt: skip
    return found


def predictions(scorer: Scorer, smiles: Sequence[str], *, column: int) -> np.ndarray:
    """Predictions of one endpoint, float64, shape (n,); log-odds for a class, NaN where there is none."""
    found = np.full(len(smiles), np.nan)
    for start in range(0, len(smiles), _BLOCK):
        scores = scorer.score(CompoundBatch.of(list(smiles[start : start + _BLOCK])))
        found[start + scores.row_ids] = scores.value[:, column]
    if scorer.endpoints[column].kind != "classification":
        return found
    kept = np.clip(found, _SUREST, 1 - _SUREST)
    odds: np.ndarray = np.log(kept) - np.log1p(-kept)
    return odds


def bond_ends(mol: Chem.Mol) -> np.ndarray:
    """Atoms of each of m bonds, int64, shape (m, 2)."""
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    return np.array(ends, np.int64).reshape(-1, 2)


def _to_natural(scorer: GraphEnsemble, column: int) -> tuple[float, float]:
    """Factor and summand from raw outputs to the scale of the shares; logits stay what they are."""
    scaling = scorer.scaling
    return (1.0, 0.0) if scaling.is_class[column] else (float(scaling.scale[column]), float(scaling.mean[column]))


def _column(endpoints: Sequence[Endpoint], name: str | None) -> int:
    names = [endpoint.name for endpoint in endpoints]
    if name is None:
        return 0
    if name not in names:
        raise ConfigError(
            f"the model has no endpoint {name!r}", where="endpoint", expected=f"one of {', '.join(names[:8])}",
            remedy="see them with: cinchona models show MODEL",
        )  # fmt: skip
    return names.index(name)


def _parsed(text: str) -> Chem.Mol | Rejected:
    mol = parse_smiles(text)
    if isinstance(mol, Rejected) or mol.GetNumAtoms() <= MAX_ATOMS:
        return mol
    return Rejected(Stage.FEATURIZE, f"{mol.GetNumAtoms():,} atoms, expected 1 to {MAX_ATOMS:,}")


def _spread(shares: np.ndarray) -> np.ndarray | None:
    return shares.std(axis=0) if len(shares) > 1 else None


__all__ = ["attribute", "bond_ends", "default_method", "innermost", "methods_of", "predictions"]
