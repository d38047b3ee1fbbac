"""The pretraining workflow: structures in; an encoder that knows chemistry, with its card, out."""

from __future__ import annotations

import logging
import math
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cinchona.datasets.catalogue import CATALOGUE, PREFIX
from cinchona.datasets.descriptors import quick_descriptors
from cinchona.datasets.graphcodes import CODES_SCHEMA
from cinchona.datasets.molgraph import FEATURE_SCHEMA
from cinchona.datasets.sources import Library, open_library
from cinchona.digests import digest_json
from cinchona.errors import ConfigError
from cinchona.files import disk_errors, fsync_folder
from cinchona.manifest import host_facts, package_versions
from cinchona.masking import mask_secrets
from cinchona.models.pretraining.blocks import Block
from cinchona.models.pretraining.encoder_file import is_encoder, open_encoder, save_encoder
from cinchona.models.pretraining.pretrainer import Pretrainer
from cinchona.models.pretraining.targets import names_of
from cinchona.models.training_state import EpochRecord
from cinchona.pipelines.config import Settings
from cinchona.pipelines.pretrain_corpus import Drawn, build_corpus, draw
from cinchona.pipelines.recipe import Recipe, input_names, plain_settings
from cinchona.progress import progress
from cinchona.protocols import TrackedRun, Tracker
from cinchona.screening.lease import Lease
from cinchona.tracking import NullTracker

logger = logging.getLogger(__name__)

_VERSIONS: Final = ("cinchona", "numpy", "rdkit", "torch")


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """A pretrained encoder and how well it learnt."""

    folder: Path
    """Encoder folder; name it as ``training.pretrained``."""
    digest: str
    """Digest of the weights, hex."""
    rows: int
    """Structures drawn."""
    used: int
    """Structures that it learnt from."""
    held_out: int
    """Structures that it was measured on."""
    rejected: int
    """Structures that could not be used."""
    valid_loss: float
    """Loss on structures kept apart."""
    descriptors_explained: float
    """Median share of the variance of a descriptor that is predicted on structures kept apart; 0 for a random guess, at most 1."""
    bits_explained: float
    """The same of the bits of the fingerprint."""
    run_id: str = ""
    """Id of the tracked run."""


