"""Links by the hit-miss model: candidates, weights, the guard against correlated terms, posterior probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import expit

from cinchona.pharmacovigilance.linking import pair_kernels
from cinchona.pharmacovigilance.linking.blocking import candidate_pairs
from cinchona.pharmacovigilance.linking.rules import Pairs
from cinchona.pharmacovigilance.linking.weights import Weights, estimate_rates, make_weights, weigh

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.linking.config import HitMissConfig
    from cinchona.pharmacovigilance.linking.records import Records
    from cinchona.progress import Progress

_BATCH: Final = 2_000_000
_SPARE: Final = 2
"""A pair's own two cases do not count as evidence that its terms go together."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Pairs with their evidence."""

    pairs: Pairs
    fields: np.ndarray
    """Bits by field, float32, shape (n, 6)."""
    guard: np.ndarray
    """Bits taken off because shared terms go together anyway, float32, shape (n,), not negative."""
    score: np.ndarray
    """Sum of the fields less the guard, float32, shape (n,); 0 bits means no evidence."""
    posterior: np.ndarray
    """Probability that both are one event, float64, shape (n,)."""

    def where(self, mask: np.ndarray) -> Scored:
        """Pairs for which ``mask`` (bool, (n,)) holds."""
        return Scored(
            self.pairs.where(mask), self.fields[mask], self.guard[mask], self.score[mask], self.posterior[mask]
        )


def prior_bits(n: int, expected_rate: float) -> float:
    r"""Prior log odds, in bits, that two of ``n`` cases are one: :math:`\log_2(2 r / (n - 1))` for a rate r."""
    return float(np.log2(2 * expected_rate / max(1, n - 1)))


def posterior_of(score: np.ndarray, prior: float) -> np.ndarray:
    """Posterior probability of pairs with ``score`` bits under prior log odds of ``prior`` bits."""
    return np.asarray(expit((np.asarray(score, np.float64) + prior) * np.log(2)))


def score_pairs(records: Records, weights: Weights, pairs: Pairs, *, config: HitMissConfig) -> Scored:
    """Weigh ``pairs`` and take the guard off."""
    fields = weigh(records, weights, pairs.left, pairs.right)
    guard = guard_bits(records, weights, pairs)
    score = fields.sum(axis=1) - guard
    return Scored(pairs, fields, guard, score, posterior_of(score, prior_bits(len(records), config.expected_rate)))


def link(records: Records, anchors: Pairs, *, config: HitMissConfig, bar: Progress) -> tuple[Scored, Weights]:
    """Find the pairs with a posterior of at least ``config.keep_posterior``.

    Args:
        records: All cases.
        anchors: Pairs that share a manufacturer's number; error rates are estimated from them.
        config: Settings.
        bar: Counter of candidate pairs.
    """
    rates = estimate_rates(records, anchors.left, anchors.right, pseudo=config.pseudo_pairs)
    weights = make_weights(records, rates)
    odds = np.log2(config.keep_posterior / (1 - config.keep_posterior))
    least = odds - prior_bits(len(records), config.expected_rate)
    kept: list[np.ndarray] = []
    for left, right in candidate_pairs(records, cap=config.block_cap):
        for begin in range(0, len(left), _BATCH):
            a, b = left[begin : begin + _BATCH], right[begin : begin + _BATCH]
            good = weigh(records, weights, a, b).sum(axis=1) >= least
            kept.append(a[good].astype(np.int64) << 32 | b[good])
            bar.advance(len(a))
    codes = np.unique(np.concatenate(kept)) if kept else np.empty(0, np.int64)
    pairs = Pairs((codes >> 32).astype(np.int32), (codes & 0xFFFFFFFF).astype(np.int32))
    scored = score_pairs(records, weights, pairs, config=config)
    return scored.where(scored.posterior >= config.keep_posterior), weights


def guard_bits(records: Records, weights: Weights, pairs: Pairs) -> np.ndarray:
    r"""Bits to take off because terms that two cases share are often reported together anyway.

    What the shared terms are worth is bounded twice. First, shared drugs and reactions are ordered by weight, and from
    each one the largest shrunk information component with any weightier shared term is taken off, at most its own
    weight: :math:`IC_{ij} = \log_2 \frac{n_{ij} - 2 + 1/2}{n_i n_j / n + 1/2}`, where the pair's own two cases do not
    count: a drug combination that is always given together then counts as one shared drug, not as three. Second, when m
    other cases have all the shared terms of a kind too, these are worth at most :math:`\log_2 (n / m)` bits: what many
    cases share is a treatment protocol, a trial or an article, not an event. That holds for the shared drugs, for the
    shared reactions, and for both together.

    Returns:
        float32, shape (n,), not negative.
    """
    pooled = _pooled(records, weights)
    offsets, values, term_weights, _ = pooled
    starts, shared = pair_kernels.shared_terms(pairs.left, pairs.right, offsets, values)
    group = np.repeat(np.arange(len(pairs)), np.diff(starts))
    left = term_weights[shared] - _component_guard(records, pooled, starts, shared)
    postings = _postings(offsets, values, len(term_weights))
    is_drug = shared < len(records.drugs.counts)
    worth = np.zeros(len(pairs))
    for mine in (is_drug, ~is_drug):
        sizes = np.bincount(group[mine], minlength=len(pairs))
        most = _most_bits(records, np.concatenate([[0], np.cumsum(sizes)]), shared[mine], postings, (offsets, values))
        worth += np.minimum(np.bincount(group[mine], weights=left[mine], minlength=len(pairs)), most)
    worth = np.minimum(worth, _most_bits(records, starts, shared, postings, (offsets, values)))
    total = np.bincount(group, weights=term_weights[shared], minlength=len(pairs))
    return np.asarray(np.maximum(total - worth, 0), np.float32)


