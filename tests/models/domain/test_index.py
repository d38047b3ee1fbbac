"""The index finds exactly what comparing every pair finds."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs

from cinchona.datasets.binarycodes import CHECK_SMILES, codes_of_many
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.errors import ShapeError
from cinchona.models.domain import clustering
from cinchona.models.domain.bitslices import LANES
from cinchona.models.domain.clustering import TOGETHER, alike_together
from cinchona.models.domain.folding import Folding, OnBits
from cinchona.models.domain.index import NearestIndex
from cinchona.models.domain.lanes import BITS, FEW_BITS, LEVELS, WORDS, count_lanes, count_lanes_of_few
from cinchona.models.domain.planes import count_slowly
from cinchona.models.domain.rarity import rare_first, rarity

FOLDING = Folding.of("tests")


def vector(words: np.ndarray) -> DataStructs.ExplicitBitVect:
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    made = DataStructs.ExplicitBitVect(len(bits))
    made.SetBitsFromList(np.flatnonzero(bits).tolist())
    return made


def by_rdkit(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    known = [vector(row) for row in references]
    return np.array([1 - max(DataStructs.BulkTanimotoSimilarity(vector(row), known)) for row in queries], np.float32)


@st.composite
def fingerprints(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Queries and references of one size and of every density, some of them equal."""
    words, n, m = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 700))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = rng.choice([0.0, 0.02, 0.2, 0.5, 0.95, 1.0], size=(n + m, 1))
    bits = rng.random((n + m, words * 64)) < density
    bits[rng.integers(n + m)] = bits[0]
    packed = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    return packed[:n], packed[n:]


@settings(max_examples=30, deadline=None)
@given(fingerprints())
def test_distance_is_that_of_rdkit(pair: tuple[np.ndarray, np.ndarray]) -> None:
    queries, references = pair
    distance, place = NearestIndex(references).nearest(OnBits.of_packed(queries))
    expected = by_rdkit(queries, references)
    empty = ~queries.any(axis=1)
    expected[empty] = 1.0  # RDKit calls two empty fingerprints unlike too, or like; here nothing shared is far
    np.testing.assert_allclose(distance, expected, atol=1e-6)
    for q, p in enumerate(place):
        if p >= 0:
            similar = DataStructs.TanimotoSimilarity(vector(queries[q]), vector(references[p]))
            assert 1 - similar == pytest.approx(distance[q], abs=1e-6)
        else:
            assert distance[q] == 1.0


@settings(max_examples=30, deadline=None)
@given(fingerprints())
def test_first_among_equals_is_found_and_skipping_it_finds_the_next(pair: tuple[np.ndarray, np.ndarray]) -> None:
    _, references = pair
    index, own = NearestIndex(references), OnBits.of_packed(references)
    distance, place = index.nearest(own)
    for row in np.flatnonzero(references.any(axis=1)):
        assert distance[row] == 0.0
        assert place[row] == np.flatnonzero((references == references[row]).all(axis=1))[0]
    left_out, other = index.nearest(own, skipped=np.arange(len(references)))
    assert (other != np.arange(len(references))).all()
    if len(references) > 1:
        row = len(references) - 1
        expected = by_rdkit(references[row:], references[:row])
        if references[row].any():
            assert left_out[row] == pytest.approx(expected[0], abs=1e-6)


@numba.njit
def lanes(blocks: np.ndarray, which: int, positions: np.ndarray, allowed: int, out: np.ndarray) -> int:
    """The vector loop, called as the search calls it."""
    return count_lanes(blocks, positions, (which, 0, len(positions)), allowed, out)


@numba.njit
def lanes_of_few(blocks: np.ndarray, which: int, positions: np.ndarray, allowed: int, out: np.ndarray) -> int:
    """The one of fewer levels."""
    return count_lanes_of_few(blocks, positions, (which, 0, len(positions)), allowed, out)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.sampled_from(["full", "even", "rare first"]))
