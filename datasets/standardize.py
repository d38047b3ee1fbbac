"""Structures to their standard form: parent without salts, neutral, one canonical isomeric SMILES a compound.

The rules are those of the ChEMBL structure pipeline (Bento et al. 2020, doi:10.1186/s13321-020-00456-1); what it leaves
open (mixtures, metals, tautomers) is decided by :class:`~cinchona.datasets.config.StandardizeConfig` and flagged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
from rdkit import Chem, rdBase

from cinchona.datasets.as_given import TextsAsGiven, parsed_within, read_as_given
from cinchona.datasets.as_needed import read_as_needed
from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import code_columns
from cinchona.datasets.codedmolecules import CodedMolecules, join, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.datasets.parent import Flag, Parent
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.quick_parents import all_parents, guarded_parent
from cinchona.records import BASE_COLUMNS, CompoundBatch, Reject

NOT_DUPLICATE: Final = -1
"""``duplicate_of`` of a row that is the first of its compound."""

GIVEN_SMILES: Final = "given_smiles"
"""Column of a standardized batch: the SMILES as the source gave it."""

FLAGS: Final = "flags"
"""Column of batches: names of flags, sorted, joined by ``;``."""


_CHUNK: Final = 256
"""Molecules held at once."""


@dataclass(frozen=True, slots=True)
class Standardized:
    """A structure in standard form."""

    smiles: str
    """As given."""
    parent: str
    """Canonical isomeric SMILES of the standardized parent; equal for equal compounds."""
    flags: frozenset[str]
    """What was changed or is doubtful: values of :class:`~cinchona.datasets.parent.Flag`."""


@dataclass(frozen=True, slots=True)
class StandardizedBatch:
    """A batch in standard form; its rows and its rejects are exactly the rows that went in."""

    batch: CompoundBatch
    """Rows that could be standardized, in order: ``smiles`` is the parent's canonical SMILES; after the base columns
    follow ``given_smiles`` and ``flags`` (string, joined by ``;``)."""
    duplicate_of: np.ndarray
    """Row id of the first row of this batch with an equal parent, or -1 if the row is the first; int64, shape (n,)."""
    rejects: tuple[Reject, ...]
    """Rows that could not, with reasons."""


def standardize(smiles: str, config: StandardizeConfig | None = None) -> Standardized | Rejected:
    """Bring one structure to its standard form.

    Args:
        smiles: SMILES or CXSMILES.
        config: Rules; None for the defaults.

    Returns:
        The standard form, or why there is none (stage PARSE or STANDARDIZE).
    """
    rules = config or StandardizeConfig()
    mol = parsed_within(smiles, rules)
    return mol if isinstance(mol, Rejected) else _of_parent(smiles, guarded_parent(mol, rules))


def standardize_batch(
    batch: CompoundBatch, config: StandardizeConfig | None = None, *, codes: bool = False, keep_texts: bool = False
) -> StandardizedBatch:
    """Standardize every row of ``batch``; equal SMILES are worked on once.

    Args:
        batch: Rows with SMILES; a column ``flags`` is carried on.
        config: Rules; None for the defaults. With the method ``none`` structures are taken as given
            (:mod:`.as_given`): equal compounds have the ``smiles`` of the first of them, which need not be canonical.
        codes: Whether to add graph codes (:mod:`.codecolumns`) to rows that are in canonical form as given or taken as
            given, since they are at hand: a graph network need not parse them again.
        keep_texts: Whether structures that need no change may stay as they are written (:mod:`.as_needed`), where the
            rules let them; equal compounds have the ``smiles`` of the first of them.
    """
    rules = config or StandardizeConfig()
    if rules.keeps_texts and (keep_texts or rules.method == "none"):
        return _kept_as_written(batch, rules, codes=codes)
    given = batch.smiles
    known, molecules = _worked_out(given, rules)
    done = [known[s] for s in given]
    kept = [(k, result) for k, result in enumerate(done) if isinstance(result, Standardized)]
    rows = batch.row_ids.tolist()
    rejects = tuple(r.of_row(row) for row, r in zip(rows, done, strict=True) if isinstance(r, Rejected))
    indices = np.array([k for k, _ in kept], np.int64)
    results = _with_twins([result for _, result in kept]) if rules.inchikey else [result for _, result in kept]
    standard = _with_results(batch.take(indices), results)
    if codes:
        standard = _with_codes(standard, molecules)
    return StandardizedBatch(standard, first_equal(standard.row_ids, standard.smiles), rejects)


def _kept_as_written(batch: CompoundBatch, rules: StandardizeConfig, *, codes: bool) -> StandardizedBatch:
    given = batch.smiles
    place = {text: k for k, text in enumerate(dict.fromkeys(given))}
    read = _reader(rules)(list(place), rules)
    of_row = np.array([place[text] for text in given], np.int64)
    failed = np.array([isinstance(parent, Rejected) for parent in read.parents], bool)
    lost = np.flatnonzero(failed[of_row]).tolist() if failed.any() else []
    rows = batch.row_ids
    rejects = tuple(read.parents[of_row[k]].of_row(int(rows[k])) for k in lost)
    kept = np.delete(np.arange(len(given)), lost)
    results = [Standardized("", str(read.parents[k]), read.flags[k]) for k in of_row[kept].tolist()]
    standard = _with_results(batch.take(kept), results)
    duplicate_of = first_equal(standard.row_ids, standard.smiles)
    if codes:
        standard = _with_own_codes(standard, read, of_row[kept], duplicate_of)
    return StandardizedBatch(standard, duplicate_of, rejects)


def structures_as_written(texts: Sequence[str], rules: StandardizeConfig) -> dict[str, str]:
    """Structure of each text by itself, as :func:`standardize_batch` keeps texts; those without one are left out.

    Equal compounds keep structures of their own here.
    """
    distinct = list(dict.fromkeys(texts))
    parents = _reader(rules)(distinct, rules, join_equal=False).parents
    return {text: parent for text, parent in zip(distinct, parents, strict=True) if not isinstance(parent, Rejected)}


def _reader(rules: StandardizeConfig) -> Callable[..., TextsAsGiven]:
    return read_as_given if rules.method == "none" else read_as_needed


def _with_own_codes(
    batch: CompoundBatch, read: TextsAsGiven, of_row: np.ndarray, duplicate_of: np.ndarray
) -> CompoundBatch:
    """Add codes to the first row of each compound; the other rows have none."""
    position = np.full(len(read.parents), -1, np.int64)
    position[read.places] = np.arange(len(read.places))
    rows = np.flatnonzero((duplicate_of < 0) & (position[of_row] >= 0))
    return _with_columns(batch, code_columns(take(read.coded, position[of_row[rows]]), rows, len(batch)))


def standardize_distinct(
    smiles: Iterable[str], config: StandardizeConfig | None = None
) -> dict[str, Standardized | Rejected]:
    """Standardize each different text once; much faster than one call a text.

    Args:
        smiles: SMILES or CXSMILES.
        config: Rules; None for the defaults.

    Returns:
        What :func:`standardize` gives, by text.
    """
    return _worked_out(smiles, config or StandardizeConfig())[0]


@dataclass(frozen=True, slots=True)
class _Coded:
    """Codes of molecules within the limits of graph networks, and the texts that read as them."""

    texts: list[str]
    molecules: CodedMolecules


def _worked_out(smiles: Iterable[str], rules: StandardizeConfig) -> tuple[dict[str, Standardized | Rejected], _Coded]:
    """Standardize distinct texts, a few at a time, so that their molecules stay in the processor's cache."""
    texts = list(dict.fromkeys(smiles))
    done: dict[str, Standardized | Rejected] = {}
    read, parts = list[str](), [codes_of_many([])]
    for start in range(0, len(texts), _CHUNK):
        parsed = {text: parsed_within(text, rules) for text in texts[start : start + _CHUNK]}
        done |= {text: mol for text, mol in parsed.items() if isinstance(mol, Rejected)}
        mols = {text: mol for text, mol in parsed.items() if not isinstance(mol, Rejected)}
        coded = codes_of_many(list(mols.values()))
        parents = dict(zip(mols, all_parents(mols, coded, rules), strict=True))
        done |= {text: _of_parent(text, parent) for text, parent in parents.items()}
        found = [p for p in parents.values() if isinstance(p, Parent)]
        new = [(p.smiles, p.molecule) for p in found if p.molecule is not None]
        read += [*mols, *(smiles for smiles, _ in new)]
        parts += [coded, codes_of_many([mol for _, mol in new])]
    return done, _Coded(read, join(*parts))


