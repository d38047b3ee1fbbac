"""Tables of counts in place of a store: their layouts, what they cannot say, tables of any size and shape."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cinchona.errors import CinchonaError, ColumnError, ConfigError, InputError, NoUsableRowsError, UsageError
from cinchona.pharmacovigilance.signals import cli
from cinchona.pharmacovigilance.signals.counting.count import CountConfig
from cinchona.pharmacovigilance.signals.counting.tables import CountColumns, counts_of_cross_table, counts_of_table
from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.evaluation.harness import EvaluationConfig
from cinchona.pharmacovigilance.signals.evaluation.judge import judge_reference
from cinchona.pharmacovigilance.signals.evaluation.reference import reference_of
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture
from cinchona.pharmacovigilance.signals.measures.catalogue import MEASURES
from cinchona.pharmacovigilance.signals.measures.likelihood_ratio import LrtConfig, likelihood_ratio_test
from cinchona.pharmacovigilance.signals.preview import preview
from cinchona.pharmacovigilance.signals.report.page import render_report
from cinchona.pharmacovigilance.signals.report.profile import profile
from cinchona.pharmacovigilance.signals.rules.rule_sets import rank_signals, rule_sets
from cinchona.pharmacovigilance.signals.scoring import score, score_table
from cinchona.pharmacovigilance.signals.table_view import TableView, open_view
from cinchona.pharmacovigilance.signals.view import SignalSettings

PRIOR = GammaMixture(0.2, 0.1, 2.0, 4.0, 1 / 3)
CROSS = pl.DataFrame({"": ["X", "Y", "Z"], "A": [10.0, 0.0, 5.0], "B": [3, 7, 0], "Other": [100, 80, 900]})


def pairs(*rows):
    return pl.DataFrame(rows, schema={"drug": pl.String, "event": pl.String, "n": pl.Int64}, orient="row")


TABLES = {
    "one cell": pairs(("A", "X", 1)),
    "one huge cell": pairs(("A", "X", 3_000_000_000)),
    "huge and small": pairs(("A", "X", 3_000_000_000), ("A", "Y", 50), ("B", "X", 3), ("B", "Y", 10**12)),
    "one drug": pairs(*(("A", f"E{k}", k + 1) for k in range(30))),
    "one event": pairs(*((f"D{k}", "X", k + 1) for k in range(30))),
    "diagonal": pairs(*((f"D{k}", f"E{k}", 5) for k in range(20))),
    "rows of zero": pairs(("A", "X", 0), ("B", "Y", 0), ("C", "Z", 4)),
    "every cell alike": pairs(*((f"D{j}", f"E{k}", 7) for j in range(8) for k in range(9))),
    "names of all kinds": pairs(("Ärzte™ ☃", "=1+1", 10), ("薬", "頭痛", 5), ("薬", "=1+1", 1)),
}


class TestLayouts:
    def test_cross_table(self):
        counts = counts_of_table(CROSS)
        frame = {(r["drug"], r["event"]): r for r in counts.frame().to_dicts()}
        assert len(frame) == 7  # two cells are 0
        assert frame["A", "X"] | {"expected": 0} == {
            "drug": "A", "event": "X", "n": 10, "n_drug": 15, "n_event": 113, "n_total": 1105, "expected": 0
        }  # fmt: skip
        assert counts.definition.counting == "mentions"
        assert counts.complete

    @pytest.mark.parametrize("rows", ["event", "drug", "n", "name"])
    def test_columns_of_a_cross_table_may_have_any_name(self, rows):
        drugs = [name for name in ("drug", "event", "n") if name != rows][:2]
        frame = CROSS.rename({"": rows, "A": drugs[0], "B": drugs[1]})
        assert counts_of_cross_table(frame, rows=rows).frame().filter(drug=drugs[0], event="X")["n"].item() == 10

    def test_one_row_a_pair_with_usual_headers(self):
        counts = counts_of_table(pairs(("A", "X", 3), ("B", "X", 4)).rename({"drug": "DRUG_NAME", "event": "PT"}))
        assert (counts.total, counts.drug_margin.tolist()) == (7, [3, 4])

    def test_margins_that_stand_in_the_table_are_kept(self, view, tmp_path):
        whole = view.signals("drug 000")
        whole.write_csv(tmp_path / "own.csv")
        again = TableView.of_file(tmp_path / "own.csv", SignalSettings(measures=("ror", "ic"))).signals()
        for name in ("n", "n_drug", "n_event", "n_total"):
            assert (again[name] == whole[name]).all()
        np.testing.assert_allclose(again["ror025"], whole["ror025"], rtol=1e-12)

    def test_a_prior_to_all_cells_needs_the_whole_table(self):
        frame = pairs(("A", "X", 3)).with_columns(n_drug=10, n_event=20, n_total=100)
        with pytest.raises(InputError, match="zero cells of a selection"):
            TableView(counts_of_table(frame), SignalSettings()).signals()

    def test_one_row_a_reports_pair(self):
        frame = pl.DataFrame({"CASEID": [1, 1, 2], "DRUG": ["A", "A", "B"], "AE": ["X", "Y", "X"]})
        counts = counts_of_table(frame)
        assert (counts.total, counts.drug_margin.tolist(), counts.event_margin.tolist()) == (2, [1, 1], [2, 1])

    def test_columns_are_named_where_they_are_unusual(self):
        frame = pairs(("A", "X", 3)).rename({"drug": "praeparat", "event": "wirkung", "n": "anzahl"})
        columns = CountColumns(drug="praeparat", event="wirkung", n="anzahl")
        assert counts_of_table(frame, columns).total == 3
        with pytest.raises(ColumnError, match="no column 'menge'"):
            counts_of_table(frame, CountColumns(n="menge"))

    @pytest.mark.parametrize(
        "frame, kind, match",
        [
            (pl.DataFrame({"a": ["x"], "b": ["y"]}), ColumnError, "no known layout"),
            (pl.DataFrame({"n": [1]}), ColumnError, "no known layout"),
            (pairs(("A", "X", 1), ("A", "X", 2)), InputError, "row 2: A and X"),
            (pairs(("A", "X", -1)), InputError, "row 1: -1"),
            (pairs((None, "X", 1)), InputError, "no name"),
            (pairs(("A", "X", 1)).with_columns(n=pl.lit("many")), InputError, "no counts"),
            (pairs(("A", "X", 3)).with_columns(n_drug=2, n_event=9, n_total=9), InputError, "smaller than"),
            (pairs(("A", "X", 3), ("A", "Y", 1)).with_columns(n_drug=pl.Series([5, 6]), n_event=9, n_total=9),
             InputError, "'A' several margins"),
            (pairs(("A", "X", 3), ("B", "Y", 1)).with_columns(n_drug=5, n_event=5, n_total=pl.Series([9, 8])),
             InputError, "2 totals"),
        ],
    )  # fmt: skip
    def test_what_is_no_table_of_counts(self, frame, kind, match):
        with pytest.raises(kind, match=match):
            counts_of_table(frame)

    @pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.parquet"])
    def test_files(self, name, tmp_path):
        path = tmp_path / name
        if name.endswith("parquet"):
            CROSS.write_parquet(path)
        else:
            CROSS.write_csv(path, separator="\t" if name.endswith("tsv") else ",")
        assert open_view(path).counts.total == 1105

    def test_what_cannot_be_read(self, tmp_path):
        (tmp_path / "broken.parquet").write_bytes(b"PAR1")
        with pytest.raises(InputError, match="cannot be read"):
            open_view(tmp_path / "broken.parquet")
        with pytest.raises(InputError):
            open_view(tmp_path / "missing")


class TestShapes:
    """Tables at the edges: nothing breaks, no figure is out of its range, no prior is used in silence."""

    @pytest.mark.parametrize("name", TABLES)
    def test_every_measure_and_rule(self, name):
        counts = counts_of_table(TABLES[name])
        frame = score(counts, MEASURES, prior=PRIOR).frame
        assert np.isfinite(
            frame.select("ebgm", "eb05", "eb95", "ic", "ic025", "ic975", "fisher_log10p").to_numpy()
        ).all()
        assert ((frame["eb05"] <= frame["ebgm"]) & (frame["ebgm"] <= frame["eb95"])).all()
        assert frame["fisher_p"].is_between(0, 1).all()
        for rule in rule_sets().values():
            assert rank_signals(frame, rule).height <= frame.height
        view = TableView(counts, SignalSettings())
        assert view.prior.usable or view.signals()["eb05"].null_count() == frame.height

    @pytest.mark.parametrize("frame", [pairs(), pairs(("A", "X", 0))])
    def test_tables_without_a_pair(self, frame):
        counts = counts_of_table(frame)
        assert score(counts, MEASURES, prior=PRIOR).frame.height == 0
        with pytest.raises(NoUsableRowsError, match="no pair"):
            TableView(counts, SignalSettings()).signals()
        with pytest.raises(NoUsableRowsError, match="without a reported pair"):
            likelihood_ratio_test(counts, rng=np.random.default_rng(0), config=LrtConfig(null="poisson"))

    @pytest.mark.parametrize("cells", [(0, 0, 0, 0), (1.5, 2, 3, 4)])
    def test_a_2x2_table_without_reports_or_with_parts_of_them(self, cells):
        with pytest.raises(InputError, match="no counts"):
            score_table(cells)

    @given(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=2, max_size=6))
    def test_a_cross_table_counts_like_its_pairs(self, cells):
        events = [f"E{k}" for k in range(len(cells))]
        wide = pl.DataFrame(cells, schema=["A", "B", "C"], orient="row").with_columns(event=pl.Series(events))
        long = wide.unpivot(index="event", variable_name="drug", value_name="n")
        assert counts_of_table(wide).frame().equals(counts_of_table(long).frame())


class TestView:
    @pytest.fixture
    def table(self):
        return TableView(counts_of_table(CROSS), SignalSettings(measures=("ror", "ic"), accept=tuple(FitStatus)))

    def test_names_are_loud(self, table):
        assert table.signals("A", "Y")["n"].item() == 0
        with pytest.raises(UnknownNameError, match="Other"):
            table.signals("Othr")

    def test_what_needs_reports_is_refused(self, table):
        with pytest.raises(ColumnError, match="knows no sex"):
            table.signals(by="sex")
        with pytest.raises(UsageError, match="cannot be grouped"):
            table.with_event_groups({"all": ["X", "Y"]})
        for settings in (SignalSettings(strata=("sex",)), SignalSettings(count=CountConfig(roles=("PS",)))):
            with pytest.raises(ConfigError, match="cannot be counted anew"):
                TableView(table.counts, settings)

    def test_report_has_what_a_table_can_say(self, table):
        found = profile(table, drug="A")
        assert found.timeline is None
        assert found.subgroups["label"].to_list() == ["all reports"]
        assert "mentions" in render_report(found)

    def test_measures_are_judged(self, table):
        reference = reference_of([("A", "X", 1), ("B", "X", 0), ("A", "Y", 0), ("B", "Y", 1), ("Other", "Z", 1)])
        judged = judge_reference(table, reference, config=EvaluationConfig(columns=("ror",), at=(2,), resamples=5))
        assert (
            judged.figures.filter(pl.col("column") == "ror", pl.col("metric") == "precision_at_2")["value"].item() == 1
        )


class TestCommands:
    @pytest.fixture
    def run(self, tmp_path):
        path = tmp_path / "table.csv"
        CROSS.write_csv(path)

        def call(command, *arguments):
            done = CliRunner().invoke(cli.app, [command, str(path), *arguments])
            if isinstance(done.exception, CinchonaError):
                raise done.exception
            assert done.exit_code == 0, done.output
            return done

        return call

    def test_score(self, run):
        done = run("score", "--set", "measures=[ror]", "--json", "--quiet")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert {row["drug"] for row in rows} == {"A", "B", "Other"}
        assert "counted: mentions" in done.stderr
        done = run("score", "--set", "measures=[ror]", "--rows", "1")
        assert done.stdout.splitlines()[1].startswith("Other")  # the most reported pair
        assert "ror975" in done.stderr or "ror975" in done.stdout

    def test_rank_and_report(self, run, tmp_path):
        assert "n 10 >= 3" in run("rank", "--rule", "evans").stdout
        run("report", "--drug", "A", "--out", str(tmp_path / "pages"))
        assert (tmp_path / "pages" / "drug-a.html").exists()


class TestPreview:
    FRAME = pl.DataFrame(
        {
            "rank": [1], "rule": ["evans"], "reason": ["n 10 >= 3; prr 8 >= 2"], "drug": ["薬" * 40],
            "event": ["a\x1b[31mb"], "n": [12_345], "n_drug": [20_000], "expected": [0.123456], "sparse": [False],
            "prr": [float("inf")], "prr025": [float("nan")], "prr975": [None],
        }
    )  # fmt: skip

    def test_figures_are_short_and_whole(self):
        text, hidden = preview(self.FRAME, 5, width=160)
        assert "12,345" in text
        assert "0.123" in text
        assert "∞" in text
        assert "prr975" in text or "prr975" in hidden

    def test_control_characters_do_not_reach_the_terminal(self):
        assert "\x1b" not in preview(self.FRAME, 5, width=160)[0]

    @pytest.mark.parametrize("width", [80, 120, 200])
    def test_no_line_is_wider_than_the_terminal(self, width):
        from rich.cells import cell_len

        text, hidden = preview(self.FRAME.drop("reason"), 5, width=width)
        assert max(cell_len(line) for line in text.splitlines()) <= width
        assert set(hidden) <= set(self.FRAME.columns)

    def test_without_rows(self):
        assert "drug" in preview(self.FRAME.clear(), 5, width=120)[0]
