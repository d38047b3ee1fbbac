"""Workers as pods of Kubernetes: the manifest that the Dask operator gets."""

from __future__ import annotations

from typing import Any

from cinchona.screening.executors.jobs import missing
from cinchona.screening.executors.spawning import WORKER_ENVIRONMENT
from cinchona.screening.profile import SiteProfile, n_bytes, n_seconds


def manifest(site: SiteProfile, *, name: str = "cinchona") -> dict[str, Any]:
    """The ``DaskCluster`` resource of a site.

    Raises:
        MissingDependencyError: if dask-kubernetes is not installed.
    """
    try:
        from dask_kubernetes.operator import make_cluster_spec
    except ImportError as error:
        raise missing("dask-kubernetes", "k8s") from error
    kube = site.kubernetes
    amount = {"cpu": kube.cpu, "memory": str(n_bytes(kube.memory))}
    spec: dict[str, Any] = make_cluster_spec(
        name,
        image=kube.image,
        n_workers=site.adaptive.minimum if site.adaptive else site.workers or 1,
        resources={"requests": amount, "limits": amount},
        env={key: str(value) for key, value in WORKER_ENVIRONMENT.items()},
    )
    worker = spec["spec"]["worker"]["spec"]
    worker["containers"][0]["args"] += ["--nthreads", "1", *_lifetime(site)]
    if kube.volume_claim:
        for pod in (worker, spec["spec"]["scheduler"]["spec"]):
            _mount(pod, kube.volume_claim, kube.mount)
    spec["metadata"]["namespace"] = kube.namespace
    return spec


def _lifetime(site: SiteProfile) -> list[str]:
    return ["--lifetime", f"{n_seconds(site.lifetime)}s", "--lifetime-restart"] if site.lifetime else []


def _mount(pod: dict[str, Any], claim: str, path: str) -> None:
    pod.setdefault("volumes", []).append({"name": "work", "persistentVolumeClaim": {"claimName": claim}})
    for container in pod["containers"]:
        container.setdefault("volumeMounts", []).append({"name": "work", "mountPath": path})
