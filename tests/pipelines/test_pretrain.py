"""The pretraining workflow: it learns, accounts for all structures, goes on after a kill and never overwrites."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager

import numpy as np
import pytest
from small_assays import SMILES

from cinchona.errors import ConfigError, NoUsableRowsError
from cinchona.models.pretraining.encoder_file import open_encoder
from cinchona.pipelines.config import Settings
from cinchona.pipelines.pretrain import pretrain
from cinchona.settings import load_settings
from cinchona.tracking import NullRun

QUICK = ("network.hidden=16", "network.head_hidden=16", "network.depth=2", "pretraining.epochs=4",
         "pretraining.batch_size=20", "pretraining.block_rows=100", "pretraining.fingerprint_bits=64")  # fmt: skip


def settings(*changes: str) -> Settings:
    return load_settings(Settings, overrides=[*QUICK, *changes], environ={})


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "few.smi"
    # Chains on the forty molecules: 240 structures, and two rows that are none.
    rows = [f"{'C' * k}.{text}" if k else text for k in range(6) for text in SMILES]
    path.write_text("".join(f"{text} m{k}\n" for k, text in enumerate([*rows, "C1CC", "nonsense"])))
    return path


@pytest.fixture(scope="module")
def made(library, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "encoder"
    return pretrain(library, out=out, settings=settings("pretraining.epochs=30"), seed=3)


def test_counts_add_up_and_it_learns(made):
    assert made.rows == 242
    assert made.rows == made.used + made.held_out + made.rejected
    assert made.rejected == 2
    assert made.descriptors_explained > 0.2
    assert sorted(path.name for path in made.folder.parent.iterdir()) == ["encoder"], "no working folder is left"


def test_the_card_says_where_it_is_from_and_how_to_make_it_again(made, library):
    card = open_encoder(made.folder).card
    (source,) = card["sources"]
    assert source["name"] == "few.smi"
    assert source["rows"] == source["drawn"] == 242
    assert card["made_with"]["command"].startswith("cinchona pretrain few.smi --out encoder --seed 3 --set")
    assert "--set pretraining.epochs=30" in card["made_with"]["command"]
    assert str(library.parent) not in json.dumps(card)
    assert len(card["predicts"]["descriptors"]) > 50


def test_catalogue_sets_are_named_with_their_licences(tmp_path):
    chosen = settings("pretraining.molecules_per_file=60", "pretraining.epochs=1")
    made = pretrain("catalogue:nci5k", out=tmp_path / "encoder", settings=chosen)
    (source,) = open_encoder(made.folder).card["sources"]
    assert source["licence"] == "public domain"
    assert (source["rows"], source["drawn"], made.rows) == (4999, 60, 60)


def test_the_same_call_does_nothing_and_another_is_refused(made, library, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    again = pretrain(library, out=made.folder, settings=settings("pretraining.epochs=30"), seed=3)
    assert again == made
    assert {path.name: path.stat().st_mtime_ns for path in made.folder.iterdir()} == before
    with pytest.raises(ConfigError, match="taken"):
        pretrain(library, out=made.folder, settings=settings("pretraining.epochs=30"), seed=4)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="taken"):
        pretrain(library, out=tmp_path, settings=settings())


def test_the_run_is_recorded(library, tmp_path):
    told = defaultdict(list)

    class Run(NullRun):
        run_id = "run-7"

        def __getattribute__(self, name):
            if name.startswith(("log_", "set_")):
                return lambda *args, **kwargs: told[name].append((args, kwargs))
            return super().__getattribute__(name)

    class Tracker:
        @contextmanager
        def run(self, name, *, kind, tags=None, parent=None):
            told["run"].append((name, kind, tags))
            yield Run()

        def describe(self):
            return "memory"

    made = pretrain(library, out=tmp_path / "encoder", settings=settings("pretraining.epochs=2"), tracker=Tracker())
    assert made.run_id == "run-7"
    assert told["run"] == [("pretrain", "pretrain", {"seed": "0"})]
    ((params,), _), *_ = told["log_params"]
    assert params["pretraining.epochs"] == 2
    curves = {args[0]: args[1] for args, _ in told["log_curve"]}
    assert len(curves["train loss"]) == 2 * 3, "one figure a block"
    assert len(curves["valid loss"]) == 2, "one figure an epoch"
    assert told["log_dataset"][0][0] == ("few.smi",)
    assert [args[0].name for args, _ in told["log_artifact"]] == ["recipe.json", made.folder.name]
    assert told["set_tags"][0][0] == ({"encoder_digest": made.digest},)
    ((figures,), _), *_ = told["log_metrics"]
    assert figures["valid_loss"] == made.valid_loss


def test_from_the_command_line(library, tmp_path, capsys):
    from cinchona.cli.main import run

    changes = [
        part for change in (*QUICK, "pretraining.epochs=1", "tracking.enabled=false") for part in ("--set", change)
    ]
    assert run(["pretrain", str(library), "--out", str(tmp_path / "encoder"), "--json", "--quiet", *changes]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["used"] + said["held_out"] + said["rejected"] == said["rows"] == 242
    assert run(["pretrain", str(library), "--out", str(library.parent), *changes]) == 2
    assert "taken by something else" in capsys.readouterr().err


def test_a_run_that_is_to_stop_early_is_the_beginning_of_a_longer_one(library, tmp_path, monkeypatch):
    early = settings("pretraining.stop_epoch=2")
    stopped = pretrain(library, out=tmp_path / "encoder", settings=early, seed=5)
    assert open_encoder(stopped.folder).card["epochs"] == 2
    with pytest.raises(ConfigError, match="taken"):
        pretrain(library, out=stopped.folder, settings=settings(), seed=5)
    monkeypatch.setattr("cinchona.pipelines.pretrain.shutil.rmtree", lambda *_, **__: None)  # keep the working folder
    pretrain(library, out=tmp_path / "on", settings=early, seed=5)
    (tmp_path / "on/card.json").unlink()
    (tmp_path / "on/encoder.safetensors").unlink()
    on = pretrain(library, out=tmp_path / "on", settings=settings(), seed=5)
    assert on.digest == pretrain(library, out=tmp_path / "calm", settings=settings(), seed=5).digest
    assert on.digest != stopped.digest
    (tmp_path / "on/card.json").unlink()
    (tmp_path / "on/encoder.safetensors").unlink()
    with pytest.raises(ConfigError, match="passed the epoch"):
        pretrain(library, out=tmp_path / "on", settings=early, seed=5)


def test_too_few_structures_are_refused(tmp_path):
    (tmp_path / "few.smi").write_text("CCO a\nCCC b\n")
    with pytest.raises(NoUsableRowsError, match="2 structures are too few"):
        pretrain(tmp_path / "few.smi", out=tmp_path / "encoder", settings=settings())


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from cinchona.models.training_state import TrainingState
from pipelines_pretrain import settings
from cinchona.pipelines.pretrain import pretrain

kept = TrainingState.save

def save(self, path, *, key):
    kept(self, path, key=key)
    if len(self.history) == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

TrainingState.save = save
pretrain(sys.argv[1], out=sys.argv[2], settings=settings(), seed=5)
""".replace(
    "from pipelines_pretrain import settings",
    f"""
from cinchona.pipelines.config import Settings
from cinchona.settings import load_settings
settings = lambda: load_settings(Settings, overrides={QUICK!r}, environ={{}})
""",
)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [1, 5])
def test_a_killed_pretraining_goes_on_to_the_same_bits(library, tmp_path, request, blocks):
    program = [sys.executable, "-W", "ignore", "-c", KILLED, str(library), str(tmp_path / "killed"),
               str(request.config.rootpath / "tests"), str(blocks)]  # fmt: skip
    killed = subprocess.run(program, check=False, env=os.environ, timeout=240)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / ".killed.pretraining/state.safetensors").exists()
    assert not (tmp_path / "killed").exists()
    resumed = pretrain(library, out=tmp_path / "killed", settings=settings(), seed=5)
    calm = pretrain(library, out=tmp_path / "calm", settings=settings(), seed=5)
    assert resumed.digest == calm.digest
    one, other = (open_encoder(place).weights for place in (resumed.folder, calm.folder))
    assert all(np.array_equal(one[name], other[name]) for name in one)
