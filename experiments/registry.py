"""Registered models: names, numbered versions, and the aliases champion and challenger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cinchona.errors import CinchonaError, ConfigError, InputError, ModelFileError, RetryableError
from cinchona.experiments.hostile import take_model
from cinchona.experiments.modeluri import CHALLENGER, CHAMPION, ModelUri
from cinchona.experiments.outbox import brief, is_refusal
from cinchona.experiments.store import Store
from cinchona.experiments.versions import (
    CONFIG_TAG,
    FINGERPRINT_TAG,
    LOGGED_TAG,
    PASSED,
    PROMOTED,
    TEST_DIGEST,
    TEST_RUN,
    Version,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")


class Registry:
    """The registered models of a store.

    Args:
        store: Where they are; opened at once.

    Raises:
        RetryableError: if the store cannot be reached.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.client: MlflowClient = self.ask("opening the store", store.connect)

    def ask(self, what: str, call: Callable[[], T], *, missing: str = "") -> T:
        """Make ``call``; translate what MLflow raises.

        Raises:
            InputError: if the store refuses, with ``missing`` as the message if the thing is not there.
            RetryableError: if the store is out of reach.
        """
        try:
            return call()
        except CinchonaError:
            raise
        except Exception as error:
            if not is_refusal(error):
                raise RetryableError(
                    f"the store is out of reach ({what}: {brief(error)})", where=self.store.shown(),
                    remedy="try again when it is back",
                ) from error  # fmt: skip
            absent = missing and getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
            said = missing if absent else f"the store refused {what}: {brief(error)}"
            raise InputError(said, where=self.store.shown(), remedy="see: cinchona models list --registered") from error

    def register(self, model_id: str, name: str, *, note: str = "") -> Version:
        """Make the logged model ``model_id`` the next version of ``name`` and its challenger; the same again is no new one.

        Raises:
            ConfigError: if ``name`` cannot be one.
            InputError: if there is no such logged model, or it is none of ours.
        """
        if ModelUri.parse(name) != ModelUri(name=name):
            raise ConfigError(f"{name!r} is no name for a model", expected="letters, digits, - _ . and blanks")
        model = self.ask(
            "a model", lambda: self.client.get_logged_model(model_id), missing=f"no logged model {model_id}"
        )
        fingerprint = model.tags.get(FINGERPRINT_TAG, "")
        if not fingerprint:
            raise InputError(f"the logged model {model_id} is not one of Cinchona's", expected="a model that it logged")
        for known in self.versions(name):
            if known.model_id == model_id:
                return known
        self._make_name(name)
        tags = {k: v for k, v in model.tags.items() if not k.startswith("mlflow.")} | {LOGGED_TAG: model_id}
        made = self.ask(
            "a new version",
            lambda: self.client.create_model_version(
                name, model.artifact_location, run_id=model.source_run_id or None, tags=tags, model_id=model_id,
                description=note or None,
            ),
        )  # fmt: skip
        if self.store.database is not None:  # a server does it by itself; the page of the model shows it
            shown = json.dumps([{"name": name, "version": int(made.version)}])
            tag = {"mlflow.modelVersions": shown}
            self.ask("a tag", lambda: self.client.set_logged_model_tags(model_id, tag))
        self.set_alias(name, CHALLENGER, str(made.version))
        return self.version(ModelUri(name=name, version=str(made.version)))

    def versions(self, name: str) -> list[Version]:
        """All versions of ``name``, newest first; none if there is no such name."""
        quoted = name.replace("'", "\\'")
        found = self.ask("the versions", lambda: _pages(self.client.search_model_versions, f"name = '{quoted}'"))
        named = [self._version(v, self._aliases(name)) for v in found if v.name == name]
        return sorted(named, key=lambda v: -int(v.version))

    def names(self) -> list[dict[str, Any]]:
        """Every registered model: name, newest version, versions of both aliases."""
        found = self.ask("the registered models", lambda: _pages(self.client.search_registered_models, None))
        return [
            {
                "model": m.name,
                "newest": max((int(v.version) for v in m.latest_versions), default=None),
                CHAMPION: _number(m.aliases.get(CHAMPION)),
                CHALLENGER: _number(m.aliases.get(CHALLENGER)),
                "test_digest": str(m.tags.get(TEST_DIGEST, ""))[:12],
            }
            for m in found
        ]

    def tags(self, name: str) -> dict[str, str]:
        """Tags of a registered model.

        Raises:
            InputError: if there is none of that name.
        """
        call = lambda: self.client.get_registered_model(name)  # noqa: E731 - one look
        return dict(self.ask("a model", call, missing=f"no registered model {name!r}").tags)

    def version(self, uri: ModelUri) -> Version:
        """The version that ``uri`` names; without number and alias the newest.

        Raises:
            InputError: if there is none.
        """
        if uri.alias:
            found = self.ask(
                f"the {uri.alias}", lambda: self.client.get_model_version_by_alias(uri.name, uri.alias),
                missing=f"{uri.name!r} has no {uri.alias}",
            )  # fmt: skip
        elif uri.version:
            found = self.ask(
                "a version", lambda: self.client.get_model_version(uri.name, uri.version), missing=f"there is no {uri}"
            )
        elif newest := self.versions(uri.name):
            return newest[0]
        else:
            raise InputError(
                f"no registered model {uri.name!r}",
                where=self.store.shown(),
                remedy="see: cinchona models list --registered",
            )
        return self._version(found, self._aliases(uri.name))

    def champion(self, name: str) -> Version | None:
        """The champion of ``name``; None if there is none yet."""
        number = self.ask("a model", lambda: self.client.get_registered_model(name)).aliases.get(CHAMPION)
        return None if number is None else self.version(ModelUri(name=name, version=str(number)))

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point ``alias`` to ``version``."""
        self.ask(f"the alias {alias}", lambda: self.client.set_registered_model_alias(name, alias, version))

    def drop_alias(self, name: str, alias: str) -> None:
        """Remove ``alias``."""
        self.ask(f"the alias {alias}", lambda: self.client.delete_registered_model_alias(name, alias))

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Write tags of a version."""
        for key, value in tags.items():
            self.ask("tags", partial(self.client.set_model_version_tag, version.name, version.version, key, value))

    def tag_name(self, name: str, tags: Mapping[str, str]) -> None:
        """Write tags of a registered model."""
        for key, value in tags.items():
            self.ask("tags", partial(self.client.set_registered_model_tag, name, key, value))

    def find_logged(self, fingerprint: str) -> str:
        """Id of the newest finished logged model with ``fingerprint``; empty if there is none."""
        experiments = self.ask("the experiments", lambda: _pages(self.client.search_experiments, None))
        wanted = f"tags.{FINGERPRINT_TAG} = '{fingerprint}'"
        for experiment in experiments if fingerprint.isalnum() else ():
            search = partial(self.client.search_logged_models, [experiment.experiment_id], filter_string=wanted)
            for model in self.ask("logged models", search):
                if str(model.status) == "READY":
                    return str(model.model_id)
        return ""

    def fetch(self, uri: ModelUri, folder: Path) -> Path:
        """Copy a stored model into ``folder`` and open it; the store is not trusted.

        A version under the alias champion must have passed the gate.

        Args:
            uri: The model.
            folder: Where fetched models are kept; the model's own folder in it is named after its fingerprint.

        Returns:
            Path of the model folder; it has passed all checks.

        Raises:
            InputError: if there is no such model, or the alias champion was set past the gate.
            ModelFileError: if it is damaged, or its content is not what was registered.
            UnsafeFileError: if it holds something that could do harm.
        """
        from cinchona.models.folder import open_scorer  # brings rooms that a look at names does without

        model_id, stated = uri.model_id, {}
        if not model_id:
            version = self.version(uri)
            model_id, stated = version.model_id, dict(version.tags)
            if uri.alias == CHAMPION and stated.get(PROMOTED) != PASSED:
                raise InputError(
                    f"version {version.version} bears the alias {CHAMPION}, but has not passed the gate",
                    where=self.store.shown(), expected="a version that 'cinchona models promote' has promoted",
                    remedy=f"promote it, or name it by number: {version.uri}",
                )  # fmt: skip
        model = self.ask(
            "a model", lambda: self.client.get_logged_model(model_id), missing=f"no logged model {model_id}"
        )
        target = folder / (stated or model.tags).get(FINGERPRINT_TAG, "unknown")[:32]
        if not _is_there(target, stated or model.tags):
            self.ask("the files of a model", lambda: take_model(model.artifact_location, target))
        _check_same(target, model.tags, stated)
        open_scorer(target)
        return target

    def _version(self, found: Any, aliases: Mapping[str, tuple[str, ...]]) -> Version:  # noqa: ANN401 - MLflow's record
        tags = {str(k): str(v) for k, v in found.tags.items()}
        model_id = tags.get(LOGGED_TAG, "")
        if not model_id:
            raise InputError(
                f"version {found.version} of {found.name!r} is no logged model", where=self.store.shown(),
                remedy="register it again with 'cinchona models register'",
            )  # fmt: skip
        return Version(
            found.name, str(found.version), model_id, tags.get(FINGERPRINT_TAG, ""), found.run_id or "",
            aliases.get(str(found.version), ()), tags,
        )  # fmt: skip

    def _aliases(self, name: str) -> dict[str, tuple[str, ...]]:
        named: dict[str, tuple[str, ...]] = {}
        for alias, number in self.ask("a model", lambda: self.client.get_registered_model(name)).aliases.items():
            named[str(number)] = (*named.get(str(number), ()), str(alias))
        return named

    def _make_name(self, name: str) -> None:
        try:
            self.client.create_registered_model(name)
        except Exception:  # noqa: BLE001 - it may be there; the look after it tells
            self.ask("a new model", lambda: self.client.get_registered_model(name))


def _is_there(target: Path, tags: Mapping[str, str]) -> bool:
    """Whether an earlier fetch has left this very model."""
    from cinchona.models.folder import model_fingerprint

    try:
        return bool(tags.get(FINGERPRINT_TAG)) and model_fingerprint(target) == tags[FINGERPRINT_TAG]
    except CinchonaError:
        return False


def _check_same(folder: Path, *stated: Mapping[str, str]) -> None:
    from cinchona.experiments.flavour import identity_tags

    found = identity_tags(folder)
    for tags in stated:
        for key in (FINGERPRINT_TAG, CONFIG_TAG):
            if key in tags and tags[key] != found[key]:
                raise ModelFileError(
                    f"the files of the stored model are not those that were registered: {key.replace('_', ' ')} differs",
                    where=str(folder), expected=f"{tags[key][:16]}, found {found[key][:16]}",
                    remedy="do not use it; find out who changed the store, and register the model again from its folder",
                )  # fmt: skip


def _pages(search: Callable[..., Any], wanted: str | None) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(filter_string=wanted, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _number(version: object) -> int | None:
    return None if version is None else int(str(version))


__all__ = ["PASSED", "PROMOTED", "Registry", "TEST_DIGEST", "TEST_RUN", "Version"]
