"""Notebooks run from top to bottom on the results of a run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.project_run import PROJECT, run_here

PICTURES = {"results": 2, "use_a_generator": 3}  # samples and curves; samples, truncation, interpolation


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAPERGAN_WORKSPACE", str(folder))
        run_here("hybrid_cifar10")
    return folder


@pytest.mark.parametrize("path", sorted(PROJECT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_committed_without_output(path, workspace, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(workspace))
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in shown) == PICTURES[path.stem]
    assert any("synthetic_shapes" in str(output.get("text", output.get("data", ""))) for output in shown)
