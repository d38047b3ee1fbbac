"""The harness: within groups, beside baselines, with intervals; the plain facts come out."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cinchona.errors import ColumnError, ConfigError, InputError, NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.columns import ReportColumns
from cinchona.pharmacovigilance.signals.counting.count import count_pairs
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.counting.strata import stratify
from cinchona.pharmacovigilance.signals.errors import PooledAucRefusedError
from cinchona.pharmacovigilance.signals.evaluation.detection import detection_summary, time_to_detection
from cinchona.pharmacovigilance.signals.evaluation.harness import BASELINES, EvaluationConfig, evaluate
from cinchona.pharmacovigilance.signals.evaluation.judge import judge_reference
from cinchona.pharmacovigilance.signals.evaluation.ranking import grouped_auc, pooled_auc, precision_at
from cinchona.pharmacovigilance.signals.evaluation.reference import (
    ReferenceColumns,
    ReferenceSet,
    read_reference,
    reference_of,
)
from cinchona.pharmacovigilance.signals.evaluation.terms import read_terms
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus
from cinchona.pharmacovigilance.signals.rules.rule_sets import rule_set
from cinchona.pharmacovigilance.signals.scoring import score
from cinchona.pharmacovigilance.signals.simulation.tables import inject_signals
from cinchona.pharmacovigilance.signals.view import SignalSettings, SignalView

RNG = np.random.default_rng
QUICK = EvaluationConfig(resamples=20)


class TestRanking:
    @settings(max_examples=40)
    @given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 4)), min_size=4, max_size=60))
    def test_auc_is_the_mean_of_sklearns_within_groups(self, rows):
        groups, labels, scores = (np.array(column) for column in zip(*rows, strict=True))
        areas = [
            roc_auc_score(labels[groups == g], scores[groups == g])
            for g in np.unique(groups)
            if 0 < labels[groups == g].sum() < (groups == g).sum()
        ]
        found = grouped_auc(labels, scores.astype(float), groups, rng=RNG(1), resamples=10)
        assert found.groups == len(areas)
        if areas:
            assert found.value == pytest.approx(np.mean(areas))
            assert found.lower <= found.value + 1e-9
        else:
            assert np.isnan(found.value)

    def test_missing_scores_rank_last(self):
        found = grouped_auc(np.array([1, 0]), np.array([0.0, np.nan]), np.zeros(2), rng=RNG(1))
        assert found.value == 1.0

    def test_interval_covers_a_random_ranking(self):
        rng = RNG(5)
        groups, labels = np.repeat(np.arange(60), 20), rng.random(1200) < 0.3
        found = grouped_auc(labels, rng.random(1200), groups, rng=rng)
        assert found.lower < 0.5 < found.upper
        assert found.upper - found.lower < 0.15

    def test_precision_counts_ties_by_expectation(self):
        labels = np.array([1, 0, 0, 1])
        constant = precision_at(labels, np.ones(4), 2, groups=np.arange(4), rng=RNG(1), resamples=10)
        assert constant.value == 0.5
        ordered = precision_at(labels, np.array([3.0, 2, 2, 1]), 2, groups=np.arange(4), rng=RNG(1), resamples=10)
        assert ordered.value == 0.5  # one sure hit, and half of a tie without hits
        assert precision_at(labels, np.array([9.0, 1, 1, 8]), 2, groups=np.arange(4), rng=RNG(1)).value == 1.0

    def test_precision_beyond_the_end_is_the_share_of_positives(self):
        found = precision_at(np.array([1, 0, 0]), np.arange(3.0), 500, groups=np.arange(3), rng=RNG(1), resamples=20)
        assert found.value == pytest.approx(1 / 3)

    def test_pooled_auc_is_refused_with_the_reason(self):
        with pytest.raises(PooledAucRefusedError, match=r"event frequency alone has 0\.83"):
            pooled_auc([1, 0], [0.1, 0.2])
        with pytest.raises(PooledAucRefusedError, match="within events or within drugs"):
            evaluate(pl.DataFrame(), np.zeros(0), config=EvaluationConfig(metrics=("pooled_auc",)))


@pytest.fixture(scope="module")
def injected(data_folder):
    """Signals injected on the real margins of the 5,000-report FAERS sample."""
    folder = data_folder / "ae" / "faers_sample5000"
    names = ReportColumns(case_id="safetyreportid", drug="drug_name", event="meddra_pt")
    reports = read_reports(
        pl.read_parquet(folder / "drugs.parquet").rename({"role": "part"}), pl.read_parquet(folder / "reactions.parquet"),
        columns=names,
    )  # fmt: skip
    counts = count_pairs(reports)
    drugs, events = (np.sort(m)[::-1][:250] for m in (counts.drug_margin, counts.event_margin))
    table = inject_signals(drugs * 40, events * 40, counts.total * 40, rng=RNG(2), share=0.02)
    frame = score(table.counts, ["prr", "ror", "chi2_yates", "ic", "gps"], accept=tuple(FitStatus)).frame
    return frame, table.injected


class TestHarness:
    def test_every_measure_stands_beside_the_baselines(self, injected):
        figures = evaluate(*injected, config=QUICK)
        assert set(figures["metric"]) == {
            "auc_within_event", "auc_within_drug", "precision_at_100", "precision_at_500",
        }  # fmt: skip
        for _, part in figures.group_by("metric"):
            assert set(BASELINES) <= set(part["column"])
        assert (figures["lower"] <= figures["value"] + 1e-9).all()
        assert (figures["value"] <= figures["upper"] + 1e-9).all()

    def test_the_plain_facts_come_out(self, injected):
        """Classic measures differ little, and the mere count is strong; only shrinkage helps the top of the list."""
        figures = evaluate(*injected, config=EvaluationConfig(resamples=20))
        value = {(r["metric"], r["column"]): r["value"] for r in figures.iter_rows(named=True)}
        classic = ("prr", "ror", "ic", "ebgm")
        for metric in ("auc_within_event", "auc_within_drug"):
            areas = [value[metric, name] for name in classic]
            assert max(areas) - min(areas) < 0.05
            assert 0.55 < value[metric, "n"] < max(areas) + 0.05
        assert value["precision_at_500", "ebgm"] > value["precision_at_500", "prr"]
        assert value["precision_at_500", "n"] < value["precision_at_500", "ebgm"]
        assert value["auc_within_event", "n_event"] == pytest.approx(0.5)
        assert value["auc_within_drug", "n_drug"] == pytest.approx(0.5)

    def test_unknown_labels_are_left_out(self, injected):
        frame, labels = injected
        half = np.where(np.arange(len(labels)) % 2, labels, -1)
        assert evaluate(frame, half, config=QUICK)["pairs"].max() <= len(labels) // 2 + 1

    def test_small_p_values_rank_first(self):
        frame = pl.DataFrame({"drug": list("AABB"), "event": list("XYXY"), "n": [1] * 4, "n_drug": [1] * 4,
                              "n_event": [1] * 4, "fisher_p": [0.001, 0.5, 0.9, 0.01]})  # fmt: skip
        figures = evaluate(
            frame, np.array([1, 0, 0, 1]), config=EvaluationConfig(columns=("fisher_p",), at=(2,), resamples=5)
        )
        assert figures.filter(pl.col("column") == "fisher_p")["value"].to_list() == [1.0, 1.0, 1.0]

    def test_same_seed_same_intervals(self, injected):
        wanted = EvaluationConfig(columns=("ic",), resamples=10)
        once, again, other = (evaluate(*injected, config=wanted, seed=seed) for seed in (3, 3, 4))
        assert once.equals(again)
        assert not once.equals(other)

    def test_what_cannot_be_judged(self, injected):
        frame, labels = injected
        with pytest.raises(ConfigError, match="one label a pair"):
            evaluate(frame, labels[:-1])
        with pytest.raises(NoUsableRowsError, match="labelled"):
            evaluate(frame, np.full(len(labels), -1))
        with pytest.raises(ConfigError, match="no metric"):
            evaluate(frame, labels, config=EvaluationConfig(metrics=("accuracy",)))


class TestReference:
    def test_omop_399_by_file(self, data_folder):
        for name in ("omopReferenceSet.parquet", "omop_reference_set.csv"):
            found = read_reference(data_folder / "ae" / "reference_sets" / name)
            assert (len(found), found.positives) == (399, 165)

    def test_pairs_are_placed_also_where_they_were_never_reported(self, case_reports, view):
        drug, event = case_reports.drug_labels[3].as_py(), case_reports.event_labels[5].as_py()
        reference = reference_of([(drug.upper(), event, 1), ("nowhere", event, 0), (drug, "nothing", 0)])
        placed = reference.place(view.counts)
        assert placed.labels.tolist() == [1]
        assert placed.unknown_drugs == ("nowhere",)
        assert placed.unknown_events == ("nothing",)

    def test_own_columns_and_names(self, tmp_path):
        path = tmp_path / "set.tsv"
        path.write_text("d\te\tl\nA \tOMOP liver\t1\nB\tX\t0\nB\tX\t0\n")
        found = read_reference(
            path, columns=ReferenceColumns(drug="d", event="e", label="l"), events={"OMOP liver": "LIVER"}
        )
        assert found.drugs == ("A", "B")
        assert found.events == ("LIVER", "X")

    @pytest.mark.parametrize(
        "text, kind", [("a,b\n1,2\n", ColumnError), ("exposureName,outcomeName,groundTruth\nA,X,2\n", InputError),
                       ("exposureName,outcomeName,groundTruth\nA,X,1\nA,X,0\n", InputError), ("", InputError)],
    )  # fmt: skip
    def test_what_is_no_reference_set(self, text, kind, tmp_path):
        path = tmp_path / "set.csv"
        path.write_text(text)
        with pytest.raises(kind):
            read_reference(path)

    def test_judging_a_view(self, view, simulated_reports):
        truth = simulated_reports.truth
        reference = ReferenceSet(tuple(truth["drug"]), tuple(truth["event"]), truth["label"].to_numpy().astype(np.int8))
        settings_ = SignalSettings(accept=tuple(FitStatus))
        judged = judge_reference(SignalView(view.reports, settings_), reference, config=QUICK)
        best = judged.figures.filter((pl.col("column") == "ic025") & pl.col("metric").str.starts_with("precision"))
        assert best["value"].max() >= 0.5
        assert judged.pairs.height == len(judged.placed.labels)

    def test_outcomes_of_several_terms(self, view, simulated_reports, tmp_path):
        path = tmp_path / "terms.yaml"
        path.write_text("Outcome 1: [event 001, event 002]\n")
        drugs = simulated_reports.drugs["drug"].unique().sort().to_list()
        reference = reference_of([(drugs[0], "Outcome 1", 1), (drugs[1], "Outcome 1", 0)])
        wanted = EvaluationConfig(columns=("ic", "n"), resamples=5)
        judged = judge_reference(view, reference, events=read_terms(path), config=wanted)
        assert judged.placed.counts.n.min() > 0

    def test_nothing_can_be_placed(self, view):
        with pytest.raises(NoUsableRowsError, match="1 drugs and 1 events are unknown"):
            judge_reference(view, reference_of([("q", "q", 1)]))

    @pytest.mark.parametrize("text", ["[1, 2]", "a: []", "a: b", "a: ["])
    def test_what_is_no_file_of_terms(self, text, tmp_path):
        path = tmp_path / "terms.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError):
            read_terms(path)
        assert read_terms(None) is None


class TestTimeToDetection:
    def test_signals_are_found_earlier_than_noise_and_naive_rules_stand_beside(self, case_reports, simulated_reports):
        truth = simulated_reports.truth
        reference = ReferenceSet(tuple(truth["drug"]), tuple(truth["event"]), truth["label"].to_numpy())
        found = time_to_detection(
            case_reports, stratify(case_reports, "quarter"), reference, [rule_set("ic025"), rule_set("evans")]
        )
        assert set(found["rule"]) == {"ic025", "evans", "naive_n3", "naive_n10"}
        summary = {r["rule"]: r for r in detection_summary(found).to_dicts()}
        assert summary["ic025"]["detected"] > 0.5
        assert summary["ic025"]["false_alarms"] < summary["naive_n3"]["false_alarms"]
        late = found.filter(pl.col("delay").is_not_null())
        assert (late["delay"] >= 0).all()
        assert (late["detected"] >= late["first_reported"]).all()

    def test_rules_with_a_prior_refuse_an_unusable_fit(self, case_reports):
        from cinchona.pharmacovigilance.signals.errors import PriorNotUsableError

        drug, event = case_reports.drug_labels[0].as_py(), case_reports.event_labels[0].as_py()
        reference = reference_of([(drug, event, 1)])
        periods = stratify(case_reports, "year")
        tiny = case_reports.select(np.arange(len(case_reports)) < 40)
        with pytest.raises(PriorNotUsableError):
            time_to_detection(tiny, stratify(tiny, "year"), reference, [rule_set("fda")])
        accepted = time_to_detection(case_reports, periods, reference, [rule_set("fda")], accept=tuple(FitStatus))
        assert accepted.height == 3

    def test_pairs_that_were_never_reported(self, case_reports):
        with pytest.raises(NoUsableRowsError, match="ever reported"):
            time_to_detection(case_reports, stratify(case_reports, "year"), reference_of([("q", "q", 1)]), [])
