"""Making the plan of a run over a space."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from cinchona.digests import digest_json
from cinchona.errors import InputError
from cinchona.files import write_text
from cinchona.manifest import mask_secrets
from cinchona.models.additive import additive_form
from cinchona.models.engine.gemm import chosen_gemm
from cinchona.pipelines.config import Settings
from cinchona.pipelines.space_trial import try_space
from cinchona.protocols import Scorer
from cinchona.screening.folder import RunFolder
from cinchona.screening.identity import decisive_versions, differences, mismatch
from cinchona.screening.plan import PlanModel
from cinchona.screening.scorers import ScorerSource
from cinchona.screening.synthons.collect import Bins
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.plan import SpacePlan, load_space_plan
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.units import LARGE_SPACE, plan_units

logger = logging.getLogger(__name__)

PROBED: Final = 512
"""Products that are built before a run, to know the range of scores."""
MOST_WITHOUT_TABLES: Final = LARGE_SPACE
"""Products of a space whose model is no sum over atoms, so that each has to be built."""


def planned_space(
    folder: RunFolder, path: Path, space: SynthonSpace, source: ScorerSource, settings: Settings, seed: int
) -> SpacePlan:
    """Plan a run over a space, or check that it was planned for the same.

    Raises:
        PlanMismatchError: if the folder was planned for something else.
        InputError: if the plan was altered, or the products are too many for a model without tables.
    """
    scorer = source.open()
    known = load_space_plan(folder) if folder.is_planned() else None
    bins = known.bins if known else Bins.around(_probe(space, scorer, seed))
    plan = SpacePlan(
        fingerprint="",
        created=datetime.now(UTC).replace(microsecond=0),
        name=path.name,
        path=str(path.resolve()),
        digest=space.digest,
        compiled=space.compiled_digest,
        offered=space.offered,
        numbered=len(space),
        units=len(plan_units(space)),
        model=PlanModel(name=scorer.name, fingerprint=source.fingerprint, objective=scorer.objective, path=source.path),
        objective=settings.screen.objective,
        top_k=settings.screen.top_k,
        space=settings.space,
        exponent=bins.exponent,
        first=bins.first,
        seed=seed,
        versions=decisive_versions(),
        product=chosen_gemm(),
        notes={"settings": mask_secrets(settings.model_dump(mode="json"))},
    )
    plan = plan.model_copy(update={"fingerprint": digest_json(plan.identity)})
    if known is not None:
        if known.fingerprint != plan.fingerprint:
            raise mismatch(folder, differences(known.identity, plan.identity))
        return known
    form = additive_form(scorer)
    if isinstance(form, str):
        _warn_of_building(form, len(space), path)
    elif trial := try_space(space, scorer, plan.product, top_k=plan.top_k):
        logger.info("%s: %s", path.name, trial)
        plan = plan.model_copy(update={"notes": plan.notes | {"tables": trial.record()}})
    write_text(folder.plan, plan.model_dump_json(indent=2) + "\n")
    return plan


def _warn_of_building(why: str, products: int, path: Path) -> None:
    if products > MOST_WITHOUT_TABLES:
        raise InputError(
            f"{why}, and {products:,} products are too many to build one by one", where=str(path),
            expected=f"such a model on at most {MOST_WITHOUT_TABLES:,} products",
            remedy="use a graph network with a sum or mean readout and no descriptors, or a smaller space",
        )  # fmt: skip
    logger.warning("%s; the %s products are built one by one", why, f"{products:,}")


def _probe(space: SynthonSpace, scorer: Scorer, seed: int) -> np.ndarray:
    found = score_products(space, scorer, space.sample(PROBED, seed=seed + 1).tolist()) if len(space) else None
    return np.zeros(1) if found is None or found.scores is None else found.scores.score


__all__ = ["MOST_WITHOUT_TABLES", "PROBED", "planned_space"]
