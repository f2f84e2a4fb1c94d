"""Trained generators in MLflow: logged as pyfunc models, registered by experiment, with an alias for the best."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from papergan.messages import quiet_libraries
from papergan.project import MLFLOW_VARIABLE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

logger = logging.getLogger(__name__)

MODEL_NAME = "model"
TALKATIVE = ("mlflow", "mlflow.store.model_registry.abstract_store")  # loggers
REQUIREMENTS = ("torch", "safetensors", "numpy", "pillow", "pydantic", "pandas")
PACKAGE = Path(__file__).resolve().parents[1]


def log_generator(
    client: MlflowClient, run_id: str, folder: Path, *, name: str, metrics: Mapping[str, float], tags: Mapping[str, str]
) -> str:
    """Log a model folder as a model of this run, and register it under `name`; returns the version.

    The alias `best_fid` (`best_domain_fid`, ...) goes to the version with the lowest value among versions with the same
    protocol, in the tag `protocol`; a version with another protocol gets it only if no version has it.
    metrics: final scores. tags: of the version. Raises what MLflow raises.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    with _mlflow_set_up(client.tracking_uri), quiet_libraries(*TALKATIVE, level=logging.WARNING):
        # in the experiment of its run: MLflow itself would take the active experiment of this process
        entry = client.create_logged_model(client.get_run(run_id).info.experiment_id, MODEL_NAME, run_id)
        Model.log(
            artifact_path=None, model_id=entry.model_id, flavor=mlflow.pyfunc, run_id=run_id,
            python_model=str(Path(__file__).with_name("pyfunc_generator.py")), artifacts={"generator": str(folder)},
            signature=signature(), pip_requirements=list(_pinned()), code_paths=[str(PACKAGE)],
        )  # fmt: skip
        with suppress(MlflowException):  # it exists already
            client.create_registered_model(name)
        source = f"models:/{entry.model_id}"
        version = str(client.create_model_version(name, source, run_id, model_id=entry.model_id).version)
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    for metric in ("fid", "domain_fid", "rotation_fid"):
        if metric in metrics:
            client.set_model_version_tag(name, version, metric, repr(float(metrics[metric])))
            _move_alias(client, name, version, f"best_{metric}", metric)
    return version


def signature() -> ModelSignature:
    """The model signature: inputs n and label; params seed, truncation (0 = none) and format."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    columns = [("row", "long"), ("seed", "long"), ("index", "long"), ("label", "string"), ("png", "string")]
    return ModelSignature(
        inputs=Schema([ColSpec("long", "n"), ColSpec("string", "label", required=False)]),
        outputs=Schema([ColSpec(kind, name) for name, kind in columns]),
        params=ParamSchema(
            [ParamSpec("seed", "long", 0), ParamSpec("truncation", "double", 0.0), ParamSpec("format", "string", "png")]
        ),
    )


def _move_alias(client: MlflowClient, name: str, version: str, alias: str, metric: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        holder = client.get_model_version_by_alias(name, alias)
    except MlflowException:  # no version has the alias yet
        client.set_registered_model_alias(name, alias, version)
        return
    mine = client.get_model_version(name, version)
    same = holder.tags.get("protocol") == mine.tags.get("protocol")
    if same and float(mine.tags[metric]) < float(holder.tags.get(metric, "inf")):
        client.set_registered_model_alias(name, alias, version)


def _pinned() -> Iterator[str]:
    from importlib.metadata import version

    yield from (f"{package}=={version(package).partition('+')[0]}" for package in REQUIREMENTS)


@contextmanager
def _mlflow_set_up(uri: str) -> Iterator[None]:
    """Set MLflow's default tracking URI, which `Model.log` uses, and hide its progress bars inside the block.

    MLflow stores the URI in an environment variable too, which would be read as the user's own.
    """
    import mlflow

    bars = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    uri_before, before = mlflow.get_tracking_uri(), {name: os.environ.get(name) for name in (MLFLOW_VARIABLE, bars)}
    os.environ[bars] = "false"
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(uri_before)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
