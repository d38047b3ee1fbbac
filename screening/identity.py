"""Whether a run still is what was planned, and if not, in what it differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cinchona
from cinchona.digests import digest_file
from cinchona.errors import PlanMismatchError
from cinchona.manifest import package_versions
from cinchona.protocols import Scorer
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import Plan, PlanInput

_DECISIVE_PACKAGES: Final = ("numpy", "rdkit", "chembl-structure-pipeline", "torch", "torch-geometric", "scikit-learn")
"""Packages whose version can change a score."""


def same_world(folder: RunFolder, plan: Plan, scorer: Scorer) -> None:
    """Check that inputs, model and code are still those that were planned.

    Raises:
        PlanMismatchError: naming each difference.
    """
    now = {
        **plan.identity,
        "library": library_now(folder, plan),
        "model": scorer.fingerprint,
        "versions": decisive_versions(),
    }
    if now != plan.identity:
        raise mismatch(folder, differences(plan.identity, now))


def decisive_versions() -> dict[str, str]:
    """Versions of the code that decides scores."""
    found = package_versions(_DECISIVE_PACKAGES)
    del found["python"]
    return {**found, "cinchona": cinchona.__version__}


def differences(planned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one line each.

    >>> differences({"screen": {"top_k": 5}, "model": "a"}, {"screen": {"top_k": 9}, "model": "a"})
    ['screen.top_k: planned 5, now 9']
    """
    before, after = _flat(planned), _flat(now)
    names = [*before, *(name for name in after if name not in before)]
    return [
        f"{name}: planned {_short(before.get(name))}, now {_short(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def mismatch(folder: RunFolder, lines: list[str]) -> PlanMismatchError:
    """The error that shows the difference."""
    return PlanMismatchError(
        "this run folder was planned for something else:\n    " + "\n    ".join(lines),
        where=str(folder.root),
        expected="the same library, model, settings and versions",
        remedy="restore what was planned and go on, or begin a new screen in another --out",
    )


def library_now(folder: RunFolder, plan: Plan) -> list[dict[str, object]]:
    """The library's part of the identity as its files are today; a file that is gone has a sentence for a digest."""
    return [_seen(folder, file) for file in plan.inputs]


def _seen(folder: RunFolder, file: PlanInput) -> dict[str, object]:
    """What is to be said of an input today; its content is read only if size or time of change differ."""
    path = folder.root / file.path
    record: dict[str, object] = {"digest": file.digest, "format": file.format, "rows": file.rows}
    if not path.is_file():
        return {**record, "digest": f"{path} is missing"}
    facts = path.stat()
    if (facts.st_size, facts.st_mtime_ns) == (file.bytes, file.modified):
        return record
    now = digest_file(path)
    return record if now == file.stored_digest else {**record, "digest": now}


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    """Nested plain data as dotted names and leaves."""
    if isinstance(value, Mapping):
        pairs = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(str(k), v) for k, v in enumerate(value)]
    else:
        return {prefix: value}
    return {name: leaf for k, v in pairs for name, leaf in _flat(v, f"{prefix}.{k}" if prefix else k).items()}


def _short(value: object) -> str:
    text = str(value)
    is_digest = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if is_digest else text