def _with_codes(batch: CompoundBatch, known: _Coded) -> CompoundBatch:
    """Add codes to the first row of each compound whose molecule was at hand; the other rows have none."""
    small = np.diff(known.molecules.atom_offsets) <= MAX_ATOMS
    place = {text: k for k, text in enumerate(known.texts) if small[k]}
    chosen: dict[str, int] = {}
    for row, text in enumerate(batch.smiles):
        if text in place:
            chosen.setdefault(text, row)
    at = np.array([place[text] for text in chosen], np.int64)
    rows = np.array(list(chosen.values()), np.int64)
    return _with_columns(batch, code_columns(take(known.molecules, at), rows, len(batch)))


def _with_columns(batch: CompoundBatch, columns: Mapping[str, pa.Array]) -> CompoundBatch:
    names = batch.data.schema.names
    return CompoundBatch(pa.RecordBatch.from_pydict({**dict(zip(names, batch.data.columns, strict=True)), **columns}))


def first_equal(row_ids: np.ndarray, smiles: Sequence[str]) -> np.ndarray:
    """Row id of the first equal SMILES, or -1 where the row itself is the first; int64, shape (n,)."""
    first: dict[str, int] = {}
    duplicate_of = np.full(len(row_ids), NOT_DUPLICATE, np.int64)
    for k, (row, text) in enumerate(zip(row_ids.tolist(), smiles, strict=True)):
        if first.setdefault(text, row) != row:
            duplicate_of[k] = first[text]
    return duplicate_of


