"""Commands on small real input: what they find, write and say."""

from __future__ import annotations

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from cinchona.errors import ExitCode

pytest.importorskip("rdkit", reason="needs RDKit: pip install 'cinchona[screening]'")
pytest.importorskip("torch", reason="needs torch: pip install 'cinchona[screening]'")

LIBRARY = "CCO ethanol\nc1ccccc1 benzene\nC1CC broken\nCCO again\nCCCCN.Cl salt\nCC(=O)Oc1ccccc1C(=O)O aspirin\n"
ASSAY = "id,smiles,pIC50\na,CCO,5.0\nb,CCN,>6.5\nc,C1CC,7\nd,c1ccccc1,x\ne,CCCC,7.25\n"
ALONE = ("--set", "executor.kind=serial", "--set", "tracking.enabled=false")


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "lib.smi"
    path.write_text(LIBRARY)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved 1-nearest-neighbour model."""
    from cinchona.models.folder import save_model
    from cinchona.models.neighbours import NearestNeighbourScorer
    from cinchona.records import Endpoint

    known = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "CCCCCC"]
    folder = tmp_path_factory.mktemp("models") / "deep" / "knn"
    values = np.array([[5.0], [6.0], [7.0], [5.5], [4.0]])
    save_model(NearestNeighbourScorer.fit(known, values, endpoints=(Endpoint("pIC50"),)), folder)
    return folder


class TestExplain:
    def test_pieces_rejects_and_files(self, cinchona, model, tmp_path):
        ran = cinchona("explain", model, "CC(=O)Nc1ccccc1", "C1CC", "--out", tmp_path / "why", *ALONE)
        assert ran.code == 0
        assert "pIC50" in ran.out
        assert {p.name for p in (tmp_path / "why").iterdir()} == {
            "explanation.html", "explanations.json", "atoms.csv", "bonds.csv", "rejects.csv",
        }  # fmt: skip
        told = json.loads(cinchona("explain", model, "CC(=O)Nc1ccccc1", "C1CC", "--json", *ALONE).out)
        assert (len(told["explanations"]), len(told["rejects"])) == (1, 1)
        assert told["explanations"][0]["method"] == "removal"

    def test_neither_file_nor_smiles(self, cinchona, model):
        ran = cinchona("explain", model, "nothing.csv", *ALONE)
        assert ran.code == ExitCode.USAGE
        assert "neither a file nor a SMILES" in ran.err


class TestData:
    def test_list(self, cinchona):
        ran = cinchona("data", "list", "--json")
        entries = json.loads(ran.out)
        assert {"nav17", "nci5k"} <= {entry["name"] for entry in entries}
        assert all({"rows", "source", "licence", "kind", "columns"} <= entry.keys() for entry in entries)
        assert "nav17" in cinchona("data", "list").out

    def test_check_of_a_library(self, cinchona, library):
        ran = cinchona("data", "check", library, "--json", "--quiet")
        assert (ran.code, ran.err) == (0, "")
        found = json.loads(ran.out)
        counts = {name: found[name] for name in ("rows", "checked", "usable", "rejected", "distinct_compounds")}
        assert counts == {"rows": 6, "checked": 6, "usable": 5, "rejected": 1, "distinct_compounds": 4}
        assert found["flags"] == {"salt_removed": 1}
        (reject,) = found["rejects"]
        assert (reject["stage"], reject["count"], reject["rows"]) == ("parse", 1, [2])
        assert found["files"][0]["format"] == "smiles"

    def test_prepare(self, cinchona, library, tmp_path):
        serial = ("--set", "executor.kind=serial")
        told = json.loads(cinchona("data", "prepare", library, "--out", tmp_path / "p", "--json", *serial).out)
        assert {name: told[name] for name in ("rows", "rejected", "duplicates", "parts")} == {
            "rows": 6, "rejected": 1, "duplicates": 1, "parts": 1,
        }  # fmt: skip
        assert told["folder"] == str(tmp_path / "p")
        found = json.loads(cinchona("data", "check", tmp_path / "p", "--json").out)
        assert (found["rows"], found["files"][0]["format"]) == (6, "prepared")
        wrong = cinchona("data", "prepare", library, "--out", tmp_path / "q", "--descriptor", "molwt")
        assert (wrong.code, "did you mean" in wrong.err) == (2, True)

    def test_check_of_the_first_rows(self, cinchona, library):
        found = json.loads(cinchona("data", "check", library, "--limit", "2", "--json").out)
        assert (found["rows"], found["checked"], found["rejected"]) == (6, 2, 0)

    def test_check_of_an_assay_table(self, cinchona, tmp_path):
        (tmp_path / "assay.csv").write_text(ASSAY)
        found = json.loads(cinchona("data", "check", "assay.csv", "--target", "pIC50", "--json").out)
        assert (found["rows"], found["compounds"], found["rejected"]) == (5, 3, 2)
        assert found["targets"][0]["values"] == 3
        assert found["targets"][0]["bounds"] == 1
        assert sum(reject["count"] for reject in found["rejects"]) == 2

    def test_check_for_people(self, cinchona, library):
        ran = cinchona("data", "check", library)
        assert "distinct compounds" in ran.out
        assert "checking: done 6 of 6 rows" in ran.err

    @pytest.mark.parametrize("name", ["missing.csv", "catalogue:nav18", "*.smi"])
    def test_a_file_that_cannot_be_read(self, cinchona, name):
        ran = cinchona("data", "check", name)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")

    def test_reasons_that_differ_in_numbers_are_one_and_rare_ones_are_summed(self):
        from cinchona.cli.data_check import by_reason
        from cinchona.records import Reject, Stage

        rejects = [Reject(i, Stage.PARSE, f"atom # {i} has valence 5") for i in range(4)]
        rejects += [Reject(100 + i, Stage.READ, f"reason {chr(97 + i)}") for i in range(25)]
        rows = by_reason(rejects)
        assert rows[0] == {"stage": "parse", "reason": "atom # N has valence N", "count": 4, "rows": [0, 1, 2]}
        assert len(rows) == 21
        assert rows[-1]["reason"] == "other reasons"
        assert sum(row["count"] for row in rows) == 29


class TestScreen:
    @pytest.fixture
    def screened(self, cinchona, library, model):
        ran = cinchona("screen", library, "--model", model, "--out", "run", "--json", "--seed", "7", *ALONE)
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    def test_counts_add_up_and_files_are_there(self, screened, tmp_path):
        assert screened["rows"] == screened["scored"] + screened["rejected"] == 6
        assert screened["rejected"] == 1
        assert screened["best"][0]["score"] == pytest.approx(7.0, abs=0.5)
        assert [hit["rank"] for hit in screened["best"]] == list(range(1, screened["hits"] + 1))
        assert pq.read_table(tmp_path / "run" / "hits.parquet").num_rows == screened["hits"]
        assert (tmp_path / "run" / "report.html").is_file()
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seed"] == 7

    def test_for_people(self, cinchona, library, model):
        ran = cinchona("screen", library, "--model", model, "--out", "run", *ALONE)
        assert "Screen\n" in ran.out
        assert "aspirin" in ran.out
        assert "Best 4 of 4 hits" in ran.out

    def test_status_and_resume_of_a_finished_run(self, cinchona, screened):
        status = json.loads(cinchona("status", "run", "--json").out)
        assert (status["state"], status["rows_done"], status["scored"]) == ("finished", 6, 5)
        again = cinchona("resume", "run", "--json")
        assert again.code == 0
        assert json.loads(again.out)["scores_digest"] == screened["scores_digest"]

    def test_resume_does_what_is_missing(self, cinchona, screened, tmp_path):
        (receipt,) = (tmp_path / "run" / "receipts").rglob("*.json")
        receipt.unlink()
        ran = cinchona("resume", "run", "--json", *ALONE)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["scores_digest"] == screened["scores_digest"]

    def test_another_model_in_the_same_folder_is_a_plan_mismatch(self, cinchona, screened, library, tmp_path):
        (tmp_path / "other.smi").write_text("CCC x\n")
        ran = cinchona("screen", "other.smi", "--model", "m", "--out", "run", *ALONE)
        assert ran.code in {2, 3}
        ran = cinchona("screen", tmp_path / "other.smi", "--model", screened_model(tmp_path), "--out", "run", *ALONE)
        assert ran.code == 3

    def test_too_many_rejects(self, cinchona, model, tmp_path):
        (tmp_path / "bad.smi").write_text("C1CC a\nC(C b\nCCO c\n")
        ran = cinchona("screen", "bad.smi", "--model", model, "--out", "run", *ALONE)
        assert ran.code == 6
        assert "Traceback" not in ran.err
        assert (tmp_path / "run" / "rejects.parquet").is_file()

    def test_a_library_from_standard_input(self, cinchona, model, monkeypatch):
        import io

        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LIBRARY.encode())))
        form = ("--set", "reader.format=smiles")
        ran = cinchona("screen", "-", "--model", model, "--out", "run", "--json", *ALONE, *form)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["rows"] == 6


def screened_model(folder):
    plan = json.loads((folder / "run" / "plan.json").read_text())
    return plan["model"]["path"]


class TestFsck:
    @pytest.fixture
    def run(self, cinchona, library, model, tmp_path):
        assert cinchona("screen", library, "--model", model, "--out", "run", *ALONE).code == 0
        return tmp_path / "run"

    def test_found_repaired_and_done_again(self, cinchona, run):
        assert cinchona("fsck", "run").code == 0
        next(run.glob("receipts/*/*.json")).write_text("{")
        seen = cinchona("fsck", "run", "--json")
        assert seen.code == ExitCode.RETRYABLE
        assert json.loads(seen.out)["faults_by_kind"] == {"partition": 1, "leftover": 1, "outputs": 1}
        assert "--repair" in seen.err
        assert "Traceback" not in seen.err
        assert cinchona("fsck", "run", "--repair").code == 0
        assert cinchona("resume", "run", *ALONE).code == 0
        assert json.loads(cinchona("fsck", "run", "--json").out)["finished"] is True

    def test_a_library_that_is_gone_is_another_code(self, cinchona, run, library, tmp_path):
        (tmp_path / library).unlink()
        ran = cinchona("fsck", "run", "--repair")
        assert ran.code == ExitCode.PLAN_MISMATCH
        assert "is missing" in ran.out
        assert "restore the library" in ran.err

    def test_no_run(self, cinchona, tmp_path):
        assert cinchona("fsck", tmp_path).code == ExitCode.USAGE


class TestResumeTracking:
    def test_the_record_of_the_plan_is_used_again(self, cinchona, library, model, tmp_path):
        from cinchona.cli.resume import planned_tracking

        ran = cinchona("screen", library, "--model", model, "--out", "run", *ALONE)
        assert ran.code == 0
        assert planned_tracking(tmp_path / "run").enabled is False

    def test_a_masked_login_is_looked_up_anew(self, cinchona, library, model, tmp_path, monkeypatch):
        from cinchona.cli.resume import planned_tracking

        cinchona(
            "screen", library, "--model", model, "--out", "run", *ALONE, "--set", "tracking.uri=http://u:hunter2@h"
        )
        assert "hunter2" not in (tmp_path / "run" / "plan.json").read_text()
        monkeypatch.setenv("CINCHONA_TRACKING__URI", "http://u:new@h")
        assert planned_tracking(tmp_path / "run").uri == "http://u:new@h"


class TestModels:
    def test_list_finds_model_folders_and_nothing_else(self, cinchona, model, tmp_path):
        (tmp_path / "config.json").write_text("{")
        ran = cinchona("models", "list", model.parent.parent, "--json")
        (card,) = json.loads(ran.out)
        assert (card["folder"], card["targets"]) == (str(model), ["pIC50"])
        assert json.loads(cinchona("models", "list", "--json").out) == []
        for text in ("[]", "{}", '{"schema_version": "other-1"}'):
            (tmp_path / "config.json").write_text(text)
            assert json.loads(cinchona("models", "list", "--json").out) == []

    def test_list_of_a_missing_folder(self, cinchona):
        assert cinchona("models", "list", "nowhere").code == 2

    def test_show_checks_and_describes(self, cinchona, model):
        found = json.loads(cinchona("models", "show", model, "--json").out)
        assert found["endpoints"][0]["name"] == "pIC50"
        assert len(found["fingerprint"]) == 64
        assert "pIC50" in cinchona("models", "show", model).out

    def test_show_refuses_what_was_altered(self, cinchona, model, tmp_path):
        import shutil

        shutil.copytree(model, tmp_path / "m")
        with (tmp_path / "m" / "weights.safetensors").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\xff")
        ran = cinchona("models", "show", "m")
        assert ran.code == 2
        assert "Traceback" not in ran.err


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from foreign_models import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("foreign") / "best.pt", columns=("a", "b"))


class TestForeignModels:
    def test_import_show_and_screen_by_an_objective(self, cinchona, checkpoint, library, tmp_path):
        told = json.loads(cinchona("models", "import", checkpoint, "--out", "m", "--json").out)
        assert (told["endpoints"], told["model"]) == ("a, b", "Chemprop x 1")
        shown = json.loads(cinchona("models", "show", "m", "--json").out)
        assert shown["fingerprint"] == told["fingerprint"]
        quick = ("--set", "executor.kind=serial", "--set", "tracking.enabled=false", "--json")
        run = cinchona("screen", library, "--model", "m", "--out", "run", "--objective", "b - 2 * a", *quick)
        assert run.code == 0, run.err
        rows = pq.read_table(tmp_path / "run" / "hits.parquet").to_pylist()
        assert rows
        assert all(row["score"] == pytest.approx(row["b"] - 2 * row["a"], rel=1e-4, abs=1e-5) for row in rows)
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        assert "b - 2 * a" in (tmp_path / "run" / "report.html").read_text()
        again = cinchona("screen", library, "--model", "m", "--out", "run", "--objective", "b - a", *quick)
        assert again.code == 3
        assert "screen.objective: planned b - 2 * a, now b - a" in again.err
        assert cinchona("resume", "run", "--json").code == 0

    def test_refusals(self, cinchona, checkpoint, library):
        ran = cinchona("models", "import", "nowhere.pt", "--out", "m")
        assert (ran.code, "no checkpoint" in ran.err) == (2, True)
        ran = cinchona("models", "import", checkpoint, "--out", "m", "--target", "x")
        assert (ran.code, "2 outputs and 1 names" in ran.err) == (2, True)
        cinchona("models", "import", checkpoint, "--out", "m")
        ran = cinchona("screen", library, "--model", "m", "--out", "r", "--objective", "aa - b")
        assert (ran.code, "did you mean a?" in ran.err) == (2, True)
        ran = cinchona("models", "export", "m", "--out", "e")
        assert (ran.code, "no graph network" in ran.err) == (2, True)


class TestDoctor:
    def test_all_is_well(self, cinchona):
        ran = cinchona("doctor", "--json")
        found = json.loads(ran.out)
        assert ran.code == 0, found
        assert found["ok"]
        states = {check["check"]: check["state"] for check in found["checks"]}
        assert {"rooms", "disk", "temporary folder", "settings", "record of runs", "processors"} <= states.keys()
        assert states["rooms"] == "ok"
        assert "Versions" in cinchona("doctor").out

    def test_a_fault_is_named_and_ends_with_2(self, cinchona, tmp_path):
        (tmp_path / "s.yaml").write_text("screen: {topk: 1}")
        ran = cinchona("doctor", "--config", "s.yaml", "--json")
        assert ran.code == 2
        faults = [c for c in json.loads(ran.out)["checks"] if c["state"] == "fault"]
        assert [c["check"] for c in faults] == ["settings"]
        assert "did you mean screen.top_k?" in faults[0]["detail"]

    def test_a_check_that_breaks_is_a_fault_and_stops_no_other(self, monkeypatch):
        from cinchona.cli import checkup

        def disk():
            raise OSError("the disk is gone")

        monkeypatch.setattr(checkup, "_disk", disk)
        found = checkup.examine(None, ())
        assert not found["ok"]
        assert {"check": "disk", "state": "fault", "detail": "OSError: the disk is gone"} in found["checks"]
        assert len(found["checks"]) > 8

    def test_missing_extras_are_remarks(self, monkeypatch):
        from cinchona.cli import checkup

        real = checkup.importlib.util.find_spec
        hidden = {"rdkit", "mlflow", "scipy", "polars"}
        monkeypatch.setattr(
            checkup.importlib.util, "find_spec", lambda name, *a: None if name in hidden else real(name, *a)
        )
        found = checkup.examine(None, ())
        assert found["ok"]
        details = {c["check"]: c["detail"] for c in found["checks"]}
        assert "pip install 'cinchona[screening]'" in details["extra screening"]
        assert "not tracked" in details["record of runs"]

    @pytest.mark.parametrize("override,state,words", [
        ("tracking.enabled=false", "remark", "switched off"),
        ("tracking.uri=http://127.0.0.1:9/", "remark", "cannot be reached"),
        ("tracking.folder=/proc/nowhere", "fault", "not writable"),
    ])  # fmt: skip
    def test_the_record_of_runs(self, cinchona, monkeypatch, override, state, words):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        found = json.loads(cinchona("doctor", "--json", "--set", override).out)
        (check,) = [c for c in found["checks"] if c["check"] == "record of runs"]
        assert check["state"] == state
        assert words in check["detail"]


class TestConfig:
    def test_show_is_a_settings_file(self, cinchona, tmp_path):
        shown = cinchona("config", "show", "--set", "screen.top_k=5").out
        (tmp_path / "s.yaml").write_text(shown)
        assert cinchona("config", "show", "--config", "s.yaml").out == shown
        assert "top_k: 5" in shown

    def test_show_masks(self, cinchona):
        for form in ([], ["--json"]):
            ran = cinchona("config", "show", "--set", "tracking.uri=http://me:hunter2@host", *form)
            assert "hunter2" not in ran.out
            assert "***@host" in ran.out

    def test_schema_is_json_schema(self, cinchona):
        schema = json.loads(cinchona("config", "schema").out)
        assert schema["additionalProperties"] is False
        assert "screen" in schema["properties"]


class TestServeUi:
    def test_says_where_and_serves_there(self, cinchona, monkeypatch):
        from cinchona.experiments import ui

        served = []
        monkeypatch.setattr(ui, "serve_ui", lambda store, *, port: served.append((store.uri, port)))
        ran = cinchona("serve-ui", "--uri", "sqlite:////tmp/x.db", "--port", "50999", "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["address"] == "http://127.0.0.1:50999/"
        assert served == [("sqlite:////tmp/x.db", 50999)]

    def test_a_server_cannot_be_served(self, cinchona):
        ran = cinchona("serve-ui", "--uri", "http://127.0.0.1:5000")
        assert (ran.code, ran.out) == (2, "")


class TestSignals:
    def test_a_planned_command_refuses_whatever_it_is_given(self, monkeypatch):
        from cinchona.cli import signals
        from cinchona.errors import NotBuiltError

        monkeypatch.setattr(signals, "ROOM", "cinchona.pharmacovigilance.no_such_module")
        import typer

        command = typer.main.get_command(signals._app())
        assert set(command.commands) == set(signals.PLANNED)
        for name in signals.PLANNED:
            with pytest.raises(NotBuiltError, match=f"signals {name}"):
                command(args=[name, "x", "--whatever", "3"], standalone_mode=False)

    def test_a_room_in_part_is_completed_with_refusals(self):
        import typer

        from cinchona.cli import signals
        from cinchona.cli.common import new_app

        part = new_app("Part.", group=True)
        part.command("count")(lambda: None)
        part.add_typer(new_app("Scores.", group=True), name="score")
        have = set(typer.main.get_command(signals._complete(part)).commands)
        assert set(signals.PLANNED) - {"score"} <= have


class TestPredict:
    def test_every_row_comes_back(self, cinchona, library, model, tmp_path):
        ran = cinchona("predict", library, "--model", model, "--out", "p", "--json")
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert (found["rows"], found["predicted"], found["rejected"]) == (6, 5, 1)
        rows = found["predictions"]
        assert [row["row_id"] for row in rows] == list(range(6))
        assert rows[0]["pIC50"] == rows[3]["pIC50"] == pytest.approx(5.0)
        assert rows[2]["pIC50"] is None
        assert rows[2]["reason"]
        assert pq.read_table(tmp_path / "p" / "predictions.parquet").num_rows == 6

    def test_for_people(self, cinchona, library, model):
        ran = cinchona("predict", library, "--model", model)
        assert ran.code == 0, ran.err
        lines = ran.out.splitlines()
        assert lines[0].split()[:2] == ["compound", "id"]
        assert any("aspirin" in line for line in lines)
        assert any(line.split() == ["predicted", "5"] for line in lines)

    def test_a_model_that_is_none(self, cinchona, library):
        ran = cinchona("predict", library, "--model", "nowhere")
        assert (ran.code, ran.out) == (2, "")


class TestEvaluate:
    def test_figures_of_a_model_on_measurements(self, cinchona, model, tmp_path):
        (tmp_path / "assay.csv").write_text("id,smiles,pIC50\na,CCO,5.5\nb,CCN,6.5\nc,C1CC,7\nd,c1ccccc1,6.0\n")
        given = ("evaluate", "assay.csv", "--model", model, "--target", "pIC50", "--out", "e", *ALONE)
        ran = cinchona(*given, "--json")
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert (found["rows"], found["rejected"], found["compounds"], found["predicted"]) == (4, 1, 3, 3)
        (mae,) = [row for row in found["figures"] if row["metric"] == "mae"]
        assert mae["estimate"] == pytest.approx((0.5 + 1.0 + 0.0) / 3)
        assert (tmp_path / "e" / "figures.csv").is_file()
        assert "pIC50 on 3" in cinchona(*given).out

    def test_a_target_that_the_model_has_not(self, cinchona, model, tmp_path):
        (tmp_path / "assay.csv").write_text("id,smiles,a,b\nx,CCO,5.5,1\ny,CCN,6.5,2\n")
        ran = cinchona("evaluate", "assay.csv", "--model", model, "--target", "a", "--target", "b", *ALONE)
        assert (ran.code, ran.out) == (2, "")
        assert "pIC50" in ran.err


class TestDemo:
    def test_options_reach_the_pipeline_and_both_parts_are_shown(self, cinchona, library, model, monkeypatch, tmp_path):
        import cinchona.pipelines.demo as pipeline
        from cinchona.pipelines.screen import screen

        calls = []

        def demo(**options):
            calls.append(options)
            screened = screen(library, model=model, out=tmp_path / "s", settings=options["settings"])
            trained = pipeline.TrainResult(
                folder=tmp_path / "m", fingerprint="ab", rows=5, rejected=1, compounds=4, parts={},
                figures=TestTrain.FIGURES, report=tmp_path / "r.html",
            )  # fmt: skip
            return pipeline.DemoResult(trained, screened)

        monkeypatch.setattr(pipeline, "demo", demo)
        ran = cinchona("demo", "--limit", "50", "--library", "nci5k", "--seed", "3", *ALONE)
        assert ran.code == 0, ran.err
        assert {"limit": 50, "libraries": ["nci5k"], "seed": 3}.items() <= calls[0].items()
        assert "network" in ran.out
        assert "aspirin" in ran.out
        found = json.loads(cinchona("demo", "--json", *ALONE).out)
        assert (found["train"]["rows"], found["screen"]["rows"]) == (5, 6)
        assert str(calls[1]["out"]) == "cinchona-demo"


class TestTrain:
    FIGURES = (
        {"target": "pIC50", "model": "network", "metric": "rmse", "estimate": 0.7123, "lower": 0.6, "upper": 0.8, "n": 102, "note": ""},
        {"target": "pIC50", "model": "mean", "metric": "rmse", "estimate": 1.1, "lower": None, "upper": None, "n": 102, "note": ""},
        {"target": "pIC50", "model": "mean", "metric": "spearman", "estimate": None, "lower": None, "upper": None, "n": 102,
         "note": "constant"},
    )  # fmt: skip

    @pytest.fixture
    def trained(self, cinchona, monkeypatch, tmp_path):
        """Run ``train`` with a pipeline that notes its arguments."""
        import cinchona.pipelines.train as pipeline

        calls = []

        def train(table, **options):
            calls.append((table, options))
            return pipeline.TrainResult(
                folder=tmp_path / "m", fingerprint="ab" * 32, rows=5, rejected=1, compounds=4,
                parts={"train": 3, "valid": 0, "test": 1}, figures=self.FIGURES, report=tmp_path / "m" / "r.html",
            )  # fmt: skip

        monkeypatch.setattr(pipeline, "train", train)
        return lambda *more: (cinchona("train", "t.csv", "--target", "pIC50", "--out", "m", *more, *ALONE), calls)

    def test_options_reach_the_pipeline(self, trained, tmp_path):
        ran, ((table, options),) = trained("--target", "logD", "--seed", "9", "--set", "training.epochs=3")
        assert ran.code == 0, ran.err
        assert (table, options["targets"], options["seed"]) == ("t.csv", ["pIC50", "logD"], 9)
        assert str(options["out"]) == "m"
        assert options["settings"].training.epochs == 3
        assert options["tracker"].describe() == "runs are not tracked"

    def test_figures_stand_beside_the_baselines(self, trained):
        lines = trained()[0].out.splitlines()
        assert any(line.split() == ["metric", "network", "mean"] for line in lines)
        assert any(
            line.split("  ")[0].strip() == "rmse" and "0.712 [0.6, 0.8]" in line and "1.1" in line for line in lines
        )
        assert any("spearman" in line and "–" in line for line in lines)
        assert any("pIC50 on 102 held-out compounds" in line for line in lines)

    def test_json_has_everything(self, trained):
        found = json.loads(trained("--json")[0].out)
        assert found["figures"] == list(self.FIGURES)
        assert found["parts"] == {"train": 3, "valid": 0, "test": 1}
