"""What may import what: the library runs where neither Kedro nor MLflow is installed."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from papergan.config.checked import Experiment
from papergan.pipeline_registry import register_pipelines

LIBRARY = [
    "config.experiment",
    "training.trainer",
    "evaluation.compute_metrics",
    "reporting.comparison_table",
    "data.library",
    "reporting.image_grid",
]
HEAVY = {
    "kedro",
    "kedro_datasets",
    "mlflow",
    "pandas",
    "scipy",
    "matplotlib",
    "plotly",
    "torch_fidelity",
    "torchvision",
}


def imported_by(*modules: str, then: str = "pass") -> set[str]:
    code = f"import sys, {', '.join(modules)}; {then}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_library_imports_neither_kedro_nor_mlflow_nor_anything_heavy():
    assert not imported_by(*(f"papergan.{name}" for name in LIBRARY)) & HEAVY


def test_starting_kedro_imports_nothing_heavy_not_even_torch():
    """So that `kedro --help`, and the refusal of a misspelt pipeline, come at once."""
    naming = "from papergan.config import registry; assert registry.discover()"
    found = imported_by("papergan.cli", "papergan.settings", then=naming)
    assert not found & ({"torch", "numpy", "pyarrow"} | HEAVY - {"kedro"})


def test_naming_all_pipelines_imports_torch_and_nothing_slower():
    naming = "assert papergan.pipeline_registry.register_pipelines()"
    assert not imported_by("papergan.pipeline_registry", then=naming) & (HEAVY - {"kedro"})


def test_what_hands_out_trials_imports_no_torch():
    assert "torch" not in imported_by("papergan.studies.workers", "papergan.studies.ray_workers")


NODES = [node for pipeline in register_pipelines().values() for node in pipeline.nodes]


@pytest.mark.parametrize("node", {node._func_name: node for node in NODES}.values(), ids=lambda node: node._func_name)
def test_a_function_takes_what_its_node_gives_it(node):
    inspect.signature(node.func).bind(*node.inputs)


def test_kedro_and_kedro_viz_see_the_function_itself():
    viz = pytest.importorskip("kedro_viz.models.flowchart.model_utils")
    (train,) = {node._func_name: node for node in NODES if node._func_name == "train"}.values()
    assert inspect.isfunction(train.func)
    assert inspect.getsource(viz._extract_wrapped_func(train.func)).startswith("def train(")
    assert Path(inspect.getfile(train.func)).name == "training.py"
    assert get_type_hints(train.func)["experiment"] is Experiment
