from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona.datasets.class_words import class_words
from cinchona.datasets.config import CurationConfig, TargetConfig
from cinchona.datasets.labels import kind_of, read_labels
from cinchona.datasets.measurements import (
    P_UNIT,
    Censor,
    Measurement,
    is_potency,
    molar_factor,
    p_name,
    parse_class,
    parse_measurement,
    to_minus_log10,
    unit_of_name,
)
from cinchona.datasets.replicates import join_classification, join_regression
from cinchona.datasets.times import earliest, time_of
from cinchona.errors import ColumnError

BELOW, EXACT, ABOVE = Censor.BELOW, Censor.EXACT, Censor.ABOVE


@pytest.mark.parametrize(
    "cell, value, censor",
    [
        ("6.5", 6.5, EXACT), (" 6.5 ", 6.5, EXACT), ("'=6.5'", 6.5, EXACT), ("+3", 3, EXACT), ("-1.25e-3", -0.00125, EXACT),
        (".5", 0.5, EXACT), ("5.", 5, EXACT), ("<5", 5, BELOW), ("< 5", 5, BELOW), ("<=5", 5, BELOW), ("≤5", 5, BELOW),
        ("<<5", 5, BELOW), (">10000", 10000, ABOVE), (">= 1e4", 10000, ABOVE), ("≥3", 3, ABOVE), ("~7", 7, EXACT),
        ("≈ 7", 7, EXACT), ("ca. 7", 7, EXACT), ("=7", 7, EXACT),
    ],
)  # fmt: skip
def test_cells_that_are_measurements(cell, value, censor):
    assert parse_measurement(cell) == Measurement(value, censor)


@pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "NaN", "None", "null", "ND", "-", "?", "#N/A"])
def test_cells_that_are_missing(cell):
    assert parse_measurement(cell) is None
    assert parse_class(cell) is None


@pytest.mark.parametrize(
    "cell, reason",
    [
        ("abc", "is not a number"), ("6,5", "comma"), ("1.000,5", "is not a number"), ("5 uM", "is not a number"),
        ("inf", "is not a number"), ("1e400", "too large"), ("6.1 ± 0.2", "value and its error"), ("六", "is not a number"),
        ("=1+1", "is not a number"), (">", "is not a number"), ("5-10", "is not a number"),
    ],
)  # fmt: skip
def test_cells_that_are_neither_say_why(cell, reason):
    found = parse_measurement(cell)
    assert isinstance(found, str)
    assert reason in found


def test_a_relation_column_counts_where_the_cell_has_none():
    assert parse_measurement("5", ">") == Measurement(5, ABOVE)
    assert parse_measurement("<5", ">") == Measurement(5, BELOW)
    assert parse_measurement("5", "'='") == Measurement(5, EXACT)
    assert parse_measurement("5", "about") == "relation 'about' is not <, = or >"


@pytest.mark.parametrize(
    "value, unit, p",
    [
        (10, "nM", 8), (10_000, "nM", 5), (10, "uM", 5), (10, "µM", 5), (10, "μM", 5), (1, "mM", 3), (1, "M", 0),
        (50, "pM", 12 - math.log10(50)), (1, "fM", 15), (10, "umol/L", 5), (10, "nmol/l", 8), (3, "micromolar", 6 - math.log10(3)),
        (3, "nanomolar", 9 - math.log10(3)), (1, "mol/L", 0), (1e-6, "Molar", 6),
    ],
)  # fmt: skip
def test_concentrations_by_hand(value, unit, p):
    assert to_minus_log10(Measurement(value, EXACT), unit) == Measurement(pytest.approx(p, abs=1e-12), EXACT)


def test_equal_concentrations_in_different_units_are_equal_numbers():
    values = {to_minus_log10(Measurement(v, EXACT), u).value for v, u in ((7_300, "nM"), (7.3, "uM"), (0.0073, "mM"))}
    assert len(values) == 1


