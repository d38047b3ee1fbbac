"""Shares by integrated gradients on the features of atoms and bonds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cinchona.datasets.molgraph import MolGraph
from cinchona.models.batching import GraphBatch, chunks
from cinchona.models.explanation.graphs import offsets, open_batch
from cinchona.models.explanation.plain import PlainNetwork
from cinchona.models.threads import one_torch_thread

if TYPE_CHECKING:
    from cinchona.models.network import GraphNet

STEPS: Final = 16
"""Points on the way from no features to all of them."""
MORE_STEPS: Final = 96
"""Points where the few leave a gap."""
GAP: Final = 0.02
"""Largest part of the difference between output and reference that may be left over before more points are taken."""
_CHUNK_BONDS: Final = 20_000

_Shares = tuple[float, float, np.ndarray, np.ndarray]
"""Output, output without features, shares of the atoms and of the bonds."""


def integrated_gradients(
    network: GraphNet | PlainNetwork, graphs: Sequence[MolGraph], *, target: int, depth: int
) -> list[_Shares]:
    r"""Shares of atoms and bonds in one output of a network.

    .. math:: a_i = x_i \int_0^1 \frac{\partial f(\alpha x)}{\partial x_i}\, d\alpha

    for each feature, from a graph without features to the molecule, added up over the features of an atom, and over both
    directions of a bond. The integral is a Gauss-Legendre sum of :data:`STEPS` points; molecules whose shares then miss the sum that
    they must have, :math:`f(x) - f(0)` (completeness), by more than :data:`GAP` of it get :data:`MORE_STEPS`.

    Args:
        network: One member, at rest.
        graphs: Molecules.
        target: Output to explain.
        depth: Rounds of messages that the network wants laid out.

    Returns:
        For each molecule the output, that without features, the shares of its atoms, float64, (n,), and of its bonds, (m,).

    References:
        Sundararajan, Taly and Yan, ICML 2017, https://arxiv.org/abs/1703.01365; for molecules, McCloskey et al., PNAS 2019, 116, 11624,
        https://doi.org/10.1073/pnas.1820657116, and Jiménez-Luna et al., Nat. Mach. Intell. 2020, 2, 573,
        https://doi.org/10.1038/s42256-020-00236-4.
    """
    found: list[_Shares] = []
    with one_torch_thread(strict=not isinstance(network, PlainNetwork)):
        for part in chunks([graph.edges.shape[1] for graph in graphs], _CHUNK_BONDS):
            found += _integrated(network, graphs[part], target=target, depth=depth, steps=STEPS)
        rough = [k for k, shares in enumerate(found) if _left_over(shares) > GAP]
        for part in chunks([graphs[k].edges.shape[1] for k in rough], _CHUNK_BONDS):
            again = [graphs[k] for k in rough[part]]
            finer = _integrated(network, again, target=target, depth=depth, steps=MORE_STEPS)
            for k, shares in zip(rough[part], finer, strict=True):
                found[k] = shares
    return found


def _left_over(shares: _Shares) -> float:
    """Part of the difference between output and reference that the shares do not account for."""
    output, reference, atoms, bonds = shares
    missed = float(abs(output - reference - atoms.sum() - bonds.sum()))
    return missed / max(abs(output - reference), 1e-6)


def _integrated(
    network: GraphNet | PlainNetwork, graphs: Sequence[MolGraph], *, target: int, depth: int, steps: int
) -> list[_Shares]:
    import torch

    batch = open_batch(graphs, depth=depth)
    points, weights = np.polynomial.legendre.leggauss(steps)
    way = list(zip((0.5 + 0.5 * points).tolist(), (0.5 * weights).tolist(), strict=True))
    with torch.enable_grad():
        if isinstance(network, PlainNetwork):
            atoms, bonds = _along_inputs(network, batch, way, target=target)
        else:
            atoms, bonds = _along_rows(network, batch, way, target=target)
    ends = [_output(network, batch, target=target, share=share) for share in (1.0, 0.0)]
    first_atom, first_bond = offsets([g.n_atoms for g in graphs]), offsets([g.n_bonds for g in graphs])
    both = bonds.reshape(-1, 2).sum(axis=1)
    return [
        (
            float(ends[0][k]),
            float(ends[1][k]),
            atoms[slice(*first_atom[k : k + 2])],
            both[slice(*first_bond[k : k + 2])],
        )
        for k in range(len(graphs))
    ]


_Way = Sequence[tuple[float, float]]
"""Points from 0 to 1, and what each counts for."""


def _along_rows(network: GraphNet, batch: GraphBatch, way: _Way, *, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of all atoms and directed bonds, float64; the whole network is asked at each point."""
    import torch

    atoms, bonds = np.zeros(len(batch.atom_rows)), np.zeros(len(batch.bond_rows))
    for point, weight in way:
        rows = tuple((point * each).requires_grad_() for each in (batch.atom_rows, batch.bond_rows))
        out = network(replace(batch, atom_rows=rows[0], bond_rows=rows[1]))[:, target].sum()
        by_atom, by_bond = torch.autograd.grad(out, rows, allow_unused=True, materialize_grads=True)
        atoms += weight * _summed(by_atom * batch.atom_rows)
        bonds += weight * _summed(by_bond * batch.bond_rows)
    return atoms, bonds


def _along_inputs(network: PlainNetwork, batch: GraphBatch, way: _Way, *, target: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by the rule of the chain: at each point only what comes after the part that grows with the features."""
    import torch

    rows = tuple(each.clone().requires_grad_() for each in (batch.atom_rows, batch.bond_rows))
    inputs = network.inputs(replace(batch, atom_rows=rows[0], bond_rows=rows[1]))
    slope = torch.zeros_like(inputs)
    for point, weight in way:
        part = (point * inputs.detach()).requires_grad_()
        (after,) = torch.autograd.grad(network.answer(part, batch)[:, target].sum(), part)
        slope += weight * after
    by_atom, by_bond = torch.autograd.grad(inputs, rows, slope, allow_unused=True, materialize_grads=True)
    return _summed(by_atom * batch.atom_rows), _summed(by_bond * batch.bond_rows)


def _summed(products: object) -> np.ndarray:
    import torch

    assert isinstance(products, torch.Tensor)
    return np.asarray(products.double().sum(dim=1).numpy())


def _output(network: GraphNet | PlainNetwork, batch: GraphBatch, *, target: int, share: float) -> np.ndarray:
    import torch

    with torch.no_grad():
        out = network(replace(batch, atom_rows=share * batch.atom_rows, bond_rows=share * batch.bond_rows))
    return np.asarray(out[:, target].double().numpy())


__all__ = ["GAP", "MORE_STEPS", "STEPS", "integrated_gradients"]
