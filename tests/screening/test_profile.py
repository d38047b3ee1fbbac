"""Profiles of sites: what is wrong is said, and what comes out is a job script or manifest as its system wants it."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cinchona.errors import ConfigError, InputError, MissingDependencyError
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors import make_executor
from cinchona.screening.executors.jobs import job_options, job_script
from cinchona.screening.executors.pods import manifest
from cinchona.screening.executors.security import security_of
from cinchona.screening.profile import SiteProfile, load_profile

JOB = {
    "queue": "long", "account": "chem", "walltime": "26:30:00", "cores": 4, "memory": "16GiB",
    "directives": ("-l feature=avx512",), "prologue": ("module load python",), "python": "/opt/py/bin/python",
}  # fmt: skip


def site(kind: str, **fields) -> SiteProfile:
    return SiteProfile.model_validate({"kind": kind, **fields})


@pytest.mark.parametrize("text,words", [
    ("kind: slrum\n", "kind"),
    ("kind: slurm\nworker: 3\n", "did you mean workers?"),
    ("kind: slurm\njob: {walltime: 1 hour}\n", "walltime"),
    ("kind: slurm\njob: {memory: 4}\n", "memory"),
    ('kind: slurm\njob: {prologue: ["a\\nb"]}\n', "line break"),
    ('kind: slurm\njob: {queue: "main\\n#SBATCH --uid=0"}\n', "line break"),
    ("kind: local\njob: {cores: 2}\n", "section job is not read by kind local"),
    ("kind: address\n", "needs one"),
    ("kind: local\naddress: tcp://a:1\n", "address goes with kind address"),
    ("kind: address\naddress: a:1\n", "address"),
    ("kind: address\naddress: tls://a:1\n", "tls://"),
    ("kind: address\naddress: tcp://a:1\n", "tls.mode off"),
    ("kind: ssh\n", "ssh.hosts"),
    ("kind: local\nworkers: 2\nadaptive: {maximum: 4}\n", "not both"),
    ("kind: local\nadaptive: {minimum: 5, maximum: 4}\n", "above maximum"),
    ("kind: slurm\ntls: {mode: files}\n", "ca_file"),
    ("kind: slurm\ntls: {ca_file: x}\n", "reads no certificate files"),
    ("kind: !!python/object:os.system x\n", "plain YAML"),
])  # fmt: skip
def test_what_is_wrong_is_said(text, words, tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        load_profile(file)
    assert words in str(wrong.value)


@pytest.mark.parametrize("kind,lines", [
    ("slurm", ["#SBATCH -p long", "#SBATCH -A chem", "#SBATCH -t 26:30:00", "#SBATCH --cpus-per-task=4", "#SBATCH --mem=16G",
               "#SBATCH -l feature=avx512"]),
    ("pbs", ["#PBS -q long", "#PBS -A chem", "#PBS -l walltime=26:30:00", "#PBS -l select=1:ncpus=4:mem=16GB",
             "#PBS -l feature=avx512"]),
    ("lsf", ["#BSUB -q long", '#BSUB -P "chem"', "#BSUB -W 26:30", "#BSUB -n 4", "#BSUB -l feature=avx512"]),
])  # fmt: skip
def test_job_scripts(kind, lines, tmp_path):
    script = job_script(site(kind, job=JOB))
    written = script.splitlines()
    assert [line for line in lines if line not in written] == [], script
    assert "module load python" in written
    assert "export OMP_NUM_THREADS=1" in written
    assert written.index("module load python") < len(written) - 1
    work = written[-1]
    assert work.startswith("/opt/py/bin/python -m distributed.cli.dask_worker tls://scheduler:8786 ")
    assert " --nworkers 4 " in work and " --nthreads 1 " in work
    assert " --lifetime 85860s " in work, "a worker must make room before the job is killed"
    assert " --dashboard-address 127.0.0.1:0" in work
    (tmp_path / "job.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "job.sh"], check=True)


def test_a_lifetime_of_the_profile_wins():
    assert "90s" in job_options(site("slurm", lifetime="90s"))["worker_extra_args"]


@pytest.fixture
def operator():
    """Validates as the operator's own schema of a DaskCluster does, which leaves pods to Kubernetes."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing.jsonschema")
    folder = importlib.resources.files("dask_kubernetes.operator").joinpath("customresources")
    definition = yaml.safe_load(folder.joinpath("daskcluster.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    def retrieve(uri):
        own = uri.endswith("templates.yaml")
        return referencing.DRAFT7.create_resource(
            yaml.safe_load(folder.joinpath("templates.yaml").read_text())
            if own
            else {"definitions": {"io.k8s.api.core.v1.PodSpec": {}, "io.k8s.api.core.v1.ServiceSpec": {}}}
        )

    import referencing as registries

    return jsonschema.Draft7Validator(schema, registry=registries.Registry(retrieve=retrieve))


def unknown_fields(kind, data: dict) -> set[str]:
    """Fields that Kubernetes does not know, by its own client's classes."""
    client = pytest.importorskip("kubernetes.client")
    return set(data) - set(getattr(client, kind).attribute_map.values())


def test_the_manifest_is_what_the_operator_takes(operator):
    shape = {"image": "registry/cinchona:1", "namespace": "chem", "cpu": "2", "memory": "8GiB", "volume_claim": "runs"}
    made = manifest(site("kubernetes", workers=5, lifetime="2h", kubernetes=shape))
    assert [e.message for e in operator.iter_errors(made)] == []
    worker = made["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert (made["metadata"]["namespace"], worker["replicas"]) == ("chem", 5)
    assert container["image"] == "registry/cinchona:1"
    assert container["resources"]["limits"] == {"cpu": "2", "memory": str(8 * 2**30)}
    assert container["args"][-5:] == ["--nthreads", "1", "--lifetime", "7200s", "--lifetime-restart"]
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in container["env"]
    for pod in (worker["spec"], made["spec"]["scheduler"]["spec"]):
        assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "runs"}
        assert pod["containers"][0]["volumeMounts"] == [{"name": "work", "mountPath": "/work"}]
        assert unknown_fields("V1PodSpec", pod) == unknown_fields("V1Container", pod["containers"][0]) == set()
        assert unknown_fields("V1Volume", pod["volumes"][0]) == set()
    assert list(operator.iter_errors({**made, "spec": {"worker": {"replicas": "five"}}}))


@pytest.mark.parametrize(
    "kind,package,extra", [("slurm", "dask_jobqueue", "slurm"), ("kubernetes", "dask_kubernetes", "k8s")]
)
def test_a_missing_package_is_named(kind, package, extra, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match="is not installed") as missing:
        (manifest if kind == "kubernetes" else job_script)(site(kind))
    assert f"cinchona[{extra}]" in missing.value.remedy


def test_jobs_get_certificates_of_their_own():
    security = security_of(site("slurm"))
    assert security is not None and security.require_encryption
    assert "PRIVATE KEY" in security.tls_worker_key
    assert security_of(site("local")) is None
    assert security_of(site("slurm", tls={"mode": "off"})) is None


@pytest.mark.parametrize("fields", [{"kind": "ssh", "ssh": {"hosts": ["a"]}}, {"kind": "kubernetes"}])
def test_nothing_talks_in_the_clear_unless_told(fields):
    with pytest.raises(ConfigError, match="needs to be told how to encrypt"):
        security_of(SiteProfile.model_validate(fields))
    told = SiteProfile.model_validate({**fields, "tls": {"mode": "off"}})
    assert security_of(told) is None


def test_a_certificate_that_is_missing(tmp_path):
    files = {name: tmp_path / name for name in ("ca_file", "cert_file", "key_file")}
    with pytest.raises(InputError, match="ca_file is missing"):
        security_of(site("ssh", ssh={"hosts": ["a"]}, tls={"mode": "files", **files}))


def test_a_profile_goes_with_dask(tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text("kind: local\nworkers: 3\n")
    with pytest.raises(ConfigError, match="where Dask workers run"):
        make_executor(ExecutorConfig(kind="serial", profile=file))
    executor = make_executor(ExecutorConfig(profile=file))
    assert (executor.n_workers, executor.max_in_flight) == (3, 6)
    executor.close()


def test_examples_of_the_page_are_profiles(repository):
    page = Path(repository, "docs", "howto", "cluster.md").read_text()
    examples = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    assert len(examples) >= 5
    kinds = {SiteProfile.model_validate(yaml.safe_load(text)).kind for text in examples}
    assert {"slurm", "ssh", "kubernetes", "address", "local"} <= kinds
