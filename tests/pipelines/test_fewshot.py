"""The few-shot workflow: nothing of the input is lost, and the folder screens."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from small_assays import SMILES

from cinchona.errors import ConfigError, InputError, NoUsableRowsError
from cinchona.models.folder import read_trust
from cinchona.pipelines.card import model_card
from cinchona.pipelines.fewshot import fewshot
from cinchona.pipelines.predict import predict

ACTIVES = ("CCc1ccc(S(N)(=O)=O)cc1", "Cc1ccc(S(N)(=O)=O)cc1", "NS(=O)(=O)c1ccc(Cl)cc1")


def written(path, *smiles):
    path.write_text("\n".join(smiles) + "\n")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    twice = "OCC.Cl", ACTIVES[0], "C1CC", "NS(=O)(=O)c1ccc(CC)cc1"
    return (
        written(folder / "actives.smi", *ACTIVES, *twice[1:]),
        written(folder / "library.smi", *SMILES, *("C" * k for k in range(2, 30)), ACTIVES[1], "C1CC"),
    )


@pytest.fixture(scope="module")
def made(files, tmp_path_factory):
    actives, library = files
    return fewshot(actives, background=[library], out=tmp_path_factory.mktemp("made") / "model")


def test_nothing_of_the_input_is_lost(made):
    assert (made.rows, made.rejected, made.actives) == (6, 1, 3)  # one is damaged, two are there before
    rejects = pq.read_table(made.folder / "rejects.parquet").to_pylist()
    assert [row["row_id"] for row in rejects] == [4]


def test_actives_are_no_background(made, files, tmp_path):
    assert made.background == len(SMILES) + 28
    assert read_trust(made.folder)["few_shot"]["inputs"] == ["actives.smi"]
    found = predict(files[1], model=made.folder).table
    scores = dict(zip(found["smiles"].to_pylist(), found["score"].to_pylist(), strict=True))
    assert max((s for s in scores if scores[s] is not None), key=lambda s: scores[s]) == ACTIVES[1]


def test_figures_are_of_actives_that_were_held_out(made):
    assert made.held_out_rank == 1.0
    assert made.first_percent == 1.0


def test_the_card_says_what_is_not_known(made):
    card = model_card(made.folder)
    limits = " ".join(card.limits)
    assert "learnt from 3 actives against 68 background molecules" in limits
    assert "ahead of 100% of the background" in limits
    assert "trained and tested on is not known" not in limits


def test_the_same_call_gives_the_same_model(made, files):
    again = fewshot(files[0], background=[files[1]], out=made.folder)
    assert again == made


def test_another_background_does_not_overwrite(made, files):
    with pytest.raises(ConfigError, match="taken by something else"):
        fewshot(files[0], background=[files[1]], sample=60, out=made.folder)


def test_a_single_active_has_no_figures(files, tmp_path):
    one = fewshot(written(tmp_path / "one.smi", ACTIVES[0]), background=[files[1]], out=tmp_path / "model")
    assert (one.actives, one.held_out_rank, one.first_percent) == (1, None, None)


def test_a_small_background_is_refused(files, tmp_path):
    few = written(tmp_path / "few.smi", *SMILES)
    with pytest.raises(InputError, match="structures are too few"):
        fewshot(files[0], background=[few], out=tmp_path / "model")


def test_actives_without_a_structure_are_refused(files, tmp_path):
    bad = written(tmp_path / "bad.smi", "C1CC", "not-a-molecule")
    with pytest.raises(NoUsableRowsError, match="no active has a usable structure"):
        fewshot(bad, background=[files[1]], out=tmp_path / "model")
    assert not (tmp_path / "model").exists()
