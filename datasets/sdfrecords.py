"""One SDF record to a row: the structure as SMILES, the title, and the properties."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem, rdBase

from cinchona.datasets.parsing import why_refused
from cinchona.datasets.partitions import Layout
from cinchona.datasets.rowbuilder import Row, Unreadable
from cinchona.datasets.textrecords import RecordReader, decode
from cinchona.records import Stage

_PROPERTY: Final = re.compile(r"^>[^\r\n]*?<([^>\r\n]*)>[^\r\n]*\r?\n", re.M)
_NAMES: Final = re.compile(rb"^>[^\r\n]*?<([^>\r\n]*)>", re.M)
_HEADER_LINES: Final = 3


def sdf_reader(layout: Layout) -> RecordReader:
    """Reader of SDF records; a damaged record is unreadable and the next one goes on."""

    def read(record: bytes) -> Row | Unreadable:
        decoded = decode(record, layout)
        if isinstance(decoded, Unreadable):
            return decoded
        text, flags = decoded
        block, values = split_record(text)
        smiles = block_smiles(block)
        if isinstance(smiles, Unreadable):
            return smiles
        title = block.split("\n", 1)[0].strip() if layout.title_first else ""
        name = title or values.get(layout.identifier or "", "")
        return Row(smiles, name, tuple(values.get(key, "") for key in layout.extra), flags)

    return read


def split_record(text: str) -> tuple[str, dict[str, str]]:
    """Split a record into molecule block and properties (values of several lines are joined by line ends)."""
    end = re.search(r"^M  END[^\n]*\n?", text, re.M)
    cut = end.end() if end else _first_property(text)
    body, rest = text[:cut], text[cut:]
    found = list(_PROPERTY.finditer(rest))
    stops = [match.start() for match in found[1:]] + [len(rest)]
    values = {m[1]: _value(rest[m.end() : stop]) for m, stop in zip(found, stops, strict=False)}
    return body, values


def property_names(record: bytes) -> list[str]:
    """Names of the properties of a record, in order."""
    return [match[1].decode("utf-8", "replace") for match in _NAMES.finditer(record)]


def block_smiles(block: str) -> str | Unreadable:
    """Canonical isomeric SMILES of a molecule block, hydrogens implicit; or RDKit's reason."""
    if len(block.splitlines()) <= _HEADER_LINES:
        return Unreadable("no molecule block")
    with rdBase.BlockLogs():
        mol = _read(block)
        if mol is not None:
            return str(Chem.MolToSmiles(mol)) if mol.GetNumAtoms() else Unreadable("no atoms", Stage.PARSE)
    reason = why_refused(lambda: _read(block)) or _damage(block)
    return Unreadable(reason, Stage.PARSE)


def _read(block: str) -> Chem.Mol | None:
    return Chem.MolFromMolBlock(block)


def _damage(block: str) -> str:
    """What is wrong with a block of which RDKit gives no reason: it logs those as warnings, which cannot be caught."""
    lines = block.splitlines()
    counts = lines[_HEADER_LINES]
    if "V3000" in counts:
        return "V3000 molecule block not readable"
    numbers = (counts[:3].strip(), counts[3:6].strip())
    if not all(re.fullmatch(r"[0-9]+", text) for text in numbers):
        return f"counts line not readable: {counts[:20]!r}"
    wanted = sum(map(int, numbers))
    found = next((k for k, line in enumerate(lines) if line.startswith("M  ")), len(lines)) - _HEADER_LINES - 1
    if found < wanted:
        return f"{found} atom and bond lines, {wanted} counted"
    return "molecule block not readable"


def _first_property(text: str) -> int:
    match = _PROPERTY.search(text)
    return match.start() if match else len(text)


def _value(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if line.startswith("$$$$") or not line.strip():
            break
        lines.append(line.rstrip())
    return "\n".join(lines).strip()


__all__ = ["block_smiles", "property_names", "sdf_reader", "split_record"]
