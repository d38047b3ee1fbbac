"""Rule sets: data, not code; every line with its reason."""

import contextlib
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.rules.expression import MAX_DEPTH, parse_condition
from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet, load_rules, rank_signals, rule_set, rule_sets

FRAME = pl.DataFrame(
    {
        "drug": ["A", "B", "C", "D"], "event": ["X"] * 4, "n": [3, 2, 10, 5], "prr": [2.0, 9.0, 1.9, math.nan],
        "chi2_yates": [4.0, 50.0, 30.0, 9.0], "ror025": [1.5, 3.0, 1.5, math.nan], "sparse": [True, False, False, True],
    }
)  # fmt: skip


class TestExpressions:
    @pytest.mark.parametrize(
        "text, rows",
        [
            ("n >= 3", [0, 2, 3]),
            ("n >= 3 and prr >= 2", [0]),
            ("n >= 3 and (prr > 2 or chi2_yates >= 9)", [2, 3]),
            ("not sparse", [1, 2]),
            ("not (prr >= 2)", [2, 3]),
            ("sparse or n == 2", [0, 1, 3]),
            ("3 <= n and n < 1e1", [0, 3]),
            ("prr != 2", [1, 2]),
            ("prr < chi2_yates", [0, 1, 2]),
            ("-1 > n", []),
            ("not not sparse and n<4", [0]),
        ],
    )
    def test_meaning(self, text, rows):
        found = parse_condition(text).holds({name: FRAME[name].to_numpy() for name in FRAME.columns[2:]})
        assert np.flatnonzero(found).tolist() == rows

    @pytest.mark.parametrize(
        "text, complaint",
        [
            ("n >=", "lacks a column or number"),
            ("n 3", "goes on where it should end"),
            ("3", "lacks a comparison sign"),
            ("(n > 3", "lacks a closing parenthesis"),
            ("n > 3 and", "lacks a column or number"),
            ("__import__('os').system('x')", "goes on|holds"),
            ("n > 3; n", "holds ';'"),
            ("n.real > 3", "holds '.'"),
            ("lambda: 1", "holds ':'"),
            ("n > 3)", "goes on"),
            ("", "lacks a column or number"),
            ("n" * 3_000, "too long"),
            ("(" * (MAX_DEPTH + 2) + "n", "nested too deeply"),
        ],
    )
    def test_what_is_no_condition(self, text, complaint):
        with pytest.raises(ConfigError, match=complaint):
            parse_condition(text)

    @settings(max_examples=60)
    @given(st.text(max_size=60))
    def test_any_text_is_a_condition_or_a_clear_error(self, text):
        with contextlib.suppress(ConfigError):
            assert parse_condition(text).names() is not None

    @given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=10), st.floats(-5, 5))
    def test_missing_figures_never_hold(self, values, limit):
        columns = {"x": np.array(values)}
        for sign in (">=", "<=", ">", "<", "==", "!="):
            found = parse_condition(f"x {sign} {limit!r}").holds(columns)
            assert not found[np.isnan(columns["x"])].any()

    def test_reasons_name_the_figures(self):
        condition = parse_condition("n >= 3 and (prr > 2 or chi2_yates >= 9) and not sparse")
        row = {"n": 10, "prr": 1.9, "chi2_yates": 30.0, "sparse": False}
        assert condition.reason(row) == "n 10 >= 3; chi2_yates 30 >= 9; not (sparse)"


class TestRuleSets:
    def test_known_rules(self):
        assert set(rule_sets()) >= {"evans", "ema_prr", "ema_ror", "mhra", "fda", "ic025"}
        for rule in rule_sets().values():
            assert rule.source
            assert rule.measures
            assert rule.needs_prior == (rule.name in {"fda", "mhra"})

    def test_thresholds_are_met_from_below(self):
        ranked = rank_signals(FRAME, rule_set("evans"))
        assert ranked["drug"].to_list() == ["A"]
        assert ranked["reason"].to_list() == ["n 3 >= 3; prr 2 >= 2; chi2_yates 4 >= 4"]
        assert ranked.columns[:3] == ["rank", "rule", "reason"]

    def test_ranking_puts_missing_figures_last_and_ties_in_order(self):
        rule = RuleSet(name="own", when="n >= 2", rank_by=("ror025", "n"))
        ranked = rank_signals(FRAME, rule)
        assert ranked["drug"].to_list() == ["B", "C", "A", "D"]
        assert ranked["rank"].to_list() == [1, 2, 3, 4]

    def test_a_condition_on_numbers_alone(self):
        with pytest.raises(ValueError, match="reads no column"):
            RuleSet(name="all", when="1 < 2")

    def test_no_signal_is_an_empty_table(self):
        ranked = rank_signals(FRAME, RuleSet(name="none", when="n > 100"))
        assert ranked.height == 0
        assert "reason" in ranked.columns

    def test_empty_prior_columns_make_no_signal(self):
        frame = FRAME.with_columns(eb05=pl.lit(None, pl.Float64))
        assert rank_signals(frame, rule_set("fda")).height == 0

    def test_table_without_the_rules_columns(self):
        with pytest.raises(UnknownNameError, match="score with gps"):
            rank_signals(FRAME, rule_set("fda"))

    def test_unknown_rule(self):
        with pytest.raises(UnknownNameError, match="did you mean evans"):
            rule_set("evan")


class TestOwnRules:
    def test_a_file_of_ones_own(self, tmp_path):
        path = tmp_path / "rules.yaml"
        path.write_text("- name: strict\n  when: n >= 5 and ic025 > 1 and not sparse\n  rank_by: [ic025]\n")
        rules = load_rules(path)
        assert rules["strict"].measures == ("ic",)
        assert rule_set("strict", rules).columns == {"n", "ic025", "sparse"}

    @pytest.mark.parametrize(
        "text, complaint",
        [
            ("- name: x\n  when: prrr > 2\n", "did you mean"),
            ("- name: x\n  when: n > \n", "lacks"),
            ("- name: X Y\n  when: n > 2\n", "pattern"),
            ("- name: x\n  when: n > 2\n  code: import os\n", "Extra inputs"),
            ("name: x\n", "no list"),
            ("- name: [\n", "not plain YAML"),
            ("!!python/object/apply:os.system ['x']\n", "not plain YAML|no list"),
        ],
    )
    def test_what_is_no_rule_file(self, text, complaint, tmp_path):
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        with pytest.raises((ConfigError, UnknownNameError), match=complaint):
            load_rules(path)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_rules(tmp_path / "none.yaml")