def test_the_scale_turns_bounds_round():
    assert to_minus_log10(Measurement(10, ABOVE), "uM") == Measurement(5.0, BELOW)
    assert to_minus_log10(Measurement(1, BELOW), "nM") == Measurement(9.0, ABOVE)


@pytest.mark.parametrize("unit", ["ug/mL", "%", "", "m", "nm2", "kg"])
def test_other_units_do_not_convert(unit):
    assert molar_factor(unit) is None
    assert "not a molar" in to_minus_log10(Measurement(1, EXACT), unit)


@pytest.mark.parametrize("value", [0, -5])
def test_no_logarithm_of_nothing(value):
    assert "no logarithm" in to_minus_log10(Measurement(value, EXACT), "nM")


@given(st.floats(1e-15, 1e6, allow_subnormal=False), st.sampled_from(["M", "mM", "uM", "nM", "pM"]))
def test_conversion_can_be_undone(value, unit):
    p = to_minus_log10(Measurement(value, EXACT), unit).value
    assert 10 ** (-p) / molar_factor(unit) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    "name, stem, unit",
    [
        ("IC50 (nM)", "IC50", "nM"), ("IC50[uM]", "IC50", "uM"), ("IC50_nM", "IC50", "nM"), ("Ki nM", "Ki", "nM"),
        ("EC50 / µM", "EC50 /", "µM"), ("IC50", "IC50", ""), ("pIC50", "pIC50", P_UNIT), ("pKi (mean)", "pKi (mean)", P_UNIT),
        ("class_M", "class_M", ""), ("(nM)", "(nM)", ""), ("logS", "logS", ""),
    ],
)  # fmt: skip
def test_units_in_names(name, stem, unit):
    assert unit_of_name(name) == (stem, unit)


def test_potencies_are_known_by_name():
    assert all(map(is_potency, ["IC50", "Ki", "Kd", "EC50", "GI50", "standard_value", "Potency", "AC50"]))
    assert not any(map(is_potency, ["Solubility", "logS", "Cmax", "dose", "LD50"]))
    assert (p_name("IC50"), p_name("standard_value")) == ("pIC50", "p(standard_value)")


def test_classes():
    assert [parse_class(cell) for cell in ("1", "Active", "TRUE", "0.0", "inactive", "no")] == [1, 1, 1, 0, 0, 0]
    assert "names no class" in parse_class("maybe")
    assert kind_of(["1", "0", ""]) == "classification"
    assert kind_of(["active", "inconclusive", "NA"]) == "classification"
    assert kind_of(["1", "0", "2.5"]) == "regression"
    assert kind_of(["some", "text"]) == "regression"


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["BBB+", "BBB-", "BBB+"], {"bbb+": 1, "bbb-": 0}),
        (["soluble", "Insoluble", "n/a"], {"soluble": 1, "insoluble": 0}),
        (["non-blocker", "blocker"], {"blocker": 1, "non-blocker": 0}),
        (["not permeable", "permeable"], {"permeable": 1, "not permeable": 0}),
        (["+", "-", ""], {"+": 1, "-": 0}),
        (["-", "-", ""], None),
        (["yes", "no"], None),  # known to all
        (["low", "high"], None),  # neither denies the other
        (["a+", "b-"], None),
        (["soluble", "insoluble", "partly"], None),
        (["active", "inactive"], None),
        (["1.5", "-1.5"], None),
        ([], None),
    ],
)
def test_words_of_a_table_are_classes_where_one_denies_the_other(cells, found):
    assert class_words(cells) == found


def labels_of(cells, **config):
    return read_labels({"label": cells}, "label", TargetConfig(**config))