def pretrain(
    library: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> PretrainResult:
    """Teach an encoder to predict RDKit descriptors and Morgan fingerprints of real molecules.

    The same call on a finished folder gives the encoder that is there; on a pretraining that was killed it goes on, with
    the same weights to the bit in the end.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        out: Encoder folder: new or empty, or that of the same pretraining.
        settings: Settings; None for the defaults.
        seed: Seed of the drawing, the first weights and the orders.
        tracker: Keeps a record of the run; None for none.

    Raises:
        InputError: if the library cannot be read.
        NoUsableRowsError: if too few structures are usable.
        ConfigError: if the folder holds something else, or the training diverges.
        LockedError: if another process is at it.
        RetryableError: if the disk is full or failing; the same call goes on.
    """
    chosen, folder = settings or Settings(), Path(out).absolute()
    names = [str(library)] if isinstance(library, str | Path) else [str(name) for name in library]
    work = folder.parent / f".{folder.name}.pretraining"
    _require_free(folder)
    with Lease.acquire(work / "lease", seconds=chosen.executor.lease_seconds):
        opened = open_library(names, staging=work / "staged", reader=chosen.reader)
        key = _key(opened, chosen, seed)
        if folder.exists() and any(folder.iterdir()):
            found: PretrainResult | None = _found(folder, key, _epochs(chosen))
        else:
            with (tracker or NullTracker()).run("pretrain", kind="pretrain", tags={"seed": str(seed)}) as run:
                found = _carry_out(opened, names, folder, work, settings=chosen, seed=seed, key=key, run=run)
    shutil.rmtree(work, ignore_errors=True)
    if found is None:
        raise _taken(folder)
    return found


def _carry_out(  # noqa: PLR0913 - library, places, settings, record
    opened: Library,
    names: list[str],
    folder: Path,
    work: Path,
    *,
    settings: Settings,
    seed: int,
    key: str,
    run: TrackedRun,
) -> PretrainResult:
    run.log_params(mask_secrets(_told(settings)))
    for file in opened.files:
        run.log_dataset(file.name, digest=file.digest, source=file.name, context="pretrain")
    Recipe(
        kind="pretrain", inputs=input_names(names), digests=tuple(file.digest for file in opened.files), seed=seed,
        settings=plain_settings(settings),
    ).log(run)  # fmt: skip
    drawn = draw(opened, work, limit=settings.pretraining.molecules_per_file, seed=seed, key=key)
    corpus = build_corpus(drawn, work / "blocks", settings=settings, descriptors=quick_descriptors(), key=key)
    trainer = Pretrainer(
        corpus,
        network=settings.network,
        config=settings.pretraining,
        seed=seed,
        state=work / "state.safetensors",
        key=key,
    )
    with progress(_epochs(settings) * sum(corpus.sizes), "pretraining", unit="molecules") as bar:

        def show(record: EpochRecord, molecules: int) -> None:
            shown = {"loss": round(record.train_loss, 4)}
            if not math.isnan(record.valid_loss):
                shown["valid_loss"] = round(record.valid_loss, 4)
            bar.advance(molecules, **shown)

        network = trainer.run(show)
    run.log_curve("train loss", [record.train_loss for record in trainer.history])
    run.log_curve("valid loss", [r.valid_loss for r in trainer.history if not math.isnan(r.valid_loss)])
    card = _card(trainer, opened, drawn, settings=settings, names=names, seed=seed)
    held = len(Block.load(corpus.valid))
    card["counts"] = {
        "rows": len(drawn.smiles) + drawn.unreadable, "used": sum(corpus.sizes), "held_out": held,
        "rejected": len(drawn.smiles) + drawn.unreadable - sum(corpus.sizes) - held,
    }  # fmt: skip
    weights = {n: t.detach().numpy() for n, t in network.encoder.state_dict().items()}
    _publish(folder, settings, weights, {**card, "key": key, "run_id": run.run_id})
    run.log_metrics({name: value for name, value in card["figures"].items() if isinstance(value, float)})
    run.set_tags({"encoder_digest": open_encoder(folder).digest})
    run.log_artifact(folder, folder="encoder")
    return _result(folder)


def _publish(folder: Path, settings: Settings, weights: dict[str, np.ndarray], card: dict[str, Any]) -> None:
    """Let the whole folder appear in one step."""
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            draft = Path(scratch, folder.name)
            draft.mkdir()
            save_encoder(draft, network=settings.network, weights=weights, card=card)
            draft.replace(folder)
            fsync_folder(folder.parent)


def _card(
    trainer: Pretrainer, opened: Library, drawn: Drawn, *, settings: Settings, names: list[str], seed: int
) -> dict[str, Any]:
    loss, explained = trainer.measure()
    names_used = names_of(trainer.targets, quick_descriptors())
    k = len(names_used)
    return {
        "sources": _sources(names, opened, drawn),
        "predicts": {"descriptors": names_used, "fingerprint": f"Morgan, radius 2, {trainer.targets.bits} bits"},
        "figures": {
            "valid_loss": loss,
            "descriptors_explained_median": float(np.median(explained[:k])),
            "descriptors_explained_least": float(explained[:k].min()),
            "bits_explained_median": float(np.median(explained[k:])),
        },
        "epochs": len(trainer.history) // len(trainer.corpus.train),
        "made_with": {
            "command": _command(names, settings, seed),
            "settings": _told(settings),
            "seed": seed,
            "versions": package_versions(_VERSIONS),
            "host": host_facts(),
        },
    }


def _sources(names: list[str], opened: Library, drawn: Drawn) -> list[dict[str, Any]]:
    """Files with digest and licence; those of a user's own are under the user's terms."""
    entries = [CATALOGUE.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None for name in names]
    known = {
        path.name: entry for entry in entries if entry is not None and entry.kind == "library" for path in entry.paths()
    }
    return [
        {
            "name": f"{known[file.name].name}: {file.name}" if file.name in known else file.name,
            "digest": file.digest, "rows": file.n_rows, "drawn": count,
            "licence": known[file.name].licence if file.name in known else "as its owner says",
            "source": known[file.name].source if file.name in known else "a file of the user",
        }
        for file, count in zip(opened.files, drawn.per_file, strict=True)
    ]  # fmt: skip


def _command(names: list[str], settings: Settings, seed: int) -> str:
    """A command that makes this encoder again."""
    default = Settings()
    changed = [
        f"--set {room}.{name}={value}"
        for room in ("reader", "standardize", "network", "pretraining")
        for name, value in getattr(settings, room).model_dump(mode="json").items()
        if value != getattr(default, room).model_dump(mode="json")[name]
    ]
    plain = [name if name.startswith(PREFIX) else Path(name).name for name in names]
    return " ".join(["cinchona pretrain", *plain, "--out encoder", f"--seed {seed}", *changed])


def _told(settings: Settings) -> dict[str, Any]:
    rooms: dict[str, Any] = settings.model_dump(mode="json", include={"standardize", "network", "pretraining"})
    return {f"{room}.{name}": value for room, values in rooms.items() for name, value in values.items()}


def _key(opened: Library, settings: Settings, seed: int) -> str:
    """Digest of everything that decides the weights."""
    rooms = settings.model_dump(mode="json", include={"reader", "standardize", "pretraining"})
    del rooms["pretraining"]["stop_epoch"]  # a state may be carried further
    rooms["network"] = settings.network.as_spec()
    versions = package_versions(("rdkit",))
    return digest_json([opened.digest, rooms, seed, FEATURE_SCHEMA, CODES_SCHEMA, versions["rdkit"], sys.byteorder])


def _require_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not is_encoder(folder))):
        raise _taken(folder)


def _epochs(settings: Settings) -> int:
    """Passes that are asked for."""
    rules = settings.pretraining
    return min(rules.stop_epoch or rules.epochs, rules.epochs)


def _found(folder: Path, key: str, epochs: int) -> PretrainResult | None:
    """The finished encoder, if it is the one that is asked for."""
    card = open_encoder(folder).card
    if (card.get("key"), card.get("epochs")) != (key, epochs):
        return None
    logger.info("%s holds this encoder already; nothing was done", folder)
    return _result(folder)


def _taken(folder: Path) -> ConfigError:
    return ConfigError(
        "the folder is taken by something else", where=str(folder),
        expected="a new or empty folder, or the encoder of the same structures, settings and seed",
        remedy="choose another folder with --out, or remove this one",
    )  # fmt: skip


def _result(folder: Path) -> PretrainResult:
    card = open_encoder(folder).card
    counts, figures = card["counts"], card["figures"]
    return PretrainResult(
        folder, str(card["weights"]), counts["rows"], counts["used"], counts["held_out"], counts["rejected"],
        figures["valid_loss"], figures["descriptors_explained_median"], figures["bits_explained_median"], card["run_id"],
    )  # fmt: skip


__all__ = ["PretrainResult", "pretrain"]
