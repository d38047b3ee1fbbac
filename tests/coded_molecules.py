"""Random molecular graphs as codes, for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from cinchona.models.engine.directed import CodedGraphs, DirectedWeights

D_ATOM, D_BOND = 7, 3


def make_graphs(molecules, seed: int = 1) -> CodedGraphs:
    """Molecules as (atom codes, [(begin, end, bond code)])."""
    rng = np.random.default_rng(seed)
    atoms, bonds, ends, offsets = [], [], [], [0]
    for codes, edges in molecules:
        ends += [(offsets[-1] + u, offsets[-1] + v) for u, v, _ in edges]
        bonds += [code for _, _, code in edges]
        atoms += codes
        offsets.append(len(atoms))
    return CodedGraphs(
        np.array(atoms, np.int32), np.array(bonds, np.int32), np.array(ends, np.int32).reshape(-1, 2),
        np.array(offsets, np.int32), rng.standard_normal((5, D_ATOM)).astype(np.float32),
        rng.standard_normal((4, D_BOND)).astype(np.float32),
    )  # fmt: skip


@st.composite
def molecule(draw: st.DrawFn):
    """A random simple graph; few codes, so that environments repeat and also nearly repeat."""
    n = draw(st.integers(1, 9))
    pairs = [(u, v) for u in range(n) for v in range(u)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
    flipped = [(v, u) if draw(st.booleans()) else (u, v) for u, v in chosen]
    return (
        draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)),
        [(u, v, draw(st.integers(0, 1))) for u, v in flipped],
    )


def molecule_graphs() -> st.SearchStrategy[CodedGraphs]:
    """Batches of one to six molecules."""
    return st.lists(molecule(), min_size=1, max_size=6).map(make_graphs)


def one_by_one(graphs: CodedGraphs) -> Iterator[CodedGraphs]:
    """Each molecule as a batch of its own."""
    for first, last in zip(graphs.offsets, graphs.offsets[1:], strict=False):
        mine = (graphs.ends[:, 0] >= first) & (graphs.ends[:, 0] < last)
        yield CodedGraphs(
            graphs.atom_codes[first:last], graphs.bond_codes[mine], graphs.ends[mine] - first,
            np.array([0, last - first], np.int32), graphs.atom_rows, graphs.bond_rows,
        )  # fmt: skip


HIDDEN = 16


def make_weights(seed: int = 0) -> DirectedWeights:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    return DirectedWeights(
        draw(D_ATOM, HIDDEN), draw(D_BOND, HIDDEN), draw(HIDDEN), draw(HIDDEN, HIDDEN), draw(HIDDEN),
        draw(D_ATOM, HIDDEN), draw(HIDDEN, HIDDEN), draw(HIDDEN),
    )  # fmt: skip


CYCLE_6 = ([0] * 6, [(i, (i + 1) % 6, 0) for i in range(6)])
TWO_CYCLES_3 = ([0] * 6, [(i, i - i % 3 + (i + 1) % 3, 0) for i in range(6)])
CUBE = ([0] * 8, [(i, i ^ b, 0) for i in range(8) for b in (1, 2, 4) if i < i ^ b])
CHAIN = ([0] * 300, [(i, i + 1, 0) for i in range(299)])
STAR = ([1] + [0] * 12, [(0, i, 0) for i in range(1, 13)])
LONE = ([2], [])
