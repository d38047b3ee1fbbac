"""Promotion: judge a challenger, write the decision down, and move the alias only if it passed."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import ConfigError, LockedError
from cinchona.experiments.frozen import FILE, TestSet, of_heldout, thaw
from cinchona.experiments.gate import Check, Decision, GateRules, Judged, judge
from cinchona.experiments.modeluri import CHALLENGER, CHAMPION, ModelUri
from cinchona.experiments.registry import PASSED, PROMOTED, TEST_DIGEST, TEST_RUN, Registry, Version
from cinchona.experiments.runfiles import heldout_of
from cinchona.experiments.tracker import MlflowTracker
from cinchona.models.folder import read_trust
from cinchona.pipelines.predict import batch_of, opened

if TYPE_CHECKING:
    from cinchona.protocols import Scorer, TrackedRun

logger = logging.getLogger(__name__)

NOBODY: Final = "the mean of its training labels"
"""What the first version of a name is judged against."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What came of an attempt to promote."""

    version: Version
    decision: Decision
    run_id: str
    """The run that keeps table and numbers."""
    test: str
    """Content digest of the frozen test set."""


def promote(
    registry: Registry,
    uri: ModelUri,
    *,
    cache: Path,
    test: TestSet | None = None,
    unseen: bool = False,
    rules: GateRules | None = None,
) -> Promotion:
    """Judge a version against the champion on the frozen test set; make it champion if it passes.

    Args:
        registry: The registered models.
        uri: A version; a bare name means its challenger.
        cache: Folder for fetched models.
        test: Test set to freeze at the first judgement; later it must be the same. None takes the frozen one, or at
            first what the challenger's own training held out.
        unseen: The user's word that the challenger has not seen the test set, where the record cannot prove it.
        rules: When to promote.

    Raises:
        ConfigError: if there is no test set, or it is not the frozen one, or the version is champion already.
        InputError: if there is no such model.
        ModelFileError: if a model is damaged; golden predictions are checked here.
        LockedError: if somebody else has changed the champion meanwhile.
    """
    version = registry.version(uri if uri.alias or uri.version else replace(uri, alias=CHALLENGER))
    champion = registry.champion(version.name)
    if champion is not None and champion.version == version.version and version.tags.get(PROMOTED) == PASSED:
        raise ConfigError(f"{version.uri} is the champion already", remedy="register another model to challenge it")
    if champion is not None and champion.version == version.version:
        champion = None  # the alias was set past the gate: it is judged as if there were none
    chosen = _test_set(registry, version, test)
    decision = _judge(registry, version, champion, chosen, cache=cache, rules=rules or GateRules())
    decision = replace(decision, checks=(_check_unseen(registry, version, chosen, stated=unseen), *decision.checks))
    run_id = _write_down(registry, version, decision, chosen, rules or GateRules())
    if decision.passed:
        now = registry.champion(version.name)
        if (now.version if now else None) not in {champion.version if champion else None, version.version}:
            raise LockedError(
                f"another version became champion of {version.name!r} meanwhile",
                remedy="promote again: it is judged anew",
            )
        _crown(registry, version, champion)
    return Promotion(version, decision, run_id, chosen.digest)


def judged(folder: Path, test: TestSet, name: str) -> Judged:
    """Predictions of the model in ``folder`` for the compounds of ``test``, from SMILES, standardized in its own way."""
    scorer, rules = opened(folder, default=StandardizeConfig())
    return predictions_of(scorer, rules, test.smiles, name)


def predictions_of(scorer: Scorer, rules: StandardizeConfig, smiles: Sequence[str], name: str) -> Judged:
    """Values and uncertainties of a scorer, NaN where it rejects."""
    standard = standardize_batch(batch_of(smiles), rules)
    scores = scorer.score(standard.batch).check_accounts_for(standard.batch)
    shape = (len(smiles), len(scorer.endpoints))
    value, spread = np.full(shape, np.nan), np.full(shape, np.nan)
    value[scores.row_ids] = scores.value
    if scores.uncertainty is not None:
        spread[scores.row_ids] = scores.uncertainty
    return Judged(name, tuple(scorer.endpoints), value, None if scores.uncertainty is None else spread)


def _judge(
    registry: Registry, version: Version, champion: Version | None, test: TestSet, *, cache: Path, rules: GateRules
) -> Decision:
    folder = registry.fetch(ModelUri(name=version.name, version=version.version), cache)
    challenger = judged(folder, test, version.uri)
    golden = Check(
        "golden", "", passed=True, note="golden predictions hold, together and one by one"
    )  # fetch opened it
    if champion is None:
        other = _constant(folder, challenger)
    else:
        place = registry.fetch(ModelUri(name=champion.name, version=champion.version), cache)
        other = judged(place, test, champion.uri)
    targets = test.targets
    found = judge(test.labels(targets), targets, challenger, other, rules=rules)
    return replace(found, checks=(golden, *found.checks))


