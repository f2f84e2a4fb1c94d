"""Experiments in training or in a run: their files are left alone."""

from __future__ import annotations

from pathlib import Path

from papergan import file_locks
from papergan.errors import PaperganError
from papergan.maintenance.scan import MODELS, listed
from papergan.messages import sanitise
from papergan.tracking.configuration import MlflowConfiguration

TRAINED, RUNNING = "is being trained", "is being run"


def held(lock: Path) -> bool:
    """Whether a process holds this lock. One that cannot be opened counts as held."""
    try:
        return file_locks.is_held(lock)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def busy(data: Path, tracking: MlflowConfiguration) -> dict[str, str]:
    """Experiments by name, and why they are left alone, TRAINED or RUNNING.

    An experiment that is run trains for a part of that time only; before and after, its MLflow run is what shows it.
    Raises PaperganError where a run is alive and MLflow does not know its experiment.
    """
    running = {
        lock.stem
        for lock in listed(Path(tracking.artifacts).parent / "running")
        if lock.suffix == ".lock" and held(lock)
    }
    found = {_experiment_of(run, tracking.tracking_uri): RUNNING for run in sorted(running)}
    for folder in listed(data / MODELS):
        if _is_trained(folder):
            found[folder.name] = TRAINED
    return found


def _is_trained(folder: Path) -> bool:
    try:
        return any(held(store / "lock") for store in listed(folder / "checkpoints"))
    except PermissionError:  # of another user, whose process may train
        return True


def _experiment_of(run: str, uri: str) -> str:
    from mlflow import MlflowClient

    try:
        database = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not database.is_file():  # MLflow would make one
            raise FileNotFoundError(f"there is no {database}")
        return str(MlflowClient(tracking_uri=uri).get_run(run).data.tags["papergan.experiment"])
    except Exception as error:  # MLflow fails in many ways; each means the same here
        raise PaperganError(
            f"MLflow run {run} is alive, and of which experiment it is cannot be told ({sanitise(error)}); "
            "nothing is cleaned while it is, wait for its end"
        ) from error