def test_labels_from_words():
    read = labels_of(["BBB+", "", "BBB-"])
    assert read.target.kind == "classification"
    np.testing.assert_array_equal(read.values, [1, np.nan, 0])
    assert any("'bbb+' is 1, 'bbb-' is 0" in sentence for sentence in read.decisions)
    chosen = labels_of(["high", "low", "middle"], positive="High")
    np.testing.assert_array_equal(chosen.values, [1, 0, 0])
    with pytest.raises(ColumnError, match=r"curation\.targets\.label\.positive=WORD"):
        labels_of(["high", "low"])
    with pytest.raises(ColumnError, match="no cell of column 'label' says 'tall'"):
        labels_of(["high", "low"], positive="tall")


# ---------------------------------------------------------------------------------------------- replicates

NAN = float("nan")


@pytest.mark.parametrize(
    "values, censor, wanted",
    [
        ([5.0], [0], (5.0, EXACT, "", "")),
        ([5.0, 6.0, 9.0], [0, 0, 0], (6.0, EXACT, "", "")),
        ([5.0, NAN, 6.0], [0, 0, 0], (5.5, EXACT, "", "")),
        ([5.0, 6.0, 4.0], [0, 0, 1], (5.5, EXACT, "", "")),
        ([5.0, 6.0, 8.0], [0, 0, 1], (5.5, EXACT, "", "bound_conflict")),
        ([5.0, 4.0], [0, -1], (5.0, EXACT, "", "bound_conflict")),
        ([5.0, 4.0], [-1, -1], (4.0, BELOW, "", "")),
        ([5.0, 4.0], [1, 1], (5.0, ABOVE, "", "")),
    ],
)
def test_joining_measurements_by_hand(values, censor, wanted):
    found = join_regression(np.array(values), np.array(censor, np.int8), CurationConfig())
    assert (found.value, found.censor, found.problem, found.flag) == wanted


@pytest.mark.parametrize(
    "values, censor, config, problem",
    [
        ([5.0, 4.0], [1, -1], {}, "bounds on both sides"),
        ([5.0, 7.0], [0, 0], {"max_spread": 1.5}, "differ by 2"),
        ([5.0, 5.0], [0, 0], {"replicates": "reject"}, "2 replicates"),
        ([NAN], [0], {}, ""),
    ],
)
def test_replicates_without_a_label(values, censor, config, problem):
    found = join_regression(np.array(values), np.array(censor, np.int8), CurationConfig(**config))
    assert math.isnan(found.value)
    assert problem in found.problem


def test_other_ways_to_join():
    values, censor = np.array([9.0, 5.0, 7.0, 5.5]), np.zeros(4, np.int8)
    ways = {way: join_regression(values, censor, CurationConfig(replicates=way)).value for way in ("mean", "first")}
    assert ways == {"mean": 6.625, "first": 9.0}


@given(st.lists(st.tuples(st.floats(3, 11), st.sampled_from([-1, 0, 1])), min_size=1, max_size=8), st.randoms())
def test_joining_does_not_depend_on_the_order(cells, random):
    shuffled = random.sample(cells, len(cells))
    found = [
        join_regression(np.array([v for v, _ in c]), np.array([s for _, s in c], np.int8), CurationConfig())
        for c in (cells, shuffled)
    ]
    np.testing.assert_equal((found[0].value, found[0].censor), (found[1].value, found[1].censor))


def test_classes_join_by_majority():
    assert join_classification(np.array([1, 1, 0, NAN])).value == 1
    assert join_classification(np.array([1, 1, 0])).flag == "class_conflict"
    assert join_classification(np.array([0, 0])).flag == ""
    assert "split evenly" in join_classification(np.array([0, 1])).problem
    assert math.isnan(join_classification(np.array([NAN])).value)


# ---------------------------------------------------------------------------------------------- times


def test_times():
    assert time_of("2020") == time_of("2020-01-01") == 2020
    assert time_of("2019-12-31") < time_of("2020-01-01T12:00:00+02:00") < time_of("2020-06-30")
    assert math.isnan(time_of("spring"))
    assert earliest(["2020-05-01", "?", "2019"]) == "2019"
    assert earliest(["?", "??"]) == "?"
