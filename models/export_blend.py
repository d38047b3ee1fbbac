"""Members of a blend as files of their own, for use without Cinchona."""

from __future__ import annotations

import re
from pathlib import Path

from cinchona.files import write_bytes, write_json, write_text
from cinchona.models.classical.blend import BlendScorer
from cinchona.models.classical.boosting import BoostedMember
from cinchona.models.scorers import pack_arrays


def export_members(scorer: BlendScorer, out: Path) -> tuple[Path, ...]:
    """Write each member, and ``blend.json`` with weights, kernels, tables of features and endpoints.

    LightGBM's members become ``<target>_<i>.txt``, which LightGBM loads; all others ``<target>_<i>.safetensors`` with the arrays that
    the page on models names; the training compounds of kernels ``basis.safetensors``.

    Args:
        scorer: The blend.
        out: New or empty folder, checked by the caller.

    Raises:
        RetryableError: if the disk is full or failing.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for position, (endpoint, blend) in enumerate(zip(scorer.endpoints, scorer.blends, strict=True)):
        stem = f"{position}-{re.sub(r'[^A-Za-z0-9]+', '-', endpoint.name)[:40]}"
        for i, part in enumerate(blend):
            if isinstance(part.member, BoostedMember):
                written.append(out / f"{stem}_{i}.txt")
                write_text(written[-1], part.member.text)
            else:
                written.append(out / f"{stem}_{i}.safetensors")
                write_bytes(written[-1], pack_arrays(part.member.arrays()))
    if basis := scorer.basis.arrays():
        written.append(out / "basis.safetensors")
        write_bytes(written[-1], pack_arrays(basis))
    endpoints = [{"name": e.name, "unit": e.unit, "kind": e.kind} for e in scorer.endpoints]
    write_json(out / "blend.json", {**scorer.spec(), "endpoints": endpoints})
    return (*written, out / "blend.json")


__all__ = ["export_members"]