def test_vertical_counters_count_what_is_lacking(seed: int, total: int, kind: str) -> None:
    """Lists are filled up to a multiple of eight by a column of zeros, and counting may end early but misses nothing."""
    rng, groups = np.random.default_rng(seed), -(-total // 8)
    density = {"full": 1.0, "even": rng.random(), "rare first": np.linspace(1, 0, groups * 8 + 1)[:, None] ** 2}[kind]
    lacking = rng.random((groups * 8 + 1, LANES)) < density
    lacking[total:] = False
    blocks = np.zeros((2, (groups * 8 + 1) * WORDS), np.uint64)
    blocks[1] = np.packbits(lacking, axis=1, bitorder="little").view(np.uint64).reshape(-1)
    positions, counts = np.arange(groups * 8, dtype=np.int32), lacking.sum(axis=0)
    least = int(counts.min())
    for allowed in sorted({0, 1, 7, 8, 31, 32, 33, 255, total // 2, total, least - 1, least, least + 1}):
        ways = [(LEVELS, lambda *given: count_slowly(given[0][given[1]], *given[2:]))]
        ways += [(BITS, lanes)] * (0 <= allowed < 1 << BITS) + [(FEW_BITS, lanes_of_few)] * (
            0 <= allowed < 1 << FEW_BITS
        )
        for levels, count in ways if allowed >= 0 else []:
            out = np.full((LEVELS + 1) * WORDS, 77, np.uint64)
            reached = count(blocks, 1, positions, allowed, out)
            assert bool(reached) == bool((counts <= allowed).any())
            if reached:
                mask = np.unpackbits(out[LEVELS * WORDS :].view(np.uint8), bitorder="little").astype(bool)
                np.testing.assert_array_equal(mask, counts <= allowed)
                planes = np.unpackbits(
                    out[: levels * WORDS].view(np.uint8).reshape(levels, -1), axis=1, bitorder="little"
                )
                spare = (planes.astype(int) << np.arange(levels)[:, None]).sum(axis=0)
                np.testing.assert_array_equal(spare[mask], allowed - counts[mask])


@pytest.mark.parametrize("width", [0.02, 0.2])
def test_unions_and_guesses_change_nothing(width: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many alike fingerprints, some of them twice, and queries near them and far from all: as comparing every pair finds."""
    rng = np.random.default_rng(17)
    kinds = rng.random((60, 512)) < rng.beta(0.5, 6, 512)
    bits = kinds[rng.integers(60, size=4_300)] ^ (rng.random((4_300, 512)) < width * rng.beta(0.5, 6, 512))
    bits[-300:] = rng.random((300, 512)) < rng.random((300, 1))
    bits[100:110] = bits[4_100:4_110]
    known, asked = bits[:4_200], np.concatenate([bits[4_100:], bits[::40], np.zeros((1, 512), bool)])
    words, queries = (np.packbits(part, axis=1, bitorder="little").view(np.uint64) for part in (known, asked))
    own = np.full(len(asked), -1)
    own[200:300] = np.arange(0, 4_000, 40)
    plain = NearestIndex(words).nearest(OnBits.of_packed(queries), skipped=own)
    monkeypatch.setattr(clustering, "FEWEST", 2_048)
    assert alike_together(words)[1] == 2
    distance, place = NearestIndex(words).nearest(OnBits.of_packed(queries), skipped=own)
    shared = asked.astype(np.float32) @ known.T.astype(np.float32)
    similar = shared / np.maximum(asked.sum(axis=1)[:, None] + known.sum(axis=1) - shared, 1)
    similar[np.flatnonzero(own >= 0), own[own >= 0]] = -1
    np.testing.assert_allclose(distance, 1 - similar.max(axis=1), atol=1e-6)
    np.testing.assert_array_equal(place, np.where(similar.max(axis=1) > 0, similar.argmax(axis=1), -1))
    for one, other in zip(plain, (distance, place), strict=True):
        np.testing.assert_array_equal(one, other)


def test_neighbours_in_the_order_of_an_index_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "FEWEST", 2_048)
    rng = np.random.default_rng(3)
    bits = (rng.random((64, 256)) < 0.2)[rng.permutation(np.repeat(np.arange(64), 33))]
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    order, groups = alike_together(words)
    assert groups == 1
    assert sorted(order) == list(range(len(words)))
    fours = bits[order[:2_048]].reshape(-1, TOGETHER, 256)
    united, shuffled = (
        fours.any(axis=1).sum(axis=1).mean(),
        bits[:2_048].reshape(-1, TOGETHER, 256).any(axis=1).sum(axis=1).mean(),
    )
    assert united < 0.6 * shuffled


@settings(max_examples=30, deadline=None)
@given(fingerprints())
def test_rare_bits_come_first(pair: tuple[np.ndarray, np.ndarray]) -> None:
    queries, references = pair
    ranks, lists = rarity(references), OnBits.of_packed(queries)
    bits = np.unpackbits(references.view(np.uint8), axis=1, bitorder="little")
    size = bits.shape[1]
    assert sorted(ranks) == list(range(size + 1))
    assert ranks[-1] == size
    assert (np.diff(bits.sum(axis=0)[np.argsort(ranks[:-1])].astype(int)) >= 0).all()
    found = rare_first(ranks, lists.positions, lists.starts)
    for q in range(len(queries)):
        own = slice(lists.starts[q], lists.starts[q + 1])
        np.testing.assert_array_equal(found[own], np.sort(ranks[lists.positions[own]]))


def test_order_of_the_index_and_many_queries_change_no_distance() -> None:
    """Sorted by numbers of bits, as a folder keeps them, blocks are left out; more queries than a tile holds pass them twice."""
    rng = np.random.default_rng(11)
    bits = rng.random((1_400, 256)) < rng.beta(0.6, 3, 256) * rng.uniform(0.3, 1.6, (1_400, 1))
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    ordered = words[np.argsort(np.bitwise_count(words).sum(axis=1), kind="stable")]
    queries = np.packbits(rng.permuted(bits, axis=0), axis=1, bitorder="little").view(np.uint64)
    lists = OnBits.of_packed(np.tile(queries[:500], (9, 1)))
    together, place = NearestIndex(ordered).nearest(lists)
    np.testing.assert_array_equal(together, NearestIndex(words).nearest(lists)[0])
    np.testing.assert_array_equal(together.reshape(9, -1), np.tile(together[:500], (9, 1)))
    np.testing.assert_array_equal(place.reshape(9, -1), np.tile(place[:500], (9, 1)))
    shared = np.unpackbits(queries[:500].view(np.uint8), axis=1).astype(np.float32)
    known = np.unpackbits(ordered.view(np.uint8), axis=1).astype(np.float32)
    both = shared @ known.T
    similar = both / np.maximum(shared.sum(axis=1)[:, None] + known.sum(axis=1) - both, 1)
    np.testing.assert_allclose(together[:500], 1 - similar.max(axis=1), atol=1e-6)
    np.testing.assert_array_equal(place[:500], np.where(similar.max(axis=1) > 0, similar.argmax(axis=1), -1))


def test_queries_of_many_bits_go_another_way_to_the_same_result() -> None:
    rng = np.random.default_rng(5)
    words = np.packbits(rng.random((600, 1024)) < rng.random((600, 1)), axis=1, bitorder="little").view(np.uint64)
    distance, _ = NearestIndex(words[:550]).nearest(OnBits.of_packed(words[550:]))
    assert (np.bitwise_count(words[550:]).sum(axis=1) > 255).any()
    np.testing.assert_allclose(distance, by_rdkit(words[550:], words[:550]), atol=1e-6)


def test_results_do_not_depend_on_the_other_queries() -> None:
    rng = np.random.default_rng(3)
    words = np.packbits(rng.random((1300, 128)) < 0.2, axis=1, bitorder="little").view(np.uint64)
    index, queries = NearestIndex(words[:900]), words[900:1000]
    together = index.nearest(OnBits.of_packed(queries))
    alone = [index.nearest(OnBits.of_packed(queries[k : k + 1])) for k in range(len(queries))]
    np.testing.assert_array_equal(together[0], np.concatenate([d for d, _ in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([p for _, p in alone]))


def test_an_index_of_nothing_and_queries_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError):
        NearestIndex(np.zeros((0, 2), np.uint64))
    with pytest.raises(ShapeError):
        NearestIndex(np.ones((1, 2), np.uint64)).nearest(OnBits.of_packed(np.ones((1, 3), np.uint64)))


def test_bits_are_a_function_of_the_molecule() -> None:
    smiles = [text for text in CHECK_SMILES if Chem.MolFromSmiles(text).GetNumAtoms() > 2]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    rng = np.random.default_rng(0)
    shuffled = [Chem.RenumberAtoms(mol, rng.permutation(mol.GetNumAtoms()).tolist()) for mol in mols]
    np.testing.assert_array_equal(
        FOLDING.bits(codes_of_many(mols)).packed(), FOLDING.bits(codes_of_many(shuffled)).packed()
    )


def test_lists_and_words_say_the_same() -> None:
    bits = FOLDING.bits(codes_of_many([Chem.MolFromSmiles(text) for text in CHECK_SMILES]))
    again = OnBits.of_packed(bits.packed())
    np.testing.assert_array_equal(bits.counts, np.bitwise_count(bits.packed()).sum(axis=1))
    np.testing.assert_array_equal(bits.counts, again.counts)
    np.testing.assert_array_equal(bits.packed(), again.packed())


def test_bits_of_a_molecule_by_hand() -> None:
    """Ethane: both atoms are alike, so there is one environment a radius; propane has two."""
    molecules = codes_of_many([Chem.MolFromSmiles("CC"), Chem.MolFromSmiles("CCC"), Chem.MolFromSmiles("C")])
    assert FOLDING.bits(molecules).counts.tolist() == [3, 6, 3]


def test_another_salt_moves_the_bits() -> None:
    molecules = codes_of_many([Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")])
    one, other = (Folding(salt).bits(molecules).packed() for salt in (1, 2))
    shared = int(np.bitwise_count(one & other).sum())
    assert shared <= 3  # by chance: about 30 * 30 / 2,048


def test_order_of_similarity_agrees_with_morgan(small_molecules: list[str]) -> None:
    """Not equal to Morgan's, since hydrogens and hybridization count; but the same neighbours are near."""
    from scipy.stats import spearmanr

    from cinchona.datasets.fingerprints import tanimoto

    packed = morgan_packed(small_molecules)
    ours = FOLDING.bits(codes_of_many([Chem.MolFromSmiles(text) for text in small_molecules])).packed().view(np.uint8)
    pairs = np.triu_indices(len(small_molecules), 1)
    assert spearmanr(tanimoto(packed, packed)[pairs], tanimoto(ours, ours)[pairs]).statistic > 0.85


@pytest.mark.parametrize("wrong", [{"size": 100}, {"size": 0}, {"radius": -1}, {"salt": 1 << 64}, {"salt": -1}])
def test_foldings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ShapeError):
        Folding(**{"salt": 1, **wrong})
