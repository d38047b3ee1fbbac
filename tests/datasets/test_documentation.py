from __future__ import annotations

import re

from cinchona.datasets.catalogue import CATALOGUE
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.datasets.parent import Flag
from cinchona.datasets.rowbuilder import LATIN1


def test_the_tables_of_the_reference_are_complete(repository):
    text = (repository / "docs" / "reference" / "datasets.md").read_text()
    for name, entry in CATALOGUE.items():
        (line,) = re.findall(rf"^\| `{name}` .*$", text, re.M)
        assert f"| {entry.kind} | {entry.rows:,} |" in line
    for flag in (*Flag, LATIN1):
        assert f"| `{flag}` |" in text, flag
    assert f"| {ATOM_DIM - 1} | mass" in text
    assert f"| {BOND_DIM - 2}, {BOND_DIM - 1} | conjugated" in text


def test_the_python_of_the_howto_runs(repository, tmp_path, monkeypatch):
    page = (repository / "docs" / "howto" / "input-files.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    (tmp_path / "library.csv").write_text("smiles,id\nCCO,a\n")
    (tmp_path / "assay.csv").write_text("smiles,IC50 (nM)\nCCO,10\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "input-files.md", "exec"), names)
    assert len(names["batch"]) == len(names["table"]) == 1
