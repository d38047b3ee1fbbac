"""The manifest says which data, code and settings gave a result, and no secret."""

from __future__ import annotations

import getpass
import json
import socket
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import cinchona
from cinchona.digests import digest_file
from cinchona.manifest import MASK, InputFile, Manifest, host_facts, mask_secrets, package_versions


def test_round_trip(tmp_path):
    (tmp_path / "lib.smi").write_text("C a\n")
    inputs = (InputFile.of(tmp_path / "lib.smi"),)
    was = Manifest(kind="screen", seed=3, config={"screen": {"top_k": 5}}, inputs=inputs, counts={"n_in": 1})
    was.write(tmp_path / "manifest.json")
    assert Manifest.model_validate_json((tmp_path / "manifest.json").read_text()) == was
    assert was.inputs[0].model_dump() == {"name": "lib.smi", "bytes": 4, "digest": digest_file(tmp_path / "lib.smi")}
    assert was.created.tzinfo == UTC


def test_is_frozen_and_knows_its_fields():
    with pytest.raises(ValidationError):
        Manifest(kind="x", seed=0, surprise=1)
    with pytest.raises(ValidationError):
        Manifest(kind="x", seed=0).seed = 1


def test_tells_nothing_of_person_or_machine(tmp_path):
    text = Manifest(kind="screen", seed=0).model_dump_json()
    assert socket.gethostname() not in text or len(socket.gethostname()) < 3
    assert f"/{getpass.getuser()}" not in text
    assert str(tmp_path) not in text


def test_versions_and_host():
    versions = package_versions()
    assert versions["python"].startswith("3.")
    assert {"numpy", "pyarrow"} <= versions.keys()
    assert package_versions(["no-such-package-here"]).keys() == {"python"}
    facts = host_facts()
    assert facts["cores"] >= 1
    assert facts["memory_mib"] > 0
    assert cinchona.__version__


def test_secrets_never_enter_a_manifest():
    manifest = Manifest(kind="train", seed=0, config={"tracking": {"uri": "https://me:pw@host/x", "token": "abc"}})
    text = manifest.model_dump_json()
    assert "pw" not in text
    assert "abc" not in text


@pytest.mark.parametrize("key", [
    "password", "db_password", "PASSWD", "pass", "passphrase", "token", "access_token", "api_key", "apiKey", "API-KEY",
    "secret", "client_secret", "credential", "credentials", "private_key", "auth", "authorization", "aws_access_key_id",
])  # fmt: skip
def test_secret_keys_are_masked(key):
    assert mask_secrets({key: "hunter2"}) == {key: MASK}
    assert mask_secrets([{"deep": ({key: {"a": "hunter2"}},)}]) == [{"deep": [{key: MASK}]}]


@pytest.mark.parametrize("key", [
    "author", "authors", "compass", "bypass", "passed", "n_pass_filters", "key", "row_key", "tokenizer", "smiles", "seed", "path",
])  # fmt: skip
def test_harmless_keys_stay(key):
    assert mask_secrets({key: "hunter2"}) == {key: "hunter2"}


def test_absent_secrets_stay_absent():
    assert mask_secrets({"token": None}) == {"token": None}


@pytest.mark.parametrize("text", [
    "https://me:hunter2@host/x", "postgresql+psycopg2://u:hunter2@db:5432/a", "https://hunter2@host",
    "https://me:p@hunter2@host/x", "https://host/x?token=hunter2&a=1", "https://host/x?a=1&X-Amz-Signature=hunter2",
    "see https://me:hunter2@host and https://you:hunter2@host", "password=hunter2", "--set tracking.token=hunter2",
    'api_key: "hunter2"', "Authorization: Bearer hunter2", "{'secret': 'hunter2'}",
])  # fmt: skip
def test_secrets_in_text_are_masked(text):
    masked = mask_secrets(text)
    assert "hunter2" not in masked
    assert MASK in masked


@pytest.mark.parametrize("text", [
    "https://host/x?a=1", "mail me@host.org", "CC(=O)O", "C[C@H](N)C(=O)O", "sqlite:///runs/mlflow.db", "rows: 5, tokens 7",
    "https://host/users/me@home", "12:30:05 scoring: 5 of 7 rows", "the secret of good wine",
])  # fmt: skip
def test_harmless_text_stays(text):
    assert mask_secrets(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abcC()=", max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    )
)
def test_masking_keeps_harmless_data_and_is_idempotent(value):
    assert mask_secrets(value) == value
    assert json.loads(json.dumps(mask_secrets(value))) == json.loads(json.dumps(value))
