"""What every model folder promises: what is saved is what is opened, and nothing else is opened.

Subclass :class:`ModelFolderContract` and give two fixtures: ``scorer``, a fitted scorer, and ``save``, a function that
writes it into a folder. ``open_folder`` defaults to :func:`cinchona.models.folder.open_scorer`.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from contracts.scorer import GOOD_SMILES

from cinchona.errors import CinchonaError, ExitCode
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch

Save = Callable[[Scorer, Path], object]
OpenFolder = Callable[[Path], Scorer]


class ModelFolderContract:
    """Tests of saving and opening a model."""

    config_file: ClassVar[str] = "config.json"
    """The file that describes the others and holds the schema version."""
    schema_key: ClassVar[str] = "schema_version"
    """Key of the schema version in the configuration."""

    @pytest.fixture
    def open_folder(self) -> OpenFolder:
        """How a folder is opened."""
        from cinchona.models.folder import open_scorer

        return open_scorer

    @pytest.fixture
    def folder(self, scorer: Scorer, save: Save, tmp_path: Path) -> Path:
        """A freshly saved model."""
        target = tmp_path / "model"
        save(scorer, target)
        return target

    @pytest.fixture
    def smiles(self) -> Sequence[str]:
        """Molecules to compare predictions by."""
        return GOOD_SMILES

    def test_opened_is_saved(
        self, scorer: Scorer, folder: Path, open_folder: OpenFolder, smiles: Sequence[str]
    ) -> None:
        batch = CompoundBatch.of(list(smiles))
        twin, was = open_folder(folder).score(batch), scorer.score(batch)
        np.testing.assert_array_equal(twin.value, was.value)
        np.testing.assert_array_equal(twin.score, was.score)
        assert twin.row_ids.tolist() == was.row_ids.tolist()

    def test_opened_describes_itself_as_saved(self, scorer: Scorer, folder: Path, open_folder: OpenFolder) -> None:
        twin = open_folder(folder)
        assert (twin.endpoints, twin.requires, twin.objective) == (scorer.endpoints, scorer.requires, scorer.objective)
        assert twin.fingerprint == open_folder(folder).fingerprint

    def test_saving_twice_gives_one_fingerprint(
        self, scorer: Scorer, folder: Path, save: Save, open_folder: OpenFolder, tmp_path: Path
    ) -> None:
        save(scorer, tmp_path / "again")
        assert open_folder(tmp_path / "again").fingerprint == open_folder(folder).fingerprint

    def test_a_moved_folder_opens(self, folder: Path, open_folder: OpenFolder, tmp_path: Path) -> None:
        before = open_folder(folder).fingerprint
        elsewhere = tmp_path / "elsewhere" / "renamed model"
        elsewhere.parent.mkdir()
        shutil.move(folder, elsewhere)
        assert open_folder(elsewhere).fingerprint == before

    def test_the_folder_tells_nothing_of_the_machine(self, folder: Path) -> None:
        for path in _files(folder):
            content = path.read_bytes()
            assert str(folder.parent).encode() not in content, f"{path.name} holds a path of this machine"

    def test_nothing_is_pickled(self, folder: Path) -> None:
        for path in _files(folder):
            assert path.suffix not in {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin"}, path.name
            assert path.read_bytes()[:2] not in {b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"}, path.name

    def test_an_altered_byte_is_refused(self, folder: Path, open_folder: OpenFolder) -> None:
        for path in _files(folder):
            if path.name == self.config_file:
                continue
            was = path.read_bytes()
            assert was, f"{path.name} is empty"
            for position in (0, len(was) // 2, len(was) - 1):
                path.write_bytes(was[:position] + bytes([was[position] ^ 1]) + was[position + 1 :])
                _refused(open_folder, folder, f"byte {position} of {path.name} was altered")
            path.write_bytes(was[:-1])
            _refused(open_folder, folder, f"{path.name} was cut short")
            path.write_bytes(was)
        open_folder(folder)

    def test_a_missing_file_is_refused(self, folder: Path, open_folder: OpenFolder) -> None:
        for path in _files(folder):
            was = path.read_bytes()
            path.unlink()
            _refused(open_folder, folder, f"{path.name} was missing")
            path.write_bytes(was)
        open_folder(folder)

    def test_a_missing_or_empty_folder_is_refused(self, open_folder: OpenFolder, tmp_path: Path) -> None:
        _refused(open_folder, tmp_path / "nowhere", "the folder does not exist")
        (tmp_path / "empty").mkdir()
        _refused(open_folder, tmp_path / "empty", "the folder is empty")

    def test_a_damaged_configuration_is_refused(self, folder: Path, open_folder: OpenFolder) -> None:
        config = folder / self.config_file
        was = config.read_text()
        for text in ("", "{", "[]", "null", was[: len(was) // 2], was.replace("{", "{{", 1), "\x00" * 64):
            config.write_text(text)
            _refused(open_folder, folder, f"{self.config_file} holds {text[:20]!r}")

    def test_an_unknown_schema_version_is_refused_by_name(self, folder: Path, open_folder: OpenFolder) -> None:
        config = folder / self.config_file
        content = json.loads(config.read_text())
        assert self.schema_key in content, f"{self.config_file} states no {self.schema_key}"
        for version in (99_999, "cinchona-from-the-future"):
            config.write_text(json.dumps({**content, self.schema_key: version}))
            message = _refused(open_folder, folder, f"the schema version was {version}")
            assert str(version) in message, "the message names the version that was found"
        del content[self.schema_key]
        config.write_text(json.dumps(content))
        _refused(open_folder, folder, "the schema version was missing")

    def test_a_planted_pickle_is_refused_and_not_run(
        self, folder: Path, open_folder: OpenFolder, tmp_path: Path
    ) -> None:
        trap = tmp_path / "trap"
        bomb = pickle.dumps(_Bomb(trap))
        for name in ("model.pkl", "weights.pt"):
            (folder / name).write_bytes(bomb)
            _refused(open_folder, folder, f"{name} was planted", trap=trap)
            (folder / name).unlink()
        for path in _files(folder):
            was = path.read_bytes()
            path.write_bytes(bomb)
            _refused(open_folder, folder, f"{path.name} was replaced by a pickle", trap=trap)
            path.write_bytes(was)
        open_folder(folder)

    def test_a_link_out_of_the_folder_is_refused(self, folder: Path, open_folder: OpenFolder, tmp_path: Path) -> None:
        path = next(p for p in _files(folder) if p.name != self.config_file)
        outside = tmp_path / "outside"
        shutil.move(path, outside)
        path.symlink_to(outside)
        _refused(open_folder, folder, f"{path.name} was a link out of the folder")


class _Bomb:
    """Creates a file when unpickled."""

    def __init__(self, trap: Path) -> None:
        self._trap = trap

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._trap,)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _refused(open_folder: OpenFolder, folder: Path, why: str, *, trap: Path | None = None) -> str:
    """The message of the refusal; it must be one of our errors for users, and nothing may have run."""
    try:
        open_folder(folder)
    except Exception as raised:  # noqa: BLE001 - anything but our own error is a broken promise
        error = raised
    else:
        raise AssertionError(f"{why}, and the folder was opened")
    assert isinstance(error, CinchonaError), f"{why}: raised {type(error).__name__}: {error}"
    assert error.exit_code == ExitCode.USAGE, f"{why}: refused with exit code {error.exit_code}"
    assert trap is None or not trap.exists(), f"{why}: the pickle was run"
    return str(error)
