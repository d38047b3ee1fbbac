r"""Groups of reactions without any licence: terms that are reported together, found in the store itself.

For terms in at least ``min_cases`` cases the lower 95 % bound of the shrunk information component,

.. math:: IC_{ij} = \log_2 \frac{n_{ij} + 1/2}{n_i n_j / n + 1/2}, \qquad
    IC_{025} = IC - 3.3 (n_{ij} + 1/2)^{-1/2} - 2 (n_{ij} + 1/2)^{-3/2},

where positive, makes a similarity matrix; its leading eigenvectors place every term, and terms are merged by average
linkage while the cosine of their places stays above ``similarity``. With the bound in place of the estimate, terms
that came together by chance do not pull on each other. Groups are named after their most reported term. They are no medical terminology: terms of one group
share patients, not necessarily a mechanism.

References:
    Shrinkage: G. N. Norén, J. Hopstadius, A. Bate, Stat. Methods Med. Res. 22 (2013) 57. Places from co-occurrence:
    O. Levy, Y. Goldberg, NIPS 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cinchona.pharmacovigilance.coding.reactions import terms_of, tidy_term, write_groups

if TYPE_CHECKING:
    from pathlib import Path

    from scipy import sparse

    from cinchona.pharmacovigilance.store import ReportStore


@dataclass(frozen=True, slots=True)
class CoReporting:
    """Clusters of terms by co-reporting."""

    min_cases: int = 5
    """Terms in fewer cases stay alone."""
    max_terms: int = 6000
    """Of more terms only the most reported are clustered."""
    dimensions: int = 50
    """Eigenvectors that place the terms."""
    similarity: float = 0.5
    """Least mean cosine between two groups that are merged, in [-1, 1]; two random terms have about 0."""

    def write(self, store: ReportStore, path: Path) -> dict[str, Any]:
        """Cluster the terms of ``store``."""
        view = store.analysis_view(drug="name", duplicates="keep")  # the same before and after a search for duplicates
        names = [tidy_term(t) for t in view.reaction_names.arrow().column("reaction").to_pylist()]
        pairs = view.reactions.arrow()
        terms, groups = cluster(
            pairs.column("report_no").to_numpy(), pairs.column("reaction_id").to_numpy(), view.n_cases, settings=self
        )
        counts = np.bincount(pairs.column("reaction_id").to_numpy(), minlength=len(names))
        rows = [(names[t], g) for t, g in zip(terms, _named(terms, groups, counts, names), strict=True) if g]
        write_groups(rows, path)
        return {
            "grouping": "clusters", "version": store.content_id, "terms": len(terms_of(store)),
            "terms_grouped": len(rows), "groups": len({g for _, g in rows}),
        }  # fmt: skip


def cluster(
    reports: np.ndarray, terms: np.ndarray, n_reports: int, *, settings: CoReporting
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster terms.

    Args:
        reports: Case of each (case, term), int (m,); each pair once.
        terms: Term of each, int (m,).
        n_reports: Number of cases.
        settings: Thresholds.

    Returns:
        Terms that were clustered, int64 (k,), and the number of the group of each, int64 (k,).
    """
    from sklearn.cluster import AgglomerativeClustering

    counts = np.bincount(terms)
    chosen = np.argsort(-counts, kind="stable")[: settings.max_terms]
    chosen = np.sort(chosen[counts[chosen] >= settings.min_cases])
    if len(chosen) < 3:
        return chosen, np.arange(len(chosen))
    places = _places(_components(reports, terms, chosen, n_reports), settings.dimensions)
    linkage = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - settings.similarity
    )
    return chosen, np.asarray(linkage.fit_predict(places))


def _components(reports: np.ndarray, terms: np.ndarray, chosen: np.ndarray, n: int) -> sparse.csr_matrix:
    from scipy import sparse

    place = np.full(int(terms.max()) + 1, -1)
    place[chosen] = np.arange(len(chosen))
    known = place[terms] >= 0
    table = sparse.csr_matrix(
        (np.ones(int(known.sum()), np.float32), (reports[known], place[terms[known]])), shape=(n, len(chosen))
    )
    together = (table.T @ table).tocoo()
    single = np.asarray(table.sum(axis=0)).ravel()
    expected = single[together.row] * single[together.col] / n
    seen = together.data + 0.5
    component = np.log2(seen / (expected + 0.5)) - 3.3 * seen**-0.5 - 2 * seen**-1.5
    component[together.row == together.col] = 0
    component = np.maximum(component, 0)
    return sparse.csr_matrix((component, (together.row, together.col)), shape=together.shape)


def _places(matrix: sparse.csr_matrix, dimensions: int) -> np.ndarray:
    from scipy.sparse.linalg import eigsh

    size = matrix.shape[0]
    k = min(dimensions, size - 2)
    if k < 1 or matrix.nnz == 0:
        return np.eye(size)
    values, vectors = eigsh(matrix.astype(np.float64), k=k, which="LA", v0=np.ones(size))
    places = vectors * np.sqrt(np.maximum(values, 0))
    lengths = np.linalg.norm(places, axis=1, keepdims=True)
    # Terms that go with nothing get a direction of their own, so that they stay alone.
    lonely = lengths[:, 0] < 1e-9
    own = np.eye(size)[:, lonely]
    return np.hstack([places / np.maximum(lengths, 1e-9), own])


def _named(terms: np.ndarray, groups: np.ndarray, counts: np.ndarray, names: list[str]) -> list[str]:
    """Name of each term's group, after its most reported term; empty for groups of one."""
    sizes = np.bincount(groups)
    first: dict[int, int] = {}
    for t, g in sorted(zip(terms.tolist(), groups.tolist(), strict=True), key=lambda pair: (-counts[pair[0]], pair[0])):
        first.setdefault(g, t)
    return [f"{names[first[g]]} and {sizes[g] - 1} more" if sizes[g] > 1 else "" for g in groups.tolist()]
