"""The notebook on a drug's safety profile runs from top to bottom in the environment of the tests."""

from __future__ import annotations

import json
import sys

import pytest

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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_notebook_runs(kernel, repository, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext", reason="needs jupytext and nbclient")
    nbclient = pytest.importorskip("nbclient", reason="needs jupytext and nbclient")
    monkeypatch.setenv("CINCHONA_NOTEBOOK_FOLDER", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    notebook = jupytext.read(repository / "notebooks" / "drug_safety_profile.py")
    client = nbclient.NotebookClient(
        notebook, kernel_name=kernel, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    shown = [kind for o in outputs for kind in o.get("data", {})]
    assert shown.count("image/svg+xml") == 3, "the pictures are drawn"
    pages = "".join(o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {}))
    assert "ror025" in pages
    assert "<svg" in (tmp_path / "work" / "profile.html").read_text(encoding="utf-8")
