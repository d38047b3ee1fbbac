"""Counts on hand-made tables: every cell has one definition."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cinchona.errors import ColumnError, ConfigError, InputError, NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.columns import ReportColumns
from cinchona.pharmacovigilance.signals.counting.comparators import (
    class_members,
    count_against_cases,
    count_within_class,
)
from cinchona.pharmacovigilance.signals.counting.count import CountConfig, count_by, count_pairs
from cinchona.pharmacovigilance.signals.counting.grouping import group_drugs, group_events
from cinchona.pharmacovigilance.signals.counting.linked import count_linked
from cinchona.pharmacovigilance.signals.counting.pairs import Cells, counts_of_pairs
from cinchona.pharmacovigilance.signals.counting.reports import read_reports, reports_of_lists
from cinchona.pharmacovigilance.signals.counting.strata import MISSING, stratify
from cinchona.pharmacovigilance.signals.counting.timeline import timeline
from cinchona.pharmacovigilance.signals.errors import UnknownNameError

# Seven cases. Case 1 repeats drug A and event X; case 6 has no event; case 7 has no drug.
DRUGS = pl.DataFrame(
    {
        "case_id": [1, 1, 1, 2, 2, 3, 4, 4, 5, 6],
        "drug": ["A", "A", "B", "A", "C", "B", "A", "B", "C", "A"],
        "role": ["PS", "C", "C", "SS", "PS", "PS", "C", "PS", "PS", "PS"],
    }
)
REACTIONS = pl.DataFrame(
    {"case_id": [1, 1, 1, 2, 3, 4, 5, 5, 7], "event": ["X", "X", "Y", "X", "Y", "Y", "X", "Z", "X"]}
)
CASES = pl.DataFrame(
    {
        "case_id": [1, 2, 3, 4, 5, 6, 7],
        "sex": ["F", "F", "M", "M", None, "F", "M"],
        "age_years": [1.0, 17.5, 18.0, 64.9, 75.0, None, 30.0],
        "date": pd.to_datetime(
            ["2020-01-31", "2020-04-01", "2020-12-31", "2021-01-01", None, "2020-02-01", "2020-03-01"]
        ),
    }
)


@pytest.fixture(scope="module")
def reports():
    return read_reports(DRUGS, REACTIONS, CASES)


def cells(counts, drug, event):
    found, _ = counts.at([drug], [event])
    c = found.cells
    return tuple(int(x[0]) for x in (c.a, c.b, c.c, c.d))


class TestReportCounting:
    def test_a_report_counts_once_however_often_it_repeats_a_pair(self, reports):
        counts = count_pairs(reports)
        # Universe: cases 1 to 5. A in 1, 2, 4; X in 1, 2, 5.
        assert counts.total == 5
        assert cells(counts, "A", "X") == (2, 1, 1, 1)
        assert cells(counts, "B", "Y") == (3, 0, 0, 2)
        assert cells(counts, "B", "Z") == (0, 3, 1, 1)

    def test_expected_is_the_product_of_the_margins(self, reports):
        counts = count_pairs(reports)
        row = counts.frame().filter((pl.col("drug") == "A") & (pl.col("event") == "X")).row(0, named=True)
        assert row == {"drug": "A", "event": "X", "n": 2, "n_drug": 3, "n_event": 3, "n_total": 5, "expected": 9 / 5}

    def test_roles_choose_the_exposed_and_leave_the_universe(self, reports):
        counts = count_pairs(reports, CountConfig(roles=("PS",)))
        # A is primary suspect in cases 1 and 6; case 6 has no event. X in 1, 2, 5.
        assert counts.total == 5
        assert cells(counts, "A", "X") == (1, 0, 2, 2)
        assert counts.definition.roles == "PS"

    def test_a_drug_in_two_roles_counts_in_either(self, reports):
        assert cells(count_pairs(reports, CountConfig(roles=("C",))), "A", "X") == (1, 1, 2, 1)

    def test_universe_of_the_chosen_roles_only(self, reports):
        counts = count_pairs(reports, CountConfig(roles=("SS",), universe="counted"))
        assert counts.total == 1
        assert cells(counts, "A", "X") == (1, 0, 0, 0)

    def test_universe_of_all_reports(self, reports):
        counts = count_pairs(reports, CountConfig(universe="all"))
        assert counts.total == 7
        assert cells(counts, "A", "X") == (2, 2, 2, 1)

    def test_unknown_role_is_named(self, reports):
        with pytest.raises(UnknownNameError, match="PS"):
            count_pairs(reports, CountConfig(roles=("XX",)))

    def test_no_common_report_is_an_error(self):
        drugs = pl.DataFrame({"case_id": [1], "drug": ["A"]})
        with pytest.raises(NoUsableRowsError, match="no report has both"):
            count_pairs(read_reports(drugs, pl.DataFrame({"case_id": [2], "event": ["X"]})))


class TestMentions:
    def test_mentions_are_the_unit_of_margins_and_total(self, reports):
        counts = count_pairs(reports, CountConfig(counting="mentions"))
        # Pairs a case: 1 gives AX AY BX BY, 2 gives AX CX, 3 BY, 4 AY BY, 5 CX CZ: 11 in all.
        assert counts.total == 11
        assert cells(counts, "A", "X") == (2, 2, 3, 4)
        assert int(counts.n.sum()) == 11

    def test_mentions_are_not_stratified(self, reports):
        with pytest.raises(ConfigError, match="mentions"):
            count_pairs(reports, CountConfig(counting="mentions"), strata=stratify(reports, "sex"))


class TestStrata:
    def test_names_and_missing_values(self, reports):
        assert stratify(reports, "sex").labels == ("F", "M", MISSING)
        assert stratify(reports, "year").labels == ("2020", "2021", MISSING)
        assert stratify(reports, "period").labels == ("2020Q1", "2020Q2", "2020Q4", "2021Q1", MISSING)

    def test_age_bands_begin_at_their_lower_end(self, reports):
        strata = stratify(reports, "age", age_bands=(18, 65))
        names = [strata.labels[k] for k in strata.codes]
        assert names == [
            "00 to <18 y", "00 to <18 y", "18 to <65 y", "18 to <65 y", "65 y and over", MISSING, "18 to <65 y",
        ]  # fmt: skip

    def test_combined_strata(self, reports):
        assert "F | 2020" in stratify(reports, ("sex", "year")).labels

    def test_expected_is_summed_over_strata(self, reports):
        counts = count_pairs(reports, strata=stratify(reports, "sex"))
        # A and X by sex: F (cases 1, 2): 2 x 2 / 2; M (3, 4): 1 x 0 / 2; not stated (5): 0 x 1 / 1.
        found, _ = counts.at(["A", "B"], ["X", "Y"])
        # B and Y: F 1 x 1 / 2; M 2 x 2 / 2; not stated 0.
        assert found.expected.tolist() == [2.0, 2.5]
        assert counts.definition.strata == "sex"

    def test_each_stratum_has_its_own_universe(self, reports):
        by_sex = count_by(reports, stratify(reports, "sex"))
        assert {name: counts.total for name, counts in by_sex.items()} == {"F": 2, "M": 2, MISSING: 1}
        assert cells(by_sex["F"], "A", "X") == (2, 0, 0, 0)
        assert "only F" in by_sex["F"].definition.strata

    def test_column_that_is_missing_is_named(self, reports):
        with pytest.raises(ColumnError, match="country"):
            stratify(reports, "country")

    def test_bands_must_ascend(self, reports):
        with pytest.raises(ConfigError, match="ascend"):
            stratify(reports, "age", age_bands=(65, 18))

    def test_no_strata_named(self, reports):
        with pytest.raises(ConfigError, match="no strata"):
            stratify(reports, ())

    def test_any_column_makes_strata(self):
        cases = pa.table({"case_id": [1, 2], "site": pa.array(["n", "s"]).dictionary_encode()})
        drugs = pl.DataFrame({"case_id": [1, 2], "drug": ["A", "A"]})
        events = pl.DataFrame({"case_id": [1, 2], "event": ["X", "X"]})
        assert stratify(read_reports(drugs, events, cases), "site").labels == ("n", "s")

    def test_too_many_strata_are_refused_before_memory_runs_out(self, reports, monkeypatch):
        monkeypatch.setattr("cinchona.pharmacovigilance.signals.counting.count.MAX_STRATUM_CELLS", 3)
        with pytest.raises(ConfigError, match="too many"):
            count_pairs(reports, strata=stratify(reports, "sex"))


class TestComparators:
    def test_class_cuts_the_universe_to_its_members(self, reports):
        counts = count_within_class(reports, ["A", "B", "unheard of"], name="ab")
        # Cases with A or B and an event: 1, 2, 3, 4.
        assert counts.total == 4
        assert cells(counts, "A", "X") == (2, 1, 0, 1)
        assert "C" not in counts.frame()["drug"].to_list()
        assert "class 'ab'" in counts.definition.comparator

    def test_class_that_does_not_occur(self, reports):
        with pytest.raises(InputError, match="no drug of the class"):
            count_within_class(reports, ["Q"], name="q")

    def test_case_list_is_the_comparator(self, reports):
        counts = count_against_cases(reports, "A", [3, 5, 1], name="chosen")
        # Universe: exposed 1, 2, 4 and listed 3, 5; case 1 is exposed and listed, so exposed.
        assert counts.total == 5
        counts = count_against_cases(reports, "A", [5], name="chosen")
        assert cells(counts, "A", "X") == (2, 1, 1, 0)

    def test_list_without_any_case(self, reports):
        with pytest.raises(InputError, match="none of the 2 ids"):
            count_against_cases(reports, "A", [100, 101], name="nobody")

    def test_classes_from_a_mapping(self):
        assert class_members({"b": "beta", "a": "alpha", "c": "alpha"}) == {"alpha": ["a", "c"], "beta": ["b"]}


class TestCaseLists:
    def test_any_list_is_an_exposure_or_an_event(self):
        reports = reports_of_lists(
            {"query one": [1, 2, 3], "query two": [4, 99]}, {"outcome": [2, 3, 4, 5]}, universe=range(1, 11)
        )
        counts = count_pairs(reports, CountConfig(universe="all"))
        assert counts.total == 10
        assert cells(counts, "query one", "outcome") == (2, 1, 2, 5)
        assert cells(counts, "query two", "outcome") == (1, 0, 3, 6)


class TestGroups:
    def test_a_report_with_two_terms_of_a_group_counts_once(self, reports):
        grouped = group_events(reports, {"XZ": ["x", "Z", "unheard of"]})
        assert cells(count_pairs(grouped), "C", "XZ") == (2, 0, 1, 2)
        assert cells(count_pairs(grouped), "C", "X") == (2, 0, 1, 2)

    def test_groups_alone(self, reports):
        grouped = group_drugs(reports, {"AB": ["A", "B"]}, keep=False)
        assert grouped.drug_labels.to_pylist() == ["AB"]
        assert cells(count_pairs(grouped, CountConfig(roles=("PS",))), "AB", "Y") == (3, 0, 0, 2)

    def test_group_without_a_term(self, reports):
        with pytest.raises(InputError, match="group 'none'"):
            group_events(reports, {"none": ["Q"]})


class TestInputs:
    @pytest.mark.parametrize("convert", [lambda f: f, pl.DataFrame.lazy, pl.DataFrame.to_arrow, pl.DataFrame.to_pandas])
    def test_every_kind_of_frame_counts_alike(self, convert, reports):
        other = read_reports(convert(DRUGS), convert(REACTIONS), convert(CASES))
        assert count_pairs(other).frame().equals(count_pairs(reports).frame())
        assert set(other.facts) == {"sex", "age_years", "date"}

    def test_categories_with_unsigned_codes(self, reports):
        drugs = DRUGS.with_columns(pl.col("drug", "role").cast(pl.Categorical))
        assert count_pairs(read_reports(drugs, REACTIONS)).frame().equals(count_pairs(reports).frame())

    def test_record_batch_readers(self):
        reader = REACTIONS.to_arrow().to_reader()
        assert count_pairs(read_reports(DRUGS, reader)).total == 5

    def test_ids_of_mixed_kinds_meet_as_text(self):
        drugs = DRUGS.with_columns(pl.col("case_id").cast(pl.String))
        assert count_pairs(read_reports(drugs, REACTIONS)).total == 5

    def test_whole_numbers_that_pandas_made_floats(self):
        drugs = DRUGS.with_columns(pl.col("case_id").cast(pl.Float64))
        assert count_pairs(read_reports(drugs, REACTIONS)).total == 5

    def test_sparse_integer_ids(self):
        far = [pl.col("case_id").cast(pl.Int64) * 10**12 - 7]
        counts = count_pairs(read_reports(DRUGS.with_columns(far), REACTIONS.with_columns(far)))
        assert cells(counts, "A", "X") == (2, 1, 1, 1)

    def test_rows_without_names_are_set_aside_and_counted(self):
        drugs = pl.DataFrame({"case_id": [1, 1, None, 2], "drug": ["A", " ", "B", None]})
        events = pl.DataFrame({"case_id": [1, 2], "event": ["X", "X"]})
        found = read_reports(drugs, events)
        assert found.set_aside["drug rows without case or drug"] == 3
        assert count_pairs(found).frame()["drug"].to_list() == ["A"]

    def test_missing_column_offers_the_nearest(self):
        with pytest.raises(ColumnError, match="did you mean 'drugs'"):
            read_reports(pl.DataFrame({"case_id": [1], "drugs": ["A"]}), REACTIONS)
        with pytest.raises(ColumnError, match="event"):
            read_reports(DRUGS, REACTIONS.rename({"event": "pt"}).to_pandas())

    def test_other_names_of_columns(self):
        names = ReportColumns(case_id="primaryid", drug="prod", event="pt", role="cod")
        drugs = DRUGS.rename({"case_id": "primaryid", "drug": "prod", "role": "cod"})
        events = REACTIONS.rename({"case_id": "primaryid", "event": "pt"})
        assert count_pairs(read_reports(drugs, events, columns=names), CountConfig(roles=("PS",))).total == 5

    def test_a_case_listed_twice_is_refused(self):
        with pytest.raises(InputError, match="more than once"):
            read_reports(DRUGS, REACTIONS, pl.concat([CASES, CASES]))

    def test_what_is_no_frame(self):
        with pytest.raises(InputError, match="dict"):
            read_reports(DRUGS, DRUGS.to_arrow().to_pydict())

    def test_too_many_roles(self):
        drugs = pl.DataFrame({"case_id": range(9), "drug": ["A"] * 9, "role": [f"r{k}" for k in range(9)]})
        with pytest.raises(ConfigError, match="9 roles"):
            read_reports(drugs, REACTIONS)

    def test_unknown_drug_offers_the_nearest(self):
        drugs = pl.DataFrame({"case_id": [1, 2], "drug": ["ATORVASTATIN", "SIMVASTATIN"]})
        events = pl.DataFrame({"case_id": [1, 2], "event": ["X", "Y"]})
        found = read_reports(drugs, events)
        with pytest.raises(UnknownNameError, match="did you mean 'ATORVASTATIN'"):
            found.drug_code("atorvastatine")
        with pytest.raises(UnknownNameError, match="no event"):
            found.cases_with(event="Q")
        assert found.cases_with(drug="ATORVASTATIN", event="X").tolist() == [True, False]

    def test_a_case_with_many_drugs(self):
        drugs = pl.DataFrame({"case_id": [1] * 200, "drug": [f"d{k % 100:03d}" for k in range(200)][::-1]})
        counts = count_pairs(read_reports(drugs, pl.DataFrame({"case_id": [1], "event": ["X"]})))
        assert counts.frame()["drug"].to_list() == [f"d{k:03d}" for k in range(100)]
        assert (counts.n == 1).all()


class TestPairTables:
    def test_sums_are_the_margins(self):
        frame = pl.DataFrame({"drug": ["A", "A", "B"], "event": ["X", "Y", "X"], "n": [3, 1, 2]})
        counts = counts_of_pairs(frame)
        assert counts.total == 6
        assert cells(counts, "A", "X") == (3, 1, 2, 0)

    def test_zero_rows_are_no_pairs(self):
        frame = pl.DataFrame({"drug": ["A", "A"], "event": ["X", "Y"], "n": [3, 0]})
        counts = counts_of_pairs(frame)
        assert len(counts) == 1
        assert counts.event_margin.tolist() == [3, 0]

    @pytest.mark.parametrize(
        "frame",
        [
            pl.DataFrame({"drug": ["A", "A"], "event": ["X", "X"], "n": [1, 1]}),
            pl.DataFrame({"drug": ["A", ""], "event": ["X", "X"], "n": [1, 1]}),
            pl.DataFrame({"drug": ["A", "B"], "event": ["X", "X"], "n": [1.5, 1.0]}),
            pl.DataFrame({"drug": ["A", "B"], "event": ["X", "X"], "n": [-1, 1]}),
        ],
    )
    def test_what_is_no_table_of_counts(self, frame):
        with pytest.raises(InputError):
            counts_of_pairs(frame)

    def test_unknown_pairs_are_left_out_and_unreported_ones_are_zero(self, reports):
        found, where = count_pairs(reports).at(["A", "Q", "C"], ["Z", "X", "Y"])
        assert where.tolist() == [0, 2]
        assert found.n.tolist() == [0, 0]

    def test_names_must_come_in_pairs(self, reports):
        with pytest.raises(ValueError, match="one per drug"):
            count_pairs(reports).at(["A"], [])

    def test_cells_refuse_what_is_no_count(self):
        with pytest.raises(InputError, match="cell b"):
            Cells.of(1, -1, 1, 1)

    def test_smallest_expected_cell(self):
        assert Cells.of(10, 90, 20, 880).smallest_expected() == pytest.approx([3.0])


class TestLinkedRows:
    def test_pvda_vignette(self, data_folder):
        """pvda 0.0.4: Drug_Z and Event_1, observed 88, expected 55.6, IC 0.66 (0.34 to 0.94); by group 45 and 43."""
        from cinchona.pharmacovigilance.signals.scoring import score

        table = pl.read_parquet(data_folder / "ae" / "pvda" / "drug_event_df.parquet")
        names = ReportColumns(case_id="report_id")
        pair = (pl.col("drug") == "Drug_Z") & (pl.col("event") == "Event_1")
        row = score(count_linked(table, columns=names), ["ic", "prr"]).frame.filter(pair).row(0, named=True)
        assert row["n"] == 88
        assert row["expected"] == pytest.approx(55.568)
        assert [round(row[name], 2) for name in ("ic", "ic025", "ic975")] == [0.66, 0.34, 0.94]
        groups = {}
        for group in (0.0, 1.0):
            part = table.filter(pl.col("group") == group)
            groups[group] = (
                score(count_linked(part, columns=names), ["ic", "prr"]).frame.filter(pair).row(0, named=True)
            )
        assert [groups[g]["n"] for g in (0.0, 1.0)] == [45, 43]
        assert [round(groups[g]["ic"], 2) for g in (0.0, 1.0)] == [0.75, 0.56]
        assert [round(groups[g]["prr"], 2) for g in (0.0, 1.0)] == [1.92, 1.63]

    def test_complete_rows_count_like_reports(self, reports):
        rows = DRUGS.join(REACTIONS, on="case_id")
        linked, paired = count_linked(rows), count_pairs(reports)
        assert linked.total == paired.total
        assert linked.frame().equals(paired.frame())

    def test_a_pair_needs_a_row(self):
        rows = pl.DataFrame({"case_id": [1, 1, 2, 2], "drug": ["A", "B", "A", None], "event": ["X", "Y", "X", "Y"]})
        counts = count_linked(rows)
        assert counts.frame().select("drug", "event", "n").rows() == [("A", "X", 2), ("B", "Y", 1)]
        assert cells(counts, "A", "X") == (2, 0, 0, 0)

    def test_nothing_to_count(self):
        with pytest.raises(NoUsableRowsError):
            count_linked(
                pl.DataFrame({"case_id": [1], "drug": [None], "event": ["X"]}, schema_overrides={"drug": pl.String})
            )


class TestTimeline:
    def test_periods_are_filled_and_cumulated(self, reports):
        found = timeline(reports, "A", "X")
        assert found["period"].to_list() == ["2020Q1", "2020Q2", "2020Q3", "2020Q4", "2021Q1"]
        assert found["n"].to_list() == [1, 1, 0, 0, 0]
        assert found["n_cumulative"].to_list() == [1, 2, 2, 2, 2]
        assert found["n_total_cumulative"].to_list() == [1, 2, 2, 3, 4]
        assert np.isfinite(found.drop("period").to_numpy()).all()

    def test_years(self, reports):
        assert timeline(reports, "A", "X", period="year")["period"].to_list() == ["2020", "2021"]
