"""The directed engine on a device of torch: the same plan, the same formula, sums in the same order.

Environments are grouped on the processor, which takes a small part of the time; states live on the device from the first
product to the molecule sums. Sums run over segments, one after another, so that a repetition gives the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cinchona.models.engine.grouping import Incidence

if TYPE_CHECKING:
    from cinchona.models.engine.directed import CodedGraphs, DirectedWeights, MessagePlan


def encode_on_device(graphs: CodedGraphs, plan: MessagePlan, weights: DirectedWeights, device: str) -> np.ndarray:
    """Sum of final atom states of each molecule, float32, shape (n_molecules, d_hidden).

    Args:
        graphs: The batch.
        plan: Its plan, made with the depth of the network.
        weights: One encoder.
        device: Name of a torch device, such as ``cuda``.
    """
    with torch.inference_mode():
        state = _bond_states(graphs, plan, weights, device)
        last, atoms = plan.levels[-1], plan.atoms
        incoming, lengths = _incoming(plan.into, atoms.representatives)
        flow = state @ _on(weights.w_out_message, device)
        messages = _segment_sums(flow, last.ids[incoming], lengths)
        rows = _on(graphs.atom_rows, device) @ _on(weights.w_out_atom, device) + _on(weights.b_o, device)
        out = torch.relu(messages + rows[_index(graphs.atom_codes[atoms.representatives], device)])
        sums: np.ndarray = _segment_sums(out, atoms.ids, np.diff(graphs.offsets)).cpu().numpy()
    return sums


def _bond_states(graphs: CodedGraphs, plan: MessagePlan, weights: DirectedWeights, device: str) -> torch.Tensor:
    """Last state of each group of directed bonds, float32, shape (n_groups, d_hidden)."""
    own = plan.levels[0]
    first = own.representatives
    atoms = _on(graphs.atom_rows, device) @ _on(weights.w_atom, device)
    bonds = _on(graphs.bond_rows, device) @ _on(weights.w_bond, device)
    base = atoms[_index(graphs.atom_codes[plan.source[first]], device)]
    base = base + bonds[_index(graphs.bond_codes[first >> 1], device)] + _on(weights.b_i, device)
    state, base = torch.relu(base), base + _on(weights.b_h, device)
    w_h = _on(weights.w_h, device)
    for previous, level in zip(plan.levels, plan.levels[1:], strict=False):
        chosen = level.representatives
        incoming, lengths = _incoming(plan.into, plan.source[chosen])
        behind = np.repeat(chosen ^ 1, lengths) == incoming  # the bond itself, the other way round
        lengths = lengths - np.add.reduceat(np.append(behind, False), np.cumsum(lengths) - lengths) * (lengths > 0)
        inflow = _segment_sums(state @ w_h, previous.ids[incoming[~behind]], lengths)
        state = torch.relu(base[_index(own.ids[chosen], device)] + inflow)
    return state


def _incoming(into: Incidence, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directed bonds that end in each of ``atoms``, one atom after another, and how many there are for each."""
    begin = into.start[atoms].astype(np.int64)
    lengths = into.start[atoms + 1].astype(np.int64) - begin
    first = np.cumsum(lengths) - lengths
    return into.bonds[np.arange(int(lengths.sum())) + np.repeat(begin - first, lengths)], lengths


def _segment_sums(rows: torch.Tensor, chosen: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
    """Sums over consecutive runs of the rows ``chosen``, float32, shape (len(lengths), d)."""
    if not len(chosen):
        return torch.zeros((len(lengths), rows.shape[1]), dtype=rows.dtype, device=rows.device)
    picked = rows[_index(chosen, rows.device)]
    return torch.segment_reduce(picked, "sum", lengths=_index(lengths, rows.device), axis=0)


def _on(values: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def _index(values: np.ndarray, device: str | torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(device)


__all__ = ["encode_on_device"]
