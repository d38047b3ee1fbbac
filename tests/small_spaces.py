"""Small spaces of products and random models for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from rdkit import Chem

from cinchona.datasets.molgraph import FEATURE_SCHEMA
from cinchona.models.additive import additive_form, quick_head
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.gemm import numpy_gemm
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.member_weights import shapes_of
from cinchona.pipelines import space_plan
from cinchona.pipelines.config import Settings
from cinchona.pipelines.space import screen_space
from cinchona.protocols import Scorer
from cinchona.records import Direction, Endpoint
from cinchona.screening.config import SpaceConfig
from cinchona.screening.failpoints import VARIABLE
from cinchona.screening.synthons import units
from cinchona.screening.synthons.collect import Bins
from cinchona.screening.synthons.ordinary import BuiltProducts, OrdinaryScores, build_products, score_built
from cinchona.screening.synthons.reactions import ReactionRoute
from cinchona.screening.synthons.routes import Reagent
from cinchona.screening.synthons.search import SpaceSearch
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.spacefile import SpaceFile

AMIDE = "[C:3](=[O:4])[OH].[N;!H0;!$(N-C=[O,S,N]):1]>>[C:3](=[O:4])[N:1]"
QUINAZOLINE = "N[c:4][c:3]C(O)=O.[#6:1][NH2].[#6:2]C(=O)[OH]>>[C:2]c1n[c:4][c:3]c(=O)n1[C:1]"
UGI = "[#6:1][CH]=O.[#6:2][NH2].[#6:3]C(=O)[OH].[#6:4][N+]#[C-]>>[#6:3]C(=O)N([#6:2])C([#6:1])C(=O)N[#6:4]"
ACIDS = (
    "CC(=O)O", "OC(=O)c1ccccc1", "OC(=O)C[C@H](C)CC", "OC(=O)[C@@H](F)C", "[13CH3]C(=O)O", "OC(=O)CCC(=O)O", "OC(=O)C1CC1",
    "OC(=O)/C=C/C", "OC(=O)c1ccncc1", "OC(=O)CC[N+](C)(C)C", "OC(=O)C(=O)O", "OC(=O)c1ccoc1", "OC(=O)C#C",
    "OC(=O)[C@H]1CC[C@@H](C)C1", "OC(=O)CS(=O)(=O)C", "C[C@@H](C(=O)O)c1ccccc1",
)  # fmt: skip
AMINES = (
    "CN", "NCCN", "NCCCNC", "N1CCNCC1", "Nc1ccccc1", "N[C@@H](C)CO", "NCc1ccccc1Cl", "CC(C)(C)N", "C1CC1NC", "[2H]C([2H])N",
    "NC[C@H](O)C", "NCC(=O)[O-]", "N[C@H]1CCCC[C@H]1O", "Nc1ncccn1", "NCC#C", "C[C@H](N)c1ccccc1", "NC1CCC(N)CC1",
)  # fmt: skip
CORES = ("Nc1ccccc1C(=O)O", "Nc1cc(F)ccc1C(=O)O", "Nc1ncccc1C(=O)O", "Cn1cc(N)c(C(=O)O)c1", "Nc1sccc1C(=O)O",
         "Nc1cccc(N)c1C(=O)O", "Nc1c(C(=O)O)ccc2ccccc12")  # fmt: skip
ALDEHYDES = ("CC=O", "O=Cc1ccccc1", "O=CC1CC1", "C[C@H](F)C=O", "O=Cc1ccco1", "CC(C)C=O")
ISONITRILES = ("[C-]#[N+]C", "[C-]#[N+]C1CCCCC1", "[C-]#[N+]CC(=O)OC", "[C-]#[N+]c1ccccc1")


SHRUNK = {"dmpnn": 1.0, "gin": 0.6, "gine": 0.6}
"""Sums over neighbours grow from layer to layer."""


def reagents(smiles: Sequence[str], prefix: str) -> list[Reagent]:
    """Reagents that are called ``prefix`` and their place from 1."""
    return [Reagent(f"{prefix}{k}", text, Chem.MolFromSmiles(text)) for k, text in enumerate(smiles, 1)]


def reaction_space(smarts: str, *roles: Sequence[str], several: str = "each") -> SynthonSpace:
    """A space of one reaction."""
    slots = [reagents(role, "abcd"[k]) for k, role in enumerate(roles)]
    file = SpaceFile((ReactionRoute("r", smarts, slots),), several, ((),) * len(roles), "0" * 64)  # type: ignore[arg-type]
    return SynthonSpace(file)


def random_model(
    seed: int = 0, *, members: int = 1, kind: str = "regression", targets: int = 1, **network: object
) -> GraphEnsemble:
    """An ensemble with random weights whose scores spread by about 1."""
    config = GraphNetConfig.model_validate({"hidden": 24, "head_hidden": 20, "norm": 10.0} | network)
    rng = np.random.default_rng(seed)
    shapes = shapes_of(config, targets)
    arrays = {
        f"members.{m}.{name}": (
            rng.standard_normal(shape) * np.sqrt(2.0 / shape[-1]) * SHRUNK[config.architecture]
        ).astype(np.float32)
        for m in range(members)
        for name, shape in shapes.items()
    }
    spec = {"network": config.model_dump(mode="json"), "members": members, "feature_schema": FEATURE_SCHEMA,
            "mean": [0.5] * targets, "scale": [1.5] * targets}  # fmt: skip
    ends = [Endpoint(f"t{k}", "", Direction.LOWER if k else Direction.HIGHER, kind) for k in range(targets)]  # type: ignore[arg-type]
    return GraphEnsemble.restore(spec, arrays, ends)


def search_in(
    space: SynthonSpace,
    scorer: Scorer,
    *,
    top_k: int = 50,
    audit: int = 30,
    quick: bool = True,
    settings: SpaceConfig | None = None,
) -> SpaceSearch:
    """A search of all units with ``audit`` audited products."""
    form = additive_form(scorer)
    assert not isinstance(form, str), form
    head = quick_head(form, scorer.objective) if quick else None
    audited = np.sort(space.sample(audit, seed=1))
    return SpaceSearch(
        space, scorer, form, head, numpy_gemm, Bins(-8, -4_096), top_k, audited, settings or SpaceConfig()
    )


def brute_force(space: SynthonSpace, scorer: Scorer) -> OrdinaryScores:
    """All products, built and scored one by one."""
    return score_built(_all_products(space), scorer)


@lru_cache(maxsize=16)
def _all_products(space: SynthonSpace) -> BuiltProducts:
    return build_products(space, range(len(space)))


def write_space(
    folder: Path, *, name: str = "space.yaml", acids: Sequence[str] = ACIDS, amines: Sequence[str] = AMINES
) -> Path:
    """A space file of amides with its reagent files."""
    for file, smiles in (("acids.smi", acids), ("amines.smi", amines)):
        (folder / file).write_text("".join(f"{s} {file[:-4]}-{k}\n" for k, s in enumerate(smiles, 1)))
    path = folder / name
    path.write_text(f'reactions:\n  - name: amide\n    smarts: "{AMIDE}"\n    reagents: [acids.smi, amines.smi]\n')
    return path


def run_until_killed(space: Path, model: Path, out: Path, settings: Settings, place: str) -> None:
    """Screen a space in many units with numpy's product, and die at a failpoint."""
    os.environ[VARIABLE] = place
    units._SMALLEST_UNIT = 10
    space_plan.chosen_gemm = lambda: "numpy"
    screen_space(space, model=model, out=out, settings=settings)
