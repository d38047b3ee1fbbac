"""Counts do not depend on the order of rows or the cut into files, agree with a plain count, and add up over strata."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.pharmacovigilance.signals.counting.count import CountConfig, count_by, count_pairs
from cinchona.pharmacovigilance.signals.counting.incidence import build_incidence
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.counting.strata import stratify

ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("ABCDE"), st.sampled_from(["PS", "SS", "C"])), min_size=1, max_size=40
)
EVENTS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("VWXYZ")), min_size=1, max_size=40)
SEXES = st.lists(st.sampled_from(["F", "M", None]), min_size=13, max_size=13)


def frames(rows, events):
    drugs = pl.DataFrame(rows, schema={"case_id": pl.Int64, "drug": pl.String, "role": pl.String}, orient="row")
    reactions = pl.DataFrame(events, schema={"case_id": pl.Int64, "event": pl.String}, orient="row")
    return drugs, reactions


def plain_count(rows, events, roles):
    """The definition, written as sets."""
    every = {case for case, *_ in rows} & {case for case, _ in events}
    exposed, reacted = {}, {}
    for case, drug, role in rows:
        if case in every and (roles is None or role in roles):
            exposed.setdefault(drug, set()).add(case)
    for case, event in events:
        if case in every:
            reacted.setdefault(event, set()).add(case)
    tables = {}
    for drug, with_drug in exposed.items():
        for event, with_event in reacted.items():
            both = len(with_drug & with_event)
            if both:
                tables[drug, event] = (both, len(with_drug), len(with_event), len(every))
    return tables


@settings(max_examples=60)
@given(ROWS, EVENTS, st.sampled_from([None, ("PS",), ("PS", "SS")]))
def test_counts_agree_with_sets(rows, events, roles):
    expected = plain_count(rows, events, roles)
    known = {role for *_, role in rows}
    if not {c for c, *_ in rows} & {c for c, _ in events} or (roles and not set(roles) <= known):
        return
    frame = count_pairs(read_reports(*frames(rows, events)), CountConfig(roles=roles)).frame()
    found = {(r["drug"], r["event"]): (r["n"], r["n_drug"], r["n_event"], r["n_total"]) for r in frame.to_dicts()}
    assert found == expected


@settings(max_examples=40)
@given(ROWS, EVENTS, st.randoms(use_true_random=False), st.integers(0, 40))
def test_row_order_repeats_and_file_cuts_do_not_matter(rows, events, shuffled, cut):
    if not {c for c, *_ in rows} & {c for c, _ in events}:
        return
    once = count_pairs(read_reports(*frames(rows, events)))
    other_rows, other_events = [*rows, *rows[:3]], [*events, *events[:2]]
    shuffled.shuffle(other_rows)
    shuffled.shuffle(other_events)
    drugs, reactions = frames(other_rows, other_events)
    in_parts = pl.concat([reactions[cut:], reactions[:cut]], rechunk=False)
    again = count_pairs(read_reports(drugs, in_parts))
    assert again.frame().equals(once.frame())


@settings(max_examples=40)
@given(ROWS, EVENTS, SEXES)
def test_strata_sum_to_the_whole(rows, events, sexes):
    if not {c for c, *_ in rows} & {c for c, _ in events}:
        return
    cases = pl.DataFrame({"case_id": range(13), "sex": sexes})
    reports = read_reports(*frames(rows, events), cases)
    whole, strata = count_pairs(reports), stratify(reports, "sex")
    parts = count_by(reports, strata)
    assert sum(part.total for part in parts.values()) == whole.total
    for name in ("n", "n_drug", "n_event"):
        summed = pl.concat([part.frame() for part in parts.values()])
        if name == "n":
            pairs = summed.group_by("drug", "event").agg(pl.col("n").sum()).sort("drug", "event")
            assert pairs["n"].to_list() == whole.frame()["n"].to_list()
    np.testing.assert_array_equal(sum(part.drug_margin for part in parts.values()), whole.drug_margin)
    np.testing.assert_array_equal(sum(part.event_margin for part in parts.values()), whole.event_margin)
    stratified = count_pairs(reports, strata=strata)
    by_hand = sum(part.drug_margin[whole.drug] * part.event_margin[whole.event] / part.total for part in parts.values())
    np.testing.assert_allclose(stratified.expected, by_hand, rtol=1e-12)


@settings(max_examples=40)
@given(ROWS, EVENTS)
def test_margins_and_cells_fit_together(rows, events):
    if not {c for c, *_ in rows} & {c for c, _ in events}:
        return
    reports = read_reports(*frames(rows, events))
    for counting in ("reports", "mentions"):
        counts = count_pairs(reports, CountConfig(counting=counting))
        cells = counts.cells
        assert all((cell >= 0).all() for cell in (cells.a, cells.b, cells.c, cells.d))
        assert (cells.total == counts.total).all()
    # In mentions the table adds up: margins are sums of n.
    np.testing.assert_array_equal(np.bincount(counts.drug, counts.n, len(counts.drug_labels)), counts.drug_margin)
    assert int(counts.n.sum()) == counts.total


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(1, 7)), max_size=60))
def test_incidence_joins_role_bits(rows):
    case, item, bits = (np.array(column, np.int32) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    built = build_incidence(
        np.asarray(case, np.int32), np.asarray(item, np.int32), np.asarray(bits, np.uint8), n_cases=5, n_items=7
    )
    expected = {}
    for c, i, b in rows:
        expected[c, i] = expected.get((c, i), 0) | b
    found = {
        (c, int(built.codes[k])): int(built.bits[k])
        for c in range(5)
        for k in range(built.offsets[c], built.offsets[c + 1])
    }
    assert found == expected
    assert built.case_counts().sum() == len(expected)