def _constant(folder: Path, challenger: Judged) -> Judged:
    """The champion before the first one: it knows nothing but the mean of what the challenger was trained on."""
    targets = {t["name"]: t for t in (read_trust(folder).get("data") or {}).get("targets", ())}
    means = [float((targets.get(e.name) or {}).get("mean") or 0.0) for e in challenger.endpoints]
    return Judged(NOBODY, challenger.endpoints, np.broadcast_to(np.array(means), challenger.value.shape).copy())


def _test_set(registry: Registry, version: Version, given: TestSet | None) -> TestSet:
    frozen = thaw(registry, version.name)
    if frozen is not None:
        if given is not None and given.digest != frozen.digest:
            raise ConfigError(
                f"the test set is not the one that {version.name!r} was judged on before",
                where=given.origin, expected=f"content digest {frozen.digest[:16]}, got {given.digest[:16]}",
                remedy="leave --test out, or register the model under another name to judge it on other compounds",
            )  # fmt: skip
        return frozen
    if given is not None:
        return given
    heldout = heldout_of(registry, version.run_id)
    if heldout is None:
        raise ConfigError(
            f"there is no test set for {version.name!r}: the training of {version.uri} left none in the record",
            remedy="give a table of measurements that no version has seen with --test and --target",
        )
    return of_heldout(heldout, f"held out by run {version.run_id[:8]}")


def _check_unseen(registry: Registry, version: Version, test: TestSet, *, stated: bool) -> Check:
    heldout = heldout_of(registry, version.run_id)
    if heldout is not None:
        inside = set(test.smiles) <= set(heldout["smiles"].to_pylist())
        if inside:
            return Check("unseen", "", passed=True, note="all test compounds were held out of its training")
    if stated:
        return Check("unseen", "", passed=True, note="stated by the user, not proven by the record")
    note = "the record does not show that its training left out all test compounds; train on the same split, or say --unseen"
    return Check("unseen", "", passed=False, note=note)


def _write_down(registry: Registry, version: Version, decision: Decision, test: TestSet, rules: GateRules) -> str:
    """Keep the decision as a run with its table, and as tags of the version; freeze the test set with it."""
    said = PASSED if decision.passed else "refused"
    tracker = MlflowTracker(registry.store.uri, artifact_root=registry.store.artifact_root)
    tags = {"model_fingerprint": version.fingerprint, "registered_model": version.name, "decision": said}
    lead = f"{version.uri} {said} against {decision.champion}. {decision.failures()}"
    with tracker.run(f"gate {version.uri}", kind="promote", tags=tags | {"description": lead}) as run:
        run.log_params({field: getattr(rules, field) for field in rules.__dataclass_fields__})
        run.log_dataset("frozen test set", digest=test.digest, source=test.origin, context="test")
        run.log_table("gate", decision.table())
        run.log_metrics(_figures(decision))
        _log_test(run, test)
        run_id = run.run_id
    if TEST_DIGEST not in registry.tags(version.name):
        registry.tag_name(version.name, {TEST_RUN: run_id, TEST_DIGEST: test.digest})
    registry.tag(version, decision.tags() | {PROMOTED: said, "gate.run_id": run_id, "gate.test_digest": test.digest})
    return run_id


def _log_test(run: TrackedRun, test: TestSet) -> None:
    with tempfile.TemporaryDirectory(prefix="cinchona-gate-") as scratch:
        path = Path(scratch, FILE)
        pq.write_table(test.table, path)
        run.log_artifact(path, folder="gate")


def _figures(decision: Decision) -> dict[str, float]:
    figures = {"passed": float(decision.passed), "test_compounds": float(decision.n)}
    for check in decision.checks:
        for part in ("challenger", "champion", "difference", "lower", "upper"):
            value = getattr(check, part)
            if value is not None and np.isfinite(value):
                figures[f"{check.check} {check.target} {part}".replace("  ", " ")] = value
    return figures


def _crown(registry: Registry, version: Version, champion: Version | None) -> None:
    registry.set_alias(version.name, CHAMPION, version.version)
    if champion is not None and champion.version != version.version:
        registry.tag(champion, {"gate.superseded_by": version.version})
    if CHALLENGER in registry.version(ModelUri(name=version.name, version=version.version)).aliases:
        registry.drop_alias(version.name, CHALLENGER)
    logger.info("%s is the champion now", version.uri)


__all__ = ["NOBODY", "Promotion", "judged", "predictions_of", "promote"]
