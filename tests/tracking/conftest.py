"""One database of MLflow for all tests of this folder to copy: its tables take seconds to make."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from papergan.reporting.image_grid import ImageGrid
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore


@pytest.fixture(scope="session")
def new_database(tmp_path_factory) -> Path:
    """As the first run of a workspace makes it; that run is the only one in it."""
    folder = tmp_path_factory.mktemp("database")
    store = MlflowStore(MlflowConfiguration(f"sqlite:///{folder}/mlruns/mlflow.db", f"{folder}/artifacts"))
    tracker = store.begin("zaika2025", "first", {})
    tracker.picture(ImageGrid(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), "caption"), 0)
    tracker.finish("FINISHED")
    store.run_locks.release(tracker.run_id)
    return folder / "mlruns" / "mlflow.db"
