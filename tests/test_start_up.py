"""What may import what: the library runs where neither Kedro nor MLflow is installed."""

import subprocess
import sys

LIBRARY = ["recipe", "training.train", "evaluation.evaluate", "evaluation.table", "data.library", "data.grid"]
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


def imported_by(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_library_imports_neither_kedro_nor_mlflow_nor_anything_heavy():
    assert not imported_by(*(f"papergan.{name}" for name in LIBRARY)) & HEAVY


def test_starting_kedro_imports_nothing_heavy_but_torch():
    found = imported_by("papergan.settings", "papergan.pipeline_registry")
    assert not found & (HEAVY - {"kedro", "kedro_datasets"})
