"""Duplicates: rules, the hit-miss model, its guards, groups, explanations, and how well they do on real cases."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import small_reports as small
from hypothesis import given
from hypothesis import strategies as st

import cinchona.pharmacovigilance as pv
from cinchona import seeds
from cinchona.errors import TooManyRejectsError, UsageError
from cinchona.pharmacovigilance.coding.dictionary import load
from cinchona.pharmacovigilance.linking import pair_kernels
from cinchona.pharmacovigilance.linking.blocking import candidate_pairs
from cinchona.pharmacovigilance.linking.config import DedupeConfig, HitMissConfig
from cinchona.pharmacovigilance.linking.evaluation import batch_of, evaluate, pool, records_of
from cinchona.pharmacovigilance.linking.explain import links
from cinchona.pharmacovigilance.linking.groups import group_cases
from cinchona.pharmacovigilance.linking.model import _postings, count_sharing, guard_bits, posterior_of, prior_bits
from cinchona.pharmacovigilance.linking.records import NO_DATE, Records, TermLists, load_records
from cinchona.pharmacovigilance.linking.rules import Pairs, exact_pairs, number_pairs
from cinchona.pharmacovigilance.linking.weights import Rates, estimate_rates, make_weights, weigh
from cinchona.pharmacovigilance.synthesis.batch import CaseBatch, Ragged, concatenate
from cinchona.pharmacovigilance.synthesis.corruption import CorruptionModel, corrupt


def cases(n: int = 400, seed: int = 1, **fixed: np.ndarray) -> CaseBatch:
    rng = seeds.rng(seed, "test")
    lists = {name: rng.integers(1, 5, n) for name in ("drugs", "reactions")}
    columns = {
        "event_no": np.arange(n), "sex": rng.integers(0, 2, n).astype(np.int8),
        "age": rng.integers(1, 90, n).astype(np.float32), "country": rng.integers(0, 5, n).astype(np.int16),
        "event_date": (20170100 + rng.integers(1, 29, n)).astype(np.int32), "received": np.full(n, 20170401, np.int32),
        "sender_no": np.arange(1, n + 1),
    }  # fmt: skip
    return CaseBatch(
        **{**columns, **fixed},
        drugs=Ragged.of(lists["drugs"], rng.integers(0, 60, lists["drugs"].sum())),
        reactions=Ragged.of(lists["reactions"], rng.integers(0, 80, lists["reactions"].sum())),
    )


def records(n: int = 400, seed: int = 1, **fixed: np.ndarray) -> Records:
    return records_of(cases(n, seed, **fixed), 5)


def pair(left: int, right: int) -> Pairs:
    return Pairs(np.array([left], np.int32), np.array([right], np.int32))


def test_batch_and_records_are_two_forms_of_the_same() -> None:
    batch = cases(event_date=np.resize(np.array([20170115, 20170100, 20170000, 0], np.int32), 400))
    back = batch_of(records_of(batch, 5))
    np.testing.assert_array_equal(back.event_date, batch.event_date)
    np.testing.assert_array_equal(back.sex, batch.sex)
    np.testing.assert_array_equal(back.age, batch.age)


def test_weights_follow_their_formula() -> None:
    found = records()
    rates = Rates()
    weights = make_weights(found, rates)
    share = (found.sex == 0).mean()
    assert weights.sex[0] == pytest.approx(np.log2((1 - rates.sex * (1 - share)) / share))
    code = 10
    beta = found.drugs.counts[code] / len(found)
    assert weights.drugs[code] == pytest.approx(np.log2((1 - rates.drug * (1 - beta)) / beta), rel=1e-6)
    same = weigh(found, weights, np.array([5], np.int32), np.array([5], np.int32))[0]
    age = found.age[5]
    beta = (found.age == age).mean()
    assert same[1] == pytest.approx(np.log2(rates.age[0] / beta + rates.age[2]), rel=1e-5)
    beta = (found.day == found.day[5]).mean()
    assert same[3] == pytest.approx(np.log2(rates.date[0] / beta + rates.date[2]), rel=1e-5)


@given(st.integers(0, 399), st.integers(0, 399))
def test_weights_are_symmetric_and_blanks_say_nothing(i: int, j: int) -> None:
    known = records()
    weights = make_weights(known, Rates())
    a, b = np.array([i], np.int32), np.array([j], np.int32)
    np.testing.assert_allclose(weigh(known, weights, a, b), weigh(known, weights, b, a), rtol=1e-5)
    blank = records(
        sex=np.full(400, -1, np.int8), age=np.full(400, np.nan, np.float32), country=np.full(400, -1, np.int16),
        event_date=np.zeros(400, np.int32),
    )  # fmt: skip
    assert not weigh(blank, make_weights(blank, Rates()), a, b)[:, :4].any()


def test_rare_matches_say_more_and_mismatches_speak_against() -> None:
    found = records()
    weights = make_weights(found, Rates())
    assert np.all(np.diff(weights.drugs[found.drugs.counts > 0]) <= 1e-6)  # codes run from rare to common
    assert (weights.misses < 0).all()
    near = records(age=np.resize(np.array([50, 51, 60], np.float32), 400))
    found = weigh(near, make_weights(near, Rates()), np.array([0, 0, 0], np.int32), np.array([3, 1, 2], np.int32))[:, 1]
    assert found[0] > found[1] > found[2] and found[2] < 0


def test_coarse_dates_compare_at_their_precision() -> None:
    # 100 each of 15 January 2017, another day of that month, January 2017, another month of 2017, 2017 alone, and 2016.
    dates = [20170115, 20170120, 20170100, 20170315, 20170000, 20160115, 20160120, 20160000]
    found = records(800, event_date=np.repeat(np.array(dates, np.int32), 100))
    weights = make_weights(found, Rates())

    def bits(i: int, j: int) -> float:
        left, right = np.array([100 * i], np.int32), np.array([100 * j + 1], np.int32)
        return float(weigh(found, weights, left, right)[0, 3])

    hit, near, miss = Rates().date
    day, month, year = 1 / 5, 3 / 6, 5 / 8  # shares among dates known to the day, at least to the month, at all
    assert bits(0, 0) == pytest.approx(np.log2(hit / day + miss), rel=1e-6)
    assert bits(0, 1) == pytest.approx(np.log2(near / 14 / day + miss), rel=1e-6)
    assert bits(0, 2) == bits(2, 2) == pytest.approx(np.log2((hit + near) / month + miss), rel=1e-6)
    assert bits(0, 4) == bits(2, 4) == bits(3, 4) == pytest.approx(np.log2((hit + near) / year + miss), rel=1e-6)
    assert bits(0, 0) > bits(0, 2) > bits(0, 4) > 0
    assert bits(0, 3) == bits(0, 5) == bits(2, 3) == bits(0, 7) == bits(4, 6) == pytest.approx(np.log2(miss), rel=1e-6)
    assert bits(5, 7) > 0


def test_exact_rule_wants_enough_known_fields() -> None:
    base = cases(50)
    twice = base.take(np.concatenate([np.arange(50), [7, 7]]))
    found = exact_pairs(records_of(twice, 5), min_known=3)
    assert sorted(zip(found.left.tolist(), found.right.tolist(), strict=True)) == [(7, 50), (7, 51)]
    blank = twice.with_(age=np.full(52, np.nan, np.float32), event_date=np.zeros(52, np.int32))
    assert not len(exact_pairs(records_of(blank, 5), min_known=3))
    assert len(exact_pairs(records_of(blank, 5), min_known=2)) == 2


def test_number_rule_knows_contradictions_and_fillers() -> None:
    n = 60
    number = np.arange(1, n + 1)
    number[[1, 2, 3]] = 1
    sex = np.zeros(n, np.int8)
    sex[2] = 1
    age = np.full(n, 50, np.float32)
    age[3] = 80
    found, skipped = number_pairs(records(n, sender_no=number, sex=sex, age=age), cap=20)
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == [(0, 1)] and skipped == 0
    number[10:40] = 99
    found, skipped = number_pairs(records(n, sender_no=number, sex=sex, age=age), cap=20)
    assert len(found) == 1 and skipped == 30


def test_blocking_meets_most_corrupted_copies() -> None:
    base = cases(2000)
    rng = seeds.rng(3, "copies")
    both = records_of(concatenate([base, corrupt(base, CorruptionModel(), rng)]), 5)
    met: set[int] = set()
    for left, right in candidate_pairs(both, cap=60):
        assert (left < right).all()
        met |= set(left[right - left == 2000].tolist())
    assert len(met) > 0.95 * 2000


def test_prior_and_posterior() -> None:
    assert prior_bits(1001, 0.05) == pytest.approx(np.log2(0.1 / 1000))
    assert posterior_of(np.array([13.2877]), -13.2877)[0] == pytest.approx(0.5)
    assert posterior_of(np.array([1e9, -1e9]), 0).tolist() == [1.0, 0.0]
    assert posterior_of(np.array([3.0, -3.0]), -1.0) == pytest.approx([4 / 5, 1 / 17])


def shared_bits(found: Records, pairs: Pairs) -> tuple[float, float]:
    """What the shared terms of a pair are worth before and after the guard; both cases share all their drugs."""
    weights = make_weights(found, Rates())
    shared = sum(
        float(weights_of[list(mine & other)].sum())
        for weights_of, mine, other in (
            (weights.drugs, *_terms(found.drugs, pairs)), (weights.reactions, *_terms(found.reactions, pairs)),
        )
    )  # fmt: skip
    return shared, shared - float(guard_bits(found, weights, pairs)[0])


def _terms(lists: TermLists, pairs: Pairs) -> list[set[int]]:
    ends = [(lists.offsets[case[0]], lists.offsets[case[0] + 1]) for case in (pairs.left, pairs.right)]
    return [set(lists.values[a:b].tolist()) for a, b in ends]


def test_guard_takes_off_what_other_cases_share_too() -> None:
    n = 400
    lists = [[1, 2, 3, 4]] * 20 + [[5, 6]] * 2 + [[int(i) % 40 + 10] for i in range(n - 22)]
    base = cases(n).with_(drugs=Ragged.of(np.array([len(v) for v in lists]), np.concatenate(lists)))
    base = base.with_(reactions=Ragged.of(np.ones(n, np.int64), np.resize(np.arange(7), n)))
    found = records_of(base, 5)
    weights = make_weights(found, Rates())
    # Four drugs that 18 other cases have too, and a reaction: the drugs are worth at most log2(n / 18) bits.
    protocol, event = pair(0, 7), pair(20, 21)
    before, after = shared_bits(found, protocol)
    reaction = float(weights.reactions[found.reactions.values[found.reactions.offsets[0]]])
    assert before > 4 * 3.9 and after == pytest.approx(np.log2(n / 18) + reaction, abs=0.05)
    # With another reaction nothing but the drugs is shared, and the bound is theirs alone.
    assert shared_bits(found, pair(0, 1))[1] == pytest.approx(np.log2(n / 18), abs=1e-4)
    assert guard_bits(found, weights, event)[0] == pytest.approx(0, abs=1.5)
    assert (guard_bits(found, weights, protocol) >= 0).all()


def test_guard_bounds_drugs_and_reactions_together() -> None:
    n = 400  # an article: 12 cases with one drug and one reaction, each of which others have too
    drugs = np.concatenate([np.zeros(12), np.zeros(28), np.resize(np.arange(1, 30), n - 40)])
    reactions = np.concatenate(
        [np.zeros(12), np.resize(np.arange(1, 30), 28), np.zeros(28), np.resize(np.arange(1, 30), n - 68)]
    )
    one = np.ones(n, np.int64)
    found = records_of(cases(n).with_(drugs=Ragged.of(one, drugs), reactions=Ragged.of(one, reactions)), 5)
    before, after = shared_bits(found, pair(0, 1))
    assert after <= np.log2(n / 10) + 1e-4 < before


def test_rates_are_learned_from_anchors() -> None:
    base = cases(3000)
    model = CorruptionModel(exact=0, age_off_by_one=0.4, age_wrong=0, sex_wrong=0.3)
    both = records_of(concatenate([base, corrupt(base, model, seeds.rng(1, "x"))]), 5)
    left, right = np.arange(3000, dtype=np.int32), np.arange(3000, 6000, dtype=np.int32)
    rates = estimate_rates(both, left, right, pseudo=30)
    assert rates.age[1] == pytest.approx(0.4, abs=0.05) and rates.sex == pytest.approx(0.6, abs=0.06)
    assert rates.pairs == 3000 and sum(rates.age) == pytest.approx(1)
    assert estimate_rates(both, left[:0], right[:0], pseudo=30).drug == pytest.approx(Rates().drug, abs=0.01)


def test_groups_keep_the_most_complete_case() -> None:
    base = cases(10, age=np.array([np.nan, 50, np.nan, *[40] * 7], np.float32))
    found = records_of(base, 5)
    groups = group_cases(found, Pairs(np.array([0, 1], np.int32), np.array([1, 2], np.int32)), max_group=50)
    assert groups.members.tolist() == [0, 1, 2] and groups.keep.tolist() == [False, True, False]
    large = group_cases(found, Pairs(np.array([0, 1], np.int32), np.array([1, 2], np.int32)), max_group=2)
    assert large.keep.all() and large.too_large == 1


# ------------------------------------------------------------------------------------------------ whole runs


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[pv.ReportStore, Path]:
    folder = tmp_path_factory.mktemp("generated")
    pv.generate(
        folder / "files", 3000, 5, config=pv.GeneratorConfig(quarters=2, n_drugs=300, n_reactions=600, n_signals=20)
    )
    store = pv.ingest(folder / "store", [folder / "files"]).store
    pv.code(store, [load(f"csv:{folder / 'files' / 'truth' / 'dictionary.csv'}")])
    return store, folder / "files" / "truth"


def test_run_links_flags_and_deletes_nothing(generated: tuple[pv.ReportStore, Path]) -> None:
    store, _ = generated
    before = {t: store.table(t).count() for t in ("cases", "drugs", "reactions")}
    result = pv.dedupe(store)
    assert {t: store.table(t).count() for t in before} == before
    assert 0 < result.left_out < 0.06 * result.cases and result.share == result.left_out / result.cases
    view, all_cases = store.analysis_view(), store.analysis_view(duplicates="keep")
    assert all_cases.n_cases - view.n_cases == view.accounting["duplicates"] == result.left_out
    again = pv.dedupe(store)
    assert again.run.number == result.run.number + 1 and again.run.header == result.run.header
    table = links(store).arrow()
    bits = sum(np.asarray(table[f"bits_{f}"]) for f in ("sex", "age", "country", "date", "drugs", "reactions", "guard"))
    np.testing.assert_allclose(bits, table["score"], rtol=1e-4, atol=1e-3)


def test_links_of_a_generated_store_are_true(generated: tuple[pv.ReportStore, Path]) -> None:
    import pyarrow.parquet as pq

    store, truth = generated
    pv.dedupe(store)
    case_of = dict(store.sql("SELECT report_key, case_id FROM cases").arrow().to_pandas().itertuples(index=False))
    pairs = pq.read_table(truth / "duplicates.parquet").to_pylist()
    alive = set(store.status().where("status = 'current'").arrow()["case_id"].to_pylist())
    true = {frozenset((str(p["case_id"]), str(p["duplicate_of"]))) for p in pairs}
    true = {p for p in true if p <= alive}
    rows = links(store).where("counts").arrow().to_pylist()
    found = {frozenset((case_of[r["report_key_a"]], case_of[r["report_key_b"]])) for r in rows}
    assert len(found & true) / len(found) > 0.97 and len(found & true) / len(true) > 0.75


def test_explanations_add_up(generated: tuple[pv.ReportStore, Path]) -> None:
    store, _ = generated
    pv.dedupe(store)
    row = links(store).where("kind = 'hit_miss' AND counts").sql("SELECT * FROM this LIMIT 1").arrow().to_pylist()[0]
    told = pv.explain(store, row["report_key_b"], row["report_key_a"])
    assert sum(e.bits for e in told.evidence) == pytest.approx(row["score"], abs=0.05)
    assert "hit_miss" in told.kinds and told.counts and told.posterior == row["posterior"]
    assert sum(b for kind, _, _, b in told.shared if kind == "drug") >= row["bits_drugs"] - 0.05
    assert told.text().startswith("linked by") and "bits" in told.text() and told.record()["evidence"]
    with pytest.raises(UsageError, match="are not linked"):
        pv.explain(store, 1, 2)


def test_a_run_that_drops_too_much_stops_and_asks(generated: tuple[pv.ReportStore, Path]) -> None:
    store, _ = generated
    runs = len(list((store.root / "derived" / "duplicates").glob("0*")))
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    strict = DedupeConfig(max_share=0.001)
    for ask in (None, no):
        with pytest.raises(TooManyRejectsError, match="would be left out") as caught:
            pv.dedupe(store, strict, ask=ask)
        assert "--accept-share" in caught.value.remedy and caught.value.exit_code == 6
    assert len(asked) == 1 and len(list((store.root / "derived" / "duplicates").glob("0*"))) == runs
    assert pv.dedupe(store, strict, ask=lambda _: True).left_out == pv.dedupe(store, strict, accept_share=0.5).left_out


def test_kinds_can_be_switched_off(generated: tuple[pv.ReportStore, Path]) -> None:
    store, _ = generated
    result = pv.dedupe(store, DedupeConfig(kinds=("exact",)))
    assert result.run.header["links"]["hit_miss"] == 0 < result.run.header["links"]["exact"]
    assert links(store).where("kind = 'hit_miss'").count() > 0  # kept as suspicions


def test_cases_that_share_terms_are_counted_alike_however_many_terms() -> None:
    rng = np.random.default_rng(3)
    lists = [np.unique(rng.integers(0, 12, rng.integers(1, 7))).astype(np.int32) for _ in range(200)]
    offsets = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
    values = np.concatenate(lists)
    postings = _postings(offsets, values, 12)
    left, right = rng.integers(0, 200, 400).astype(np.int32), rng.integers(0, 200, 400).astype(np.int32)
    starts, shared = pair_kernels.shared_terms(left, right, offsets, values)
    wanted = [
        sum(both <= set(other.tolist()) for other in lists) if both else 0
        for both in (set(shared[a:b].tolist()) for a, b in itertools.pairwise(starts))
    ]
    assert {0, 1, 2, 3} <= set(np.diff(starts).tolist())
    assert count_sharing(starts, shared, postings, (offsets, values)).tolist() == wanted
    none = np.zeros(1, starts.dtype)
    assert not len(count_sharing(none, shared[:0], postings, (offsets, values)))


def test_reports_without_a_person_need_more() -> None:
    n, twins = 2000, 60
    base = cases(
        n, sex=np.full(n, -1, np.int8), age=np.full(n, np.nan, np.float32), country=np.full(n, -1, np.int16),
        event_date=np.zeros(n, np.int32),
    )  # fmt: skip
    # Twins: two events with one drug and one reaction that nobody else reports, as a new product and its first patients.
    strange = Ragged.of(np.ones(2 * twins, np.int64), 1000 + np.arange(2 * twins) // 2)
    twice = base.take(np.arange(2 * twins)).with_(drugs=strange, reactions=strange)
    base = concatenate([twice, base.take(np.arange(2 * twins, n))])
    bare = records_of(base, 1)
    assert (bare.precision == NO_DATE).all()
    strict, loose = (
        evaluate(bare, rate=0.1, corruption=CorruptionModel(), seed=1, config=DedupeConfig(model=model))[-1]
        for model in (HitMissConfig(), HitMissConfig(bare_posterior=0.9))
    )
    assert loose.false_links > 20 and strict.false_links < loose.false_links / 4
    assert strict.precision > loose.precision and 0 < strict.recall < loose.recall


def test_known_duplicates_count_neither_for_nor_against(generated: tuple[pv.ReportStore, Path]) -> None:
    store, truth = generated
    found = load_records(store.analysis_view(duplicates="keep"))
    known = known_pairs(store, truth, found)
    assert len(known) > 80
    judged, blind = (
        evaluate(found, rate=0.1, corruption=CorruptionModel(), seed=1, known=pairs)[-1]
        for pairs in (known, frozenset())
    )
    # Drugs and reactions are drawn independently, so that only the store's own duplicates look like false links.
    assert judged.precision > 0.99 and blind.precision < 0.8 and judged.true_links == blind.true_links


def known_pairs(store: pv.ReportStore, truth: Path, found: Records) -> frozenset[tuple[int, int]]:
    import pyarrow.parquet as pq

    case_of = dict(store.sql("SELECT report_key, case_id FROM cases").arrow().to_pandas().itertuples(index=False))
    place = {case_of[key]: i for i, key in enumerate(found.report_key.tolist())}
    ends = [
        [place.get(str(p[end]), -1) for end in ("case_id", "duplicate_of")]
        for p in pq.read_table(truth / "duplicates.parquet").to_pylist()
    ]
    return frozenset((min(e), max(e)) for e in ends if min(e) >= 0)


@pytest.mark.slow
@pytest.mark.skipif("CINCHONA_DATA" not in os.environ, reason="CINCHONA_DATA is not set")
def test_precision_and_recall_on_real_cases(tmp_path: Path) -> None:
    data = Path(os.environ["CINCHONA_DATA"]) / "ae"
    store = pv.ingest(tmp_path / "store", [data / "diana", *sorted((data / "faers_ascii").glob("*.zip"))[:2]]).store
    found = load_records(store.analysis_view(duplicates="keep"))
    figures = {
        (f.method, f.threshold): f
        for f in pool([evaluate(found, rate=0.1, corruption=CorruptionModel(), seed=s) for s in range(3)])
    }
    model, rules = figures["hit_miss", 0.9], figures[next(k for k in figures if k[0] == "rules")]
    assert model.precision > 0.93 and model.recall > 0.6
    assert rules.precision > 0.97 and 0.25 < rules.recall < 0.5
    assert figures["hit_miss", 0.5].recall >= model.recall >= figures["hit_miss", 0.99].recall


def test_manufacturer_numbers_of_hand_made_files(tmp_path: Path) -> None:
    rows = small.plain_quarter((101, 102, 103, 104))
    rows["DEMO"] = [
        small.demo(101, mfr_num="US-ACME-2017000001"), small.demo(102, mfr_num="US ACME 2017000001", age=52),
        small.demo(103, mfr_num="UNKNOWN"), small.demo(104, mfr_num="UNKNOWN"),
    ]  # fmt: skip
    store = pv.ingest(tmp_path / "store", [small.quarter_zip(tmp_path / "in", rows)]).store
    pv.dedupe(store, accept_share=1)
    kinds = links(store).where("counts").arrow()
    assert kinds["kind"].to_pylist().count("manufacturer_number") == 1
