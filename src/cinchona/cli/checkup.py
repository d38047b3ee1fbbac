"""What ``cinchona doctor`` looks at. Each check answers for itself; none stops the others."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import cinchona
from cinchona.errors import CinchonaError
from cinchona.manifest import host_facts, package_versions
from cinchona.masking import mask_secrets

State = Literal["ok", "remark", "fault"]
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "screening": (
        "rdkit",
        "torch",
        "torch_geometric",
        "sklearn",
        "dask",
        "distributed",
        "mlflow",
        "safetensors",
        "numba",
    ),
    "pv": ("duckdb", "polars", "scipy", "rapidfuzz", "defusedxml", "matplotlib"),
    "notebook": ("jupyterlab", "mols2grid"),
    "explain": ("captum",),
    "search": ("FPSim2",),
    "dock": ("vina", "meeko"),
    "slurm": ("dask_jobqueue",),
    "k8s": ("dask_kubernetes",),
}
"""Packages that show whether an extra is installed."""
_LITTLE_DISK: Final = 2 * 2**30
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    state: State
    """``ok``, ``remark`` (works, but look at it) or ``fault`` (must be mended)."""
    detail: str


def examine(config: Path | None, overrides: Sequence[str], *, profile: Path | None = None) -> dict[str, Any]:
    """Run all checks, with those of the site in ``profile`` if it is given.

    Returns:
        ``ok`` (no fault), ``versions``, ``host`` and ``checks``; plain data.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        _rooms, _extras, _threads, _disk, _temporary, partial(_settings, config, overrides),
        partial(_tracking, config, overrides),
    ]  # fmt: skip
    if profile is not None:
        checks.append(partial(_site, profile))
    findings = [finding for check in checks for finding in _guarded(check)]
    return {
        "ok": all(finding.state != "fault" for finding in findings),
        "versions": package_versions(),
        "host": host_facts(),
        "checks": [{"check": f.check, "state": f.state, "detail": mask_secrets(f.detail)} for f in findings],
    }


def _guarded(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001 - a doctor who faints helps nobody
        named = check.func if isinstance(check, partial) else check
        name = getattr(named, "__name__", "check").strip("_")
        return [Finding(name, "fault", f"{type(error).__name__}: {error}")]


def _rooms() -> Iterator[Finding]:
    home = Path(cinchona.__file__).parent
    missing = [room for room in cinchona.ROOMS if not (home / room / "__init__.py").is_file()]
    linked = sum((home / room).is_symlink() for room in cinchona.ROOMS)
    form = f"{linked} of {len(cinchona.ROOMS)} are links to a checkout" if linked else "installed as a package"
    yield Finding("rooms", "fault" if missing else "ok", f"missing: {', '.join(missing)}" if missing else form)


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        if not missing:
            yield Finding(f"extra {extra}", "ok", "installed")
            continue
        detail = f"missing {', '.join(missing)}; pip install 'cinchona[{extra}]'"
        yield Finding(f"extra {extra}", "remark", detail)


def _threads() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    said = ", ".join(f"{name}={os.environ[name]}" for name in _THREAD_VARIABLES if name in os.environ)
    yield Finding("processors", "ok", f"{usable} usable; {said or 'no thread variable set'}")
    if importlib.util.find_spec("threadpoolctl") is None or importlib.util.find_spec("scipy") is None:
        return
    import scipy.linalg  # noqa: F401 - loads the BLAS that is looked at
    from threadpoolctl import threadpool_info

    pools = [f"{p['internal_api']} {p.get('version') or ''} with {p['num_threads']} threads" for p in threadpool_info()]
    yield Finding("BLAS", "ok", "; ".join(dict.fromkeys(pools)) or "none found")


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    state: State = "ok" if free > _LITTLE_DISK else "remark"
    yield Finding("disk", state, f"{free / 2**30:.1f} GiB free in the current folder")


def _temporary() -> Iterator[Finding]:
    place = tempfile.gettempdir()
    with tempfile.NamedTemporaryFile(prefix="cinchona-doctor-") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
    free = shutil.disk_usage(place).free
    yield Finding("temporary folder", "ok" if free > _LITTLE_DISK else "remark", f"{free / 2**30:.1f} GiB free")


def _settings(config: Path | None, overrides: Sequence[str]) -> Iterator[Finding]:
    if importlib.util.find_spec("rdkit") is None:
        yield Finding("settings", "remark", "not read: the extra screening is not installed")
        return
    try:
        _load(config, overrides)
    except CinchonaError as error:
        yield Finding("settings", "fault", str(error).replace("\n ", ";"))
    else:
        yield Finding("settings", "ok", "read from file, environment and --set")


def _tracking(config: Path | None, overrides: Sequence[str]) -> Iterator[Finding]:
    if importlib.util.find_spec("mlflow") is None:
        yield Finding("record of runs", "remark", "mlflow is not installed: runs are not tracked")
        return
    try:
        tracking = _load(config, overrides).tracking
    except CinchonaError:
        yield Finding("record of runs", "remark", "not looked at: the settings are faulty")
        return
    from cinchona.experiments.store import Store

    store = Store.resolve(tracking.uri, tracking.folder)
    if not tracking.enabled:
        yield Finding("record of runs", "remark", "switched off: tracking.enabled is false")
    elif store.database is not None and not store.database.exists():
        yield _place_for(store.database)
    else:
        yield _reach(store)


def _place_for(database: Path) -> Finding:
    place = next(folder for folder in database.parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()  # asking for permission says yes to root even where nobody may write
    except OSError:
        return Finding("record of runs", "fault", f"cannot be made: {place} is not writable")
    return Finding("record of runs", "ok", f"will be made with the first run: {database.name}")


def _reach(store: Any) -> Finding:  # noqa: ANN401 - cinchona.experiments.store.Store, imported late
    try:
        found = store.connect().search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001 - MLflow raises many kinds
        return Finding(
            "record of runs", "remark", f"{store.shown()} cannot be reached: {type(error).__name__}: {error}"
        )
    return Finding("record of runs", "ok", f"{store.shown()} answers" + ("" if found else "; no run yet"))


def _site(profile: Path) -> Iterator[Finding]:
    from cinchona.cli.site_checkup import examine_site

    yield from examine_site(profile)


def _load(config: Path | None, overrides: Sequence[str]) -> Any:  # noqa: ANN401 - Settings, imported late
    from cinchona.pipelines.config import Settings
    from cinchona.settings import load_settings

    return load_settings(Settings, file=config, overrides=overrides)
