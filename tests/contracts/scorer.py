"""What every scorer promises. Subclass :class:`ScorerContract`, give a ``scorer`` fixture, receive the tests.

::

    class TestForestScorer(ScorerContract):
        @pytest.fixture(scope="class")
        def scorer(self):
            return ForestScorer(...)
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import ClassVar

import cloudpickle
import numpy as np
import pytest

from cinchona.digests import digest_table
from cinchona.errors import ContractError
from cinchona.protocols import Requirement, Scorer
from cinchona.records import CompoundBatch, EndpointStatus, Reject, Scores, Stage, concatenate

GOOD_SMILES = (
    "CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "CN1CCC[C@H]1c1cccnc1", "O=C(O)CC(O)(C(=O)O)CC(=O)O", "CCO",
    "FC(F)(F)c1ccc(Cl)cc1", "C[N+](C)(C)CCO", "O=[N+]([O-])c1ccccc1", "C/C=C/C(=O)N", "OCC1OC(O)C(O)C(O)C1O",
)  # fmt: skip
"""Small molecules, one of them twice."""
BAD_SMILES = ("C1CC", "", "not a molecule", "C(C)(C)(C)(C)C")
TOLERANCE = 1e-5

MakeBatch = Callable[..., CompoundBatch]
_COLUMNS = ("value", "uncertainty", "lower", "upper", "in_domain", "status")


class ScorerContract:
    """Tests of the promises of :class:`cinchona.protocols.Scorer`."""

    checks_bad_smiles: ClassVar[bool] = True
    """Set to False for a scorer that is never handed SMILES, such as one that reads graph codes only."""

    @pytest.fixture
    def smiles(self) -> Sequence[str]:
        """Molecules that this scorer can score; override for scorers with a narrow domain."""
        return GOOD_SMILES

    @pytest.fixture
    def make_batch(self) -> MakeBatch:
        """How to build a batch; override where the scorer requires more columns than SMILES."""
        return CompoundBatch.of

    def test_declares_itself(self, scorer: Scorer) -> None:
        assert isinstance(scorer, Scorer)
        assert scorer.name.strip()
        assert scorer.objective.strip()
        assert isinstance(scorer.requires, frozenset)
        assert all(isinstance(r, Requirement) for r in scorer.requires)
        names = [endpoint.name for endpoint in scorer.endpoints]
        assert names
        assert len(set(names)) == len(names)

    def test_accounts_for_all_rows(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        batch = make_batch(smiles, row_ids=[1000 + 7 * i for i in reversed(range(len(smiles)))])
        scores = _checked(scorer, batch)
        kept = [row for row in batch.row_ids.tolist() if row not in {r.row_id for r in scores.rejects}]
        assert scores.row_ids.tolist() == kept, "scored rows keep the order of the batch"
        assert kept, "none of the molecules was scored; override the fixture `smiles`"

    def test_shapes_types_and_ranges(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        scores = _checked(scorer, make_batch(smiles))
        assert scores.endpoints == scorer.endpoints
        assert scores.row_ids.dtype == np.int64
        for name in ("value", "uncertainty", "lower", "upper", "score"):
            column = getattr(scores, name)
            assert column is None or column.dtype == np.float32, f"{name} is {column.dtype}"
        for name, allowed in (("in_domain", {-1, 0, 1}), ("status", {int(s) for s in EndpointStatus})):
            column = getattr(scores, name)
            assert column is None or (column.dtype == np.int8 and set(np.unique(column).tolist()) <= allowed), name
        _check_figures(scores)

    def test_batch_boundaries_do_not_matter(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        batch = make_batch(smiles)
        whole = _checked(scorer, batch)
        for size in (1, 3):
            pieces = [batch.slice(i, min(size, len(batch) - i)) for i in range(0, len(batch), size)]
            _assert_same(concatenate(_checked(scorer, piece) for piece in pieces), whole, tolerance=TOLERANCE)

    def test_order_does_not_matter(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        batch = make_batch(smiles)
        order = np.random.default_rng(0).permutation(len(batch))
        shuffled = _checked(scorer, batch.take(order))
        whole = _checked(scorer, batch)
        back = np.argsort(shuffled.row_ids, kind="stable")
        assert shuffled.row_ids[back].tolist() == np.sort(whole.row_ids).tolist()
        straight = np.argsort(whole.row_ids, kind="stable")
        for name in ("score", *_COLUMNS):
            one, other = getattr(shuffled, name), getattr(whole, name)
            assert (one is None) == (other is None), name
            if one is not None:
                np.testing.assert_allclose(one[back], other[straight], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)

    def test_equal_molecules_score_equally(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        scores = _checked(scorer, make_batch([smiles[0], *smiles, smiles[0]]))
        if {0, len(smiles) + 1} <= set(scores.row_ids.tolist()):
            np.testing.assert_allclose(scores.value[0], scores.value[-1], rtol=TOLERANCE, atol=TOLERANCE)

    def test_repeats_to_the_bit(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        batch = make_batch(smiles)
        _assert_same(_checked(scorer, batch), _checked(scorer, batch), tolerance=0)

    def test_survives_cloudpickle(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        twin = cloudpickle.loads(cloudpickle.dumps(scorer))
        batch = make_batch(smiles)
        _assert_same(_checked(twin, batch), _checked(scorer, batch), tolerance=0)
        assert twin.fingerprint == scorer.fingerprint

    def test_fingerprint_is_stable(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        before = scorer.fingerprint
        assert before
        assert set(before) <= set(string.hexdigits.lower()), f"{before!r} is not a hex digest"
        scorer.score(make_batch(smiles))
        assert scorer.fingerprint == before

    def test_leaves_the_batch_alone(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        batch = make_batch(smiles)
        before = digest_table([batch.data])
        scorer.score(batch)
        assert digest_table([batch.data]) == before

    def test_empty_batch(self, scorer: Scorer, make_batch: MakeBatch, smiles: Sequence[str]) -> None:
        for batch in (make_batch([]), make_batch(smiles).slice(0, 0)):
            scores = _checked(scorer, batch)
            assert len(scores) == 0
            assert scores.rejects == ()
            assert scores.value.shape == (0, len(scorer.endpoints))

    def test_bad_smiles_become_rejects(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        if not self.checks_bad_smiles:
            pytest.skip("this scorer is never handed SMILES")
        mixed = [smiles[0], *BAD_SMILES, smiles[1]]
        scores = _checked(scorer, make_batch(mixed, row_ids=range(50, 50 + len(mixed))))
        bad = set(range(51, 51 + len(BAD_SMILES)))
        assert {r.row_id for r in scores.rejects} >= bad, "a text that is no molecule was scored"
        assert all(_is_explained(reject) for reject in scores.rejects)
        alone = _checked(scorer, make_batch(BAD_SMILES))
        assert len(alone) == 0
        assert alone.value.shape == (0, len(scorer.endpoints))

    def test_bad_neighbours_do_not_matter(self, scorer: Scorer, smiles: Sequence[str], make_batch: MakeBatch) -> None:
        if not self.checks_bad_smiles:
            pytest.skip("this scorer is never handed SMILES")
        clean = _checked(scorer, make_batch(smiles[:2]))
        mixed = _checked(scorer, make_batch([BAD_SMILES[0], smiles[0], BAD_SMILES[1], smiles[1]]))
        np.testing.assert_allclose(mixed.value, clean.value, rtol=TOLERANCE, atol=TOLERANCE)


def _checked(scorer: Scorer, batch: CompoundBatch) -> Scores:
    scores = scorer.score(batch)
    try:
        return scores.check_accounts_for(batch)
    except ContractError as error:
        raise AssertionError(str(error)) from error


def _is_explained(reject: Reject) -> bool:
    return reject.reason.strip() != "" and "\n" not in reject.reason and reject.stage in set(Stage)


def _check_figures(scores: Scores) -> None:
    failed = np.zeros_like(scores.value, dtype=bool)
    if scores.status is not None:
        failed = scores.status == EndpointStatus.FAILED
    assert np.array_equal(np.isnan(scores.value), failed), "a value is NaN exactly where its status is FAILED"
    assert np.isfinite(scores.value[~failed]).all()
    for position, endpoint in enumerate(scores.endpoints):
        values = scores.value[~failed[:, position], position]
        if endpoint.kind == "classification":
            assert ((values >= 0) & (values <= 1)).all(), f"{endpoint.name} is no probability"
    if scores.uncertainty is not None:
        assert (scores.uncertainty[~failed] >= 0).all()
    if scores.lower is not None and scores.upper is not None:
        assert (scores.lower[~failed] <= scores.value[~failed] + TOLERANCE).all()
        assert (scores.value[~failed] <= scores.upper[~failed] + TOLERANCE).all()


def _assert_same(one: Scores, other: Scores, *, tolerance: float) -> None:
    assert one.row_ids.tolist() == other.row_ids.tolist()
    assert one.endpoints == other.endpoints
    assert {(r.row_id, r.stage) for r in one.rejects} == {(r.row_id, r.stage) for r in other.rejects}
    for name in ("score", *_COLUMNS):
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance, err_msg=name)
    assert one.nearest_train_ids == other.nearest_train_ids
