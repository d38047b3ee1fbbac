"""Settings of the room: how files are read, structures standardized, measurements curated and tables split."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cinchona.settings import Config

FileFormat = Literal["csv", "smiles", "sdf", "parquet"]
"""How records are laid out; ``csv`` stands for any delimited text with columns, ``smiles`` for SMILES, blank, title."""

SplitKind = Literal["scaffold", "random", "cluster", "time", "column", "deepchem"]
"""Ways to divide a table into training, validation and test part."""

SplitterName = Literal[
    "RandomSplitter", "RandomStratifiedSplitter", "ScaffoldSplitter", "FingerprintSplitter", "ButinaSplitter", "MaxMinSplitter",
    "MolecularWeightSplitter",
]  # fmt: skip
"""Splitters of DeepChem that divide any table of compounds."""

TargetKind = Literal["auto", "regression", "classification"]
"""Kind of a target column; ``auto`` looks at its values."""


class ReaderConfig(Config):
    """How a compound file is read. Everything that is left out is found in the file and reported."""

    format: FileFormat | None = None
    """Layout of the file; found by its first bytes and its name."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """One character between columns; found in the header."""
    header: bool | None = None
    """Whether the first line names the columns; found by its content."""
    smiles_column: str | None = None
    """Column of the structures; found by its name, then by the share of cells that parse."""
    id_column: str | None = None
    """Column of the identifiers, for SDF a property; found by its name."""
    max_record_bytes: int = Field(262_144, ge=64, le=1 << 30)
    """Longest line of text that is looked at; longer ones are rejected without being held in memory."""
    max_sdf_record_bytes: int = Field(8_388_608, ge=1_024, le=1 << 30)
    """Longest SDF record that is looked at."""
    max_cell_length: int = Field(20_000, ge=16)
    """Longest SMILES or identifier in characters; longer ones are rejected."""
    max_expansion: float = Field(200.0, ge=2.0)
    """Largest ratio of unpacked to packed bytes of a gzip file, looked at once 64 MiB are unpacked."""
    max_unpacked_bytes: int = Field(1 << 40, ge=1_024)
    """Largest size of a gzip file or of standard input after unpacking."""
    max_row_group_bytes: int = Field(1 << 32, ge=1_024)
    """Largest unpacked size of one Parquet row group."""
    sample_rows: int = Field(100, ge=5, le=10_000)
    """Records looked at to find columns."""


class StandardizeConfig(Config):
    """How a structure is brought to its standard form."""

    method: Literal["chembl", "none"] = "chembl"
    """``chembl``: the ChEMBL structure pipeline (normalize, strip salts and isotopes, neutralize); ``none``: take
    structures as they are written (canonical SMILES for those with stereocentres, for hits and for assay tables)."""
    mixtures: Literal["largest", "keep", "reject"] = "largest"
    """What becomes of several different organic components: the largest one stands for all, or all stay together, or
    the row is rejected."""
    excluded: Literal["keep", "reject"] = "keep"
    """What becomes of structures that the ChEMBL pipeline leaves alone (metals, boron cages): kept as drawn and
    flagged, or rejected."""
    tautomer: bool = False
    """Replace the structure by RDKit's canonical tautomer."""
    canonical: bool = False
    """Write the structure of every row of a screen as canonical SMILES. By default only where something hangs on it
    (stereo, hits); the others stay as they are written, and a screen takes about half the time. Assay tables and
    predictions are canonical either way; prepared libraries have a column of canonical SMILES beside their structures."""
    max_tautomers: int = Field(200, ge=1, le=10_000)
    """Tautomers looked at for one molecule; a molecule with more keeps its form and is flagged."""
    max_transforms: int = Field(200, ge=1, le=10_000)
    """Transformation steps for one molecule."""
    max_tautomer_atoms: int = Field(100, ge=1)
    """Larger molecules keep their tautomer and are flagged."""
    max_atoms: int = Field(500, ge=1, le=100_000)
    """Heavy atoms of the structure as given; larger ones are rejected."""
    max_rings: int = Field(100, ge=0, le=10_000)
    """Rings of the structure as given (smallest rings, symmetrized); those with more are rejected. Fullerene C60 has 32."""
    inchikey: bool = False
    """Compare the InChIKeys of a batch: different structures with one key (mostly tautomers) are flagged, never joined."""
    max_smiles_length: int = Field(5_000, ge=16)
    """Characters of the SMILES as given; longer ones are rejected."""

    @property
    def keeps_texts(self) -> bool:
        """Whether a screen may keep structures as they are written; tautomers and InChIKeys need canonical ones."""
        return not (self.canonical or self.tautomer or self.inchikey)


class TargetConfig(Config):
    """How one measured column is read."""

    kind: TargetKind = "auto"
    """``auto``: classification if every value is a class word or 0 or 1, else regression."""
    positive: str | None = Field(None, min_length=1, max_length=100)
    """Word of the positive class, if the table has words of its own; every other word is then the negative class."""
    unit: str | None = None
    """Unit of the values (``nM``, ``uM``, ``M``, ``mM``, ``pM`` or any other text); found in the column's name or in a
    unit column."""
    unit_column: str | None = None
    """Column that holds the unit of each row."""
    relation_column: str | None = None
    """Column that holds ``<``, ``=`` or ``>`` of each row."""
    scale: Literal["auto", "as_given", "minus_log10_molar"] = "auto"
    """``auto``: values whose unit is a molar concentration become -log10 of the molar value, all others stay."""


class CurationConfig(Config):
    """How measurements of one compound become one label."""

    targets: dict[str, TargetConfig] = Field(default_factory=dict)
    """Settings of single columns, by name; the others are found."""
    replicates: Literal["median", "mean", "first", "reject"] = "median"
    """How exact values of one compound are joined, on the target's scale. ``reject``: compounds measured more than once
    lose the label."""
    max_spread: float | None = Field(None, gt=0)
    """Largest difference between exact replicates on the target's scale; beyond it the label is lost."""
    censored: Literal["keep", "exact_only"] = "keep"
    """Keep values with ``<`` or ``>`` as bounds, or treat them as missing."""
    time_column: str | None = None
    """Column of dates or numbers for splits by time; joined compounds take the earliest."""
    keep_columns: tuple[str, ...] | None = None
    """Columns carried along in ``extra``; None carries all that are not used otherwise."""


class SplitConfig(Config):
    """How a table is divided."""

    kind: SplitKind = "scaffold"
    """``scaffold``: no Bemis-Murcko scaffold is in two parts; ``cluster``: no cluster of fingerprints is; ``time``: the
    newest are tested; ``column``: a column says it; ``deepchem``: a splitter of DeepChem, which ``splitter`` names."""
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Wanted shares of training, validation and test part; they sum to 1."""
    time_column: str | None = None
    """Column for ``time``."""
    split_column: str | None = None
    """Column for ``column``: its values are train, valid (validation, val, dev) and test."""
    cluster_similarity: float = Field(0.4, gt=0, lt=1)
    """Tanimoto similarity (Morgan, radius 2, 2,048 bits) to its leader that a member of a cluster reaches."""
    splitter: SplitterName = "ScaffoldSplitter"
    """Splitter for ``deepchem``; needs DeepChem, and so Python 3.11."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"fractions {self.fractions} are not three shares that sum to 1")
        if self.fractions[0] <= 0:
            raise ValueError("the training share is 0")
        return self


__all__ = [
    "CurationConfig",
    "FileFormat",
    "ReaderConfig",
    "SplitConfig",
    "SplitKind",
    "SplitterName",
    "StandardizeConfig",
    "TargetConfig",
    "TargetKind",
]
