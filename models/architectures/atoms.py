"""What encoders on atoms share: features looked up once a distinct row, and sums over neighbours."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from cinchona.models.batching import GraphBatch

SLOPE = 0.01
"""Slope of LeakyReLU below 0 in attention."""


def atoms_through(linear: nn.Linear, batch: GraphBatch) -> Tensor:
    """``linear`` of every atom's features, (V, d); the product is made once a distinct feature row."""
    found: Tensor = linear(batch.atom_rows)[batch.atom_code]
    return found


def bonds_through(linear: nn.Linear, batch: GraphBatch) -> Tensor:
    """``linear`` of every directed bond's features, (E, d); the product is made once a distinct feature row."""
    found: Tensor = linear(batch.bond_rows)[batch.bond_code]
    return found


def into_atoms(messages: Tensor, batch: GraphBatch, *, how: str = "sum") -> Tensor:
    """Aggregate messages (E, d) at the atoms where their bonds end, (V, d); an atom without bonds gets 0."""
    gathered: Tensor = scatter(messages, batch.edges[1], dim=0, dim_size=len(batch.molecule), reduce=how)
    return gathered


def over_neighbours(logits: Tensor, batch: GraphBatch) -> Tensor:
    """Softmax of logits (E, heads) over the bonds that end at one atom."""
    shares: Tensor = softmax(logits, batch.edges[1], num_nodes=len(batch.molecule))
    return shares


def over_molecule(logits: Tensor, batch: GraphBatch) -> Tensor:
    """Softmax of logits (V, heads) over the atoms of one molecule."""
    shares: Tensor = softmax(logits, batch.molecule, num_nodes=len(batch))
    return shares
