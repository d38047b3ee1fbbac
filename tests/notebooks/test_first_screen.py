"""The notebooks run from top to bottom in the environment of the tests."""

from __future__ import annotations

import importlib.metadata
import json
import sys

import pytest

NOTEBOOKS = {
    "first_screen": ("network", "the model shows its figures"),
    "space_of_products": ("combinations", "the space shows its counts"),
    "admet_endpoints": ("terfenadine", "the compounds show their endpoints"),
}
"""Each notebook with a word that its pages show, and why."""
KERNEL = "cinchona-tests"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel that is this very Python, whatever kernels the user has."""
    folder = tmp_path / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": command, "display_name": KERNEL, "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    return KERNEL


def installed(package):
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, kernel, repository, tmp_path, monkeypatch):
    if name == "admet_endpoints" and not installed("admet-ai"):
        pytest.skip("needs the files of ADMET-AI: pip install --no-deps admet-ai")
    jupytext = pytest.importorskip("jupytext", reason="needs jupytext and nbclient")
    nbclient = pytest.importorskip("nbclient", reason="needs jupytext and nbclient")
    monkeypatch.setenv("CINCHONA_NOTEBOOK_FOLDER", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    notebook = jupytext.read(repository / "notebooks" / f"{name}.py")
    client = nbclient.NotebookClient(
        notebook, kernel_name=kernel, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = "".join(o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {}))
    word, why = NOTEBOOKS[name]
    assert word in pages, why
    assert "<svg" in pages, "the hits have pictures"
    assert not [o for o in outputs if o.output_type == "error"]
    assert (tmp_path / "work" / "screen" / "report.html").is_file()