def _component_guard(
    records: Records,
    pooled: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    starts: np.ndarray,
    shared: np.ndarray,
) -> np.ndarray:
    """What the first bound of :func:`guard_bits` takes off each shared term, float64."""
    offsets, values, term_weights, counts = pooled
    owner, first, second = _term_pairs(starts, shared, term_weights)
    keys = np.minimum(first, second).astype(np.int64) << 32 | np.maximum(first, second)
    distinct, place = np.unique(keys, return_inverse=True)
    together = _count(offsets, values, distinct, len(term_weights))[place]
    expected = counts[first] * counts[second] / max(1, len(records))
    component = np.log2(np.maximum(together - _SPARE, 0) + 0.5) - np.log2(expected + 0.5)
    worst = np.zeros(len(shared))
    np.maximum.at(worst, owner, component)
    return np.asarray(np.minimum(worst, np.maximum(term_weights[shared], 0)))


def _most_bits(
    records: Records,
    starts: np.ndarray,
    shared: np.ndarray,
    postings: tuple[np.ndarray, np.ndarray],
    lists: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Second bound of :func:`guard_bits` on the terms given, float64, one per pair; infinite where no other case has them."""
    others = count_sharing(starts, shared, postings, lists) - _SPARE
    return np.asarray(np.where(others > 0, np.log2(len(records) / np.maximum(others, 1)), np.inf))


def count_sharing(
    starts: np.ndarray,
    shared: np.ndarray,
    postings: tuple[np.ndarray, np.ndarray],
    lists: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Count the cases that have all the terms which a pair shares, int64 (n,), as :func:`.pair_kernels.count_sharing` does.

    Most pairs share one term, whose cases are counted already, or two, of which many pairs share the same two: a common
    drug of half a million cases is looked through once and not for each of its pairs.
    """
    sizes = np.diff(starts)
    found = np.zeros(len(sizes), np.int64)
    one, two, more = sizes == 1, sizes == 2, sizes > 2
    found[one] = np.diff(postings[0])[shared[starts[:-1][one]]]
    first = starts[:-1][two]
    keys, place = np.unique(shared[first].astype(np.int64) << 32 | shared[first + 1], return_inverse=True)
    both = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(shared.dtype).reshape(-1)
    ends = 2 * np.arange(len(keys) + 1, dtype=starts.dtype)
    found[two] = np.asarray(pair_kernels.count_sharing(ends, both, *postings, *lists))[place]
    rest = np.concatenate([[0], np.cumsum(sizes[more])]).astype(starts.dtype)
    terms = shared[np.repeat(more, sizes)]
    found[more] = pair_kernels.count_sharing(rest, terms, *postings, *lists)
    return found


def _postings(offsets: np.ndarray, values: np.ndarray, n_terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Cases of each term: offsets int64 (n_terms + 1,) and cases int32."""
    order = np.argsort(values, kind="stable")
    cases = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))[order]
    return np.concatenate([[0], np.cumsum(np.bincount(values, minlength=n_terms))]), cases


def _pooled(records: Records, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Drugs and reactions as one kind of term: offsets, codes, weight and count by code."""
    drugs, reactions = records.drugs, records.reactions
    offsets = drugs.offsets + reactions.offsets
    values = np.empty(offsets[-1], np.int32)
    n = len(records)
    for lists, begins, shift in (
        (drugs, offsets[:-1], 0),
        (reactions, offsets[:-1] + np.diff(drugs.offsets), len(drugs.counts)),
    ):
        sizes = np.diff(lists.offsets)
        places = np.arange(len(lists.values)) + np.repeat(begins - lists.offsets[:-1], sizes)
        values[places] = lists.values + shift
    assert len(offsets) == n + 1
    return (
        offsets,
        values,
        np.concatenate([weights.drugs, weights.reactions]),
        np.concatenate([drugs.counts, reactions.counts]),
    )


def _term_pairs(
    starts: np.ndarray, shared: np.ndarray, term_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pair of cases all pairs of shared terms: place of the lighter term, its code, code of the weightier."""
    sizes = np.diff(starts)
    group = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((shared, -term_weights[shared], group))
    rank = np.arange(len(shared)) - starts[:-1][group]
    # Sorted by weight within its group, the term of rank k meets the k terms before it.
    lighter = np.repeat(np.arange(len(shared)), rank)
    steps = np.arange(len(lighter)) - np.repeat(np.cumsum(rank) - rank, rank)
    weightier = starts[:-1][group[lighter]] + steps
    return order[lighter], shared[order[lighter]], shared[order[weightier]]


def _count(offsets: np.ndarray, values: np.ndarray, keys: np.ndarray, n_terms: int) -> np.ndarray:
    counts = np.zeros(len(keys), np.int64)
    if not len(keys):
        return counts
    size = 1 << (2 * len(keys)).bit_length()
    table, codes = np.full(size, -1, np.int64), np.zeros(size, np.int32)
    pair_kernels.fill_table(table, codes, keys)
    wanted = np.zeros(n_terms, np.uint8)
    wanted[keys >> 32] = wanted[keys & 0xFFFFFFFF] = 1
    pair_kernels.count_together(offsets, values, wanted, table, codes, counts)
    return counts
