"""Files that try to do harm: nothing of them is executed, and each gets a clear message."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import stat
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from foreign_models import write_checkpoint
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cinchona.datasets.pickled import Inert, read_pickle
from cinchona.errors import CinchonaError, MissingDependencyError, ModelFileError, UnsafeFileError
from cinchona.models.imported import checkpoint
from cinchona.models.imported.admet import read_admet
from cinchona.models.imported.checkpoint import read_checkpoint
from cinchona.models.imported.importing import read_foreign


class Calls:
    """Pickles to a call of ``function``."""

    def __init__(self, function, *args):
        self._call = function, args

    def __reduce__(self):
        return self._call


def archive(path: Path, members: dict[str, bytes], *, compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def with_pickle(path: Path, data: bytes) -> Path:
    return archive(path, {"model/data.pkl": data, "model/byteorder": b"little", "model/version": b"3"})


# --------------------------------------------------------------------------------------------------------- code


def harms(mark: Path):
    return [
        Calls(os.system, f"touch {mark}"), Calls(open, str(mark), "w"), Calls(eval, f"open({str(mark)!r}, 'w')"),
        Calls(exec, f"open({str(mark)!r}, 'w')"), Calls(os.mkdir, str(mark)), Calls(__import__, "antigravity"),
        {"state_dict": Calls(Path.touch, mark)},
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("number", range(7))
def test_calls_are_not_made(number, protocol, tmp_path):
    mark = tmp_path / "harm"
    data = pickle.dumps({"hyper_parameters": harms(mark)[number], "state_dict": {}}, protocol=protocol)
    content = read_checkpoint(with_pickle(tmp_path / "evil.pt", data))
    assert not mark.exists()
    assert isinstance(content["hyper_parameters"], Inert | dict)
    with pytest.raises(ModelFileError):
        read_foreign(tmp_path / "evil.pt")
    assert not mark.exists()


def test_the_trap_works_where_nobody_is_careful(tmp_path):
    """The pickles above do harm when they are read as pickles, so the test above shows something."""
    mark = tmp_path / "harm"
    pickle.loads(pickle.dumps(Calls(os.mkdir, str(mark))))  # noqa: TID251 - that is what the test shows
    assert mark.exists()


@pytest.mark.parametrize("code", [
    b"cos\nsystem\n(S'touch harm'\ntR.", b"(S'touch harm'\nios\nsystem\n.", b"c__builtin__\nexec\n(S'1/0'\ntR.",
    b"cnumpy\nload\n(S'harm'\ntR.", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
    b"(cos\nsystem\nS'touch harm'\no.",
])  # fmt: skip
def test_bare_opcodes(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(read_pickle(code, where="x"), Inert)
    assert not list(tmp_path.iterdir())


def test_registered_extensions_are_not_looked_up():
    import copyreg

    copyreg.add_extension("os", "mkdir", 0xF0)
    try:
        for code in (b"\x82\xf0.", b"\x83\xf0\x00.", b"\x84\xf0\x00\x00\x00."):
            with pytest.raises(UnsafeFileError, match="registry of extensions"):
                read_pickle(code, where="x")
    finally:
        copyreg.remove_extension("os", "mkdir", 0xF0)


def test_thousands_of_names():
    code = b"".join(b"cm\nn%d\n0" % k for k in range(3_000)) + b"N."
    with pytest.raises(UnsafeFileError, match="thousands of classes"):
        read_pickle(code, where="x")


def test_references_to_outside_need_a_reader():
    with pytest.raises(UnsafeFileError, match="outside of it"):
        read_pickle(b"P123\n.", where="x")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b"]" * 100_000 + b".")
@example(b"\x80\x04\x8a\xff" + b"\xff" * 255 + b".")
@example(b"B\xff\xff\xff\x7f.")
@example(b"(" * 50_000 + b"t" * 50_000 + b".")
def test_any_bytes_give_data_or_an_error_of_ours(data):
    try:
        read_pickle(data, where="x")
    except CinchonaError as error:
        assert str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_of_a_real_checkpoint(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flipped")
    path = write_checkpoint(folder / "best.pt")
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))] if data.draw(st.booleans()) else raw)
    try:
        read_foreign(path)
    except CinchonaError as error:
        assert error.where


# ------------------------------------------------------------------------------------------------------ archives


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "model/../../x", "model\\..\\x"])
def test_paths_that_climb_out(name, tmp_path):
    path = archive(tmp_path / "a.pt", {"model/data.pkl": pickle.dumps({}), name: b"x"})
    with pytest.raises(UnsafeFileError, match="names the path"):
        read_checkpoint(path)


def test_links_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("model/data.pkl", pickle.dumps({}))
        link = zipfile.ZipInfo("model/data/0")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UnsafeFileError, match="holds the link"):
        read_checkpoint(tmp_path / "a.pt")


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    path = archive(tmp_path / "a.pt", {"model/data.pkl": b"N" * (50 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnsafeFileError, match="unpacks"):
        read_checkpoint(path)


def test_sizes_that_lie(tmp_path):
    """The directory states a small size for a member that unpacks to much more."""
    path = archive(tmp_path / "a.pt", {"model/data.pkl": b"N" * (50 << 20)}, compression=zipfile.ZIP_DEFLATED)
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 1_000)
    path.write_bytes(raw)
    with pytest.raises((UnsafeFileError, ModelFileError)):
        read_checkpoint(path)


def test_two_members_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("model/data.pkl", pickle.dumps({}))
        file.writestr("model/data.pkl", pickle.dumps({}))
    with pytest.raises(UnsafeFileError, match="two members"):
        read_checkpoint(tmp_path / "a.pt")


def test_a_pickle_beyond_the_cap(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "MAX_PICKLE_BYTES", 10)
    with pytest.raises((UnsafeFileError, ModelFileError)):
        read_checkpoint(with_pickle(tmp_path / "a.pt", pickle.dumps({"a": "x" * 100})))


@pytest.mark.parametrize(("members", "words"), [
    ({"model/data.pkl": pickle.dumps([1, 2])}, "not settings and weights"),
    ({"model/other": b""}, "no data.pkl"),
    ({"a/data.pkl": b"", "b/x": b""}, "no data.pkl"),
    ({"model/data.pkl": pickle.dumps({}), "model/byteorder": b"big"}, "big-endian"),
    ({"model/data.pkl": pickle.dumps({})[:-3]}, "damaged"),
])  # fmt: skip
def test_archives_that_are_no_checkpoints(members, words, tmp_path):
    with pytest.raises(ModelFileError, match=words):
        read_checkpoint(archive(tmp_path / "a.pt", members))


@pytest.mark.parametrize("data", [b"", b"not a zip", pickle.dumps({"a": 1})])
def test_files_that_are_no_archives(data, tmp_path):
    (tmp_path / "a.pt").write_bytes(data)
    with pytest.raises(ModelFileError, match="no zip archive"):
        read_checkpoint(tmp_path / "a.pt")


# ------------------------------------------------------------------------------------------------------- tensors


class Tensor:
    """Pickles to a tensor with any claims about itself."""

    def __init__(self, key="0", numel=4, offset=0, size=(4,), strides=(1,), kind=torch.FloatStorage):
        self.pid = ("storage", kind, key, "cpu", numel)
        self.claims = offset, size, strides

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (Storage(self.pid), *self.claims, False, None)


class Storage:
    def __init__(self, pid):
        self.pid = pid


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None


def tensor_file(path: Path, tensor: Tensor, data=bytes(16)) -> Path:
    out = io.BytesIO()
    Pickler(out, protocol=2).dump({"state_dict": {"w": tensor}})
    return archive(path, {"model/data.pkl": out.getvalue(), "model/data/0": data})


def test_an_honest_tensor(tmp_path):
    data = struct.pack("<4f", 1, 2, 3, 4)
    found = read_checkpoint(tensor_file(tmp_path / "a.pt", Tensor(size=(2, 2), strides=(1, 2)), data))
    assert found["state_dict"]["w"].tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(("tensor", "words"), [
    (Tensor(offset=1), "beyond its storage"), (Tensor(size=(4,), strides=(2,)), "beyond its storage"),
    (Tensor(offset=-1), "no whole number"), (Tensor(size=(-4,)), "no whole number"),
    (Tensor(size=(2, 2), strides=(1,)), "no whole number"), (Tensor(size=(1 << 20,), strides=(0,)), "repeats its storage"),
    (Tensor(numel=400, size=(400,)), "has not the 1,600 bytes"), (Tensor(numel=2, size=(2,)), "has not the 8 bytes"),
    (Tensor(key="../../etc/passwd"), "sensible name"), (Tensor(key="9"), "no data/9"), (Tensor(numel=-1), "sensible name"),
    (Tensor(kind=torch.BFloat16Storage), "BFloat16Storage"), (Tensor(kind=dict), "numbers of the kind"),
])  # fmt: skip
def test_tensors_that_lie(tensor, words, tmp_path):
    with pytest.raises((ModelFileError, UnsafeFileError), match=words):
        read_checkpoint(tensor_file(tmp_path / "a.pt", tensor))


def test_pickles_of_torch_itself_are_read(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(
        {
            "state_dict": {
                "a": torch.arange(6.0).reshape(2, 3).T,
                "b": torch.nn.Parameter(torch.ones(2)),
                "c": torch.zeros(0, 3),
            }
        },
        path,
    )
    found = read_checkpoint(path)["state_dict"]
    assert found["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["b"].tolist() == [1, 1]
    assert found["c"].shape == (0, 3)
    assert not [op for op, *_ in pickletools.genops(pickle.dumps(1)) if op.name == "EXT1"]


# -------------------------------------------------------------------------------------------------------- wheels


def wheel(path: Path, models: dict[str, Path], table: str) -> Path:
    return archive(path, {
        "admet_ai/resources/data/admet.csv": table.encode(),
        **{f"admet_ai/resources/models/{name}": file.read_bytes() for name, file in models.items()},
    })  # fmt: skip


TABLE = "category,id,name,task_type,units\nA,sol,Solubility,regression,log(mol/L)\nB,hERG,hERG,classification,-\nC,MW,Weight,regression,Da\n"


@pytest.fixture
def small_wheel(tmp_path):
    from foreign_models import random_weights

    models = {}
    for k in range(2):
        models[f"regression/model_{k}.pt"] = write_checkpoint(
            tmp_path / f"r{k}.pt", random_weights(k), columns=("sol",)
        )
        models[f"classification/model_{k}.pt"] = write_checkpoint(
            tmp_path / f"c{k}.pt", random_weights(k, scaled=False), columns=("hERG",), kind="BinaryClassificationFFN"
        )
    return wheel(tmp_path / "admet_ai-2-py3-none-any.whl", models, TABLE)


def test_a_wheel_gives_all_endpoints_at_once(small_wheel):
    from cinchona.records import CompoundBatch, Direction

    scorer, files = read_foreign(small_wheel)
    assert files == (small_wheel,)
    assert [(e.name, e.unit, e.kind, e.direction) for e in scorer.endpoints] == [
        ("sol", "log(mol/L)", "regression", Direction.LOWER), ("hERG", "", "classification", Direction.LOWER),
    ]  # fmt: skip
    found = scorer.score(CompoundBatch.of(["CCO", "c1ccccc1"]))
    assert found.value.shape == (2, 2)
    assert ((found.value[:, 1] > 0) & (found.value[:, 1] < 1)).all()
    assert scorer.name == "ADMET-AI x 4"


def test_wheels_that_are_not_admet(tmp_path, small_wheel):
    for path, words in (
        (archive(tmp_path / "x.whl", {"numpy/__init__.py": b""}), "holds no models"),
        (tmp_path / "none.whl", "no wheel"),
        (wheel(tmp_path / "y.whl", {"r/model_0.pt": tmp_path / "r0.pt"}, "id\nother\n"), "has no sol"),
    ):
        with pytest.raises(ModelFileError, match=words):
            read_admet(path)


def test_without_the_package(monkeypatch):
    import importlib.metadata

    def missing(_):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(MissingDependencyError, match="not installed"):
        read_admet("admet-ai")
