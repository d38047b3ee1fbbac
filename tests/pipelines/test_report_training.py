"""The report of a training: the model beside its baselines, its curves, and where it is most wrong."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from finished_screen import DRUGS, HOSTILE, TRUST, write_model

from cinchona.errors import ModelFileError
from cinchona.pipelines.report import write_training_report
from cinchona.pipelines.report_metrics import facts_of, metrics_tables
from cinchona.pipelines.report_training import target_figure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("training") / "model"
    write_model(target)
    return target


def predictions(kind="regression"):
    n = len(DRUGS)
    measured = np.arange(n, dtype=float) if kind == "regression" else np.arange(n) % 2.0
    return pa.table({
        "compound_id": [HOSTILE[0], *[name for name, _ in DRUGS[1:]]], "smiles": [s for _, s in DRUGS],
        "target": ["pIC50"] * n, "kind": [kind] * n, "measured": measured,
        "predicted": np.where(np.arange(n) == 3, np.nan, measured + np.linspace(2, 0, n)),
    })  # fmt: skip


def test_everything_is_on_the_page(folder):
    curves = {"train/loss": [1.0, 0.5], "valid/loss": [1.1, 0.7], "valid/rmse": [0.9, 0.8]}
    path = write_training_report(folder, predictions=predictions(), curves=curves)
    text = path.read_text()
    assert path == folder / "report" / "report.html"
    assert text.count('class="chart"') == 3, "parity, loss of both parts, RMSE"
    assert "loss over epoch: train ends at 0.5; valid ends at 0.7" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert text.count("<script>") == 1
    worst = re.findall(r'<td class="num">([\d.]+)</td><td class="num">([\d.]+)</td>', text)
    assert worst[0] == ("0.00", "2.00"), "largest error first"
    assert len(worst) == 9, "without the compound that has no prediction"


def test_it_works_with_the_trust_record_alone(folder):
    text = write_training_report(folder).read_text()
    assert "graph network" in text
    assert 'class="chart"' not in text


def test_a_damaged_model_is_refused(tmp_path):
    with pytest.raises(ModelFileError):
        write_training_report(tmp_path)


def test_the_best_figure_follows_the_metrics_direction():
    (table,) = metrics_tables(TRUST)
    assert table.metrics == ["RMSE\u00a0↓", "Spearman ρ\u00a0↑"]
    best = {model: [cell.best for cell in cells] for model, cells in table.rows}
    assert best == {"graph network": [False, True], "forest": [True, False], "mean": [False, False]}
    assert dict(table.rows)["mean"][1].value == "–"


def test_a_sparse_trust_record_is_no_error():
    assert metrics_tables({}) == []
    assert list(facts_of({})) == []
    assert metrics_tables({"metrics": [{"metric": "unheard of"}, 3]}) == []


def test_a_classification_gets_a_roc_curve_with_ties_as_one_step():
    table = predictions("classification")
    tied = table.set_column(5, "predicted", pa.array([0.5] * table.num_rows))
    assert "model ends at 1" in target_figure(table, "pIC50")
    assert target_figure(tied, "pIC50").count("<polyline") == 2
    line = re.findall(r'class="li" points="([^"]+)"', target_figure(tied, "pIC50"))[0]
    assert len(set(line.split())) == 2, "a straight line"
    one_class = table.set_column(4, "measured", pa.array([1.0] * table.num_rows))
    assert "only one class" in target_figure(one_class, "pIC50")