def inchikey(smiles: str) -> str:
    """Standard InChIKey of ``smiles``, 27 characters, or an empty text where InChI has none.

    The first 14 characters are equal for stereoisomers and for most tautomers.
    """
    mol = parse_smiles(smiles)
    if isinstance(mol, Rejected):
        return ""
    with rdBase.BlockLogs():
        return str(Chem.MolToInchiKey(mol))  # type: ignore[no-untyped-call]


def _with_twins(results: Sequence[Standardized]) -> list[Standardized]:
    """Flag structures that share their InChIKey with a different one."""
    keys = {parent: inchikey(parent) for parent in {result.parent for result in results}}
    shared = {key for key, n in Counter(keys.values()).items() if n > 1} - {""}
    twin = frozenset({str(Flag.INCHIKEY_TWIN)})
    return [replace(r, flags=r.flags | twin) if keys[r.parent] in shared else r for r in results]


def _of_parent(smiles: str, parent: Parent | Rejected) -> Standardized | Rejected:
    if isinstance(parent, Rejected):
        return parent
    return Standardized(smiles, parent.smiles, frozenset(str(flag) for flag in parent.flags))


def _with_results(batch: CompoundBatch, results: Sequence[Standardized]) -> CompoundBatch:
    names = batch.data.schema.names
    earlier = batch.data.column(FLAGS).to_pylist() if FLAGS in names else [""] * len(batch)
    flags = [
        ";".join(sorted(r.flags | set(filter(None, old.split(";"))))) for r, old in zip(results, earlier, strict=True)
    ]
    columns = {
        "row_id": batch.data.column(0),
        "compound_id": batch.data.column(1),
        "smiles": pa.array([r.parent for r in results], pa.string()),
        GIVEN_SMILES: batch.data.column(2),
        FLAGS: pa.array(flags, pa.string()),
    }
    extra = {name: batch.data.column(name) for name in names if name not in {*BASE_COLUMNS, *columns}}
    return CompoundBatch(pa.RecordBatch.from_pydict({**columns, **extra}))


__all__ = [
    "FLAGS",
    "GIVEN_SMILES",
    "NOT_DUPLICATE",
    "Flag",
    "Rejected",
    "Standardized",
    "StandardizedBatch",
    "first_equal",
    "inchikey",
    "standardize",
    "standardize_batch",
    "standardize_distinct",
    "structures_as_written",
]
