"""Loading a trained generator from a folder, a file, an MLflow model or run, or the Hugging Face Hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from papergan.atomic_files import path_from, reading_errors
from papergan.errors import CheckpointError, PaperganError, RecipeError
from papergan.inference.generator import Generator
from papergan.inference.model_folder import CARD, CONFIG, PICTURE, WEIGHTS, StoredModel, output_of, read_model
from papergan.inference.sound.models import SoundModel, sound_model
from papergan.inference.translator import Translator
from papergan.inference.vectors import VectorGenerator
from papergan.messages import first_line, quoted
from papergan.project import COMMAND, MLFLOW_VARIABLE, workspace
from papergan.training.numerics import choose_device

AnyModel = Generator | SoundModel | VectorGenerator
G = TypeVar("G", Generator, VectorGenerator)
# raised by networks of impossible sizes, and by settings of a wrong type
DAMAGED = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def load(source: str | os.PathLike[str], device: torch.device | str | None = None) -> AnyModel:
    """Load a trained generator, ready to sample; if its input is images, a `Translator`, ready to translate.

    Sound models are a `SoundGenerator`, ready to sample, or a `Vocoder`; models of table rows a `VectorGenerator`.
    source: a model folder (config.json in it), the folder of an experiment below data/06_models (its newest model), a
    file model.safetensors, "models:/NAME@ALIAS" or "models:/NAME/VERSION", "runs:/ID" (both need mlflow), or
    "hf://ORGANISATION/NAME[@REVISION]" (needs huggingface_hub). device: None = a GPU if there is one.
    Raises CheckpointError if there is no model, or a damaged one; RecipeError for an unknown kind of source or a device
    that does not exist.
    """
    stored = read_model(locate(source))
    return _READERS[output_of(stored.config)](stored, _chosen(device))


def load_generator(source: str | os.PathLike[str], device: torch.device | str | None = None) -> Generator:
    """As `load`, only for image models. Raises CheckpointError for a model of sounds or vectors."""
    return _generator(read_model(locate(source)), _chosen(device))


def _generator(stored: StoredModel, device: torch.device) -> Generator:
    return _built(Translator if "input" in stored.config["image"] else Generator, stored, device)


def _vectors(stored: StoredModel, device: torch.device) -> VectorGenerator:
    return _built(VectorGenerator, stored, device)


def _built(kind: type[G], stored: StoredModel, device: torch.device) -> G:
    with configuration_errors():
        model = kind(stored)
    model.to(device)
    return model


@contextmanager
def configuration_errors() -> Iterator[None]:
    """Convert errors inside the block to CheckpointError, for reading a configuration that anyone may have written."""
    try:
        yield
    except PaperganError:
        raise
    except DAMAGED as error:
        raise CheckpointError(f"the configuration of this model is damaged: {quoted(str(error)):.200}") from error


_READERS: dict[str, Callable[[StoredModel, torch.device], AnyModel]] = {
    "images": _generator, "sounds": sound_model, "rows of a table": _vectors,
}  # fmt: skip


def _chosen(device: torch.device | str | None) -> torch.device:
    return choose_device("auto" if device is None else str(device))


def locate(source: str | os.PathLike[str]) -> Path:
    """The folder or file that `source` names, downloaded if it is remote. Raises as `load` for a source.

    Raises StorageError for a folder that cannot be read.
    """
    text = os.fspath(source)
    for scheme, fetch in _FETCH.items():
        if text.startswith(scheme):
            return fetch(text)
    if "://" in text or text.startswith(("models:", "runs:")):
        known = ", ".join(f"{scheme}..." for scheme in _FETCH)
        raise RecipeError(f"{quoted(text)} is not a place of a model; give a folder, a file, or {known}")
    path = path_from(text)
    if not path.exists():
        raise CheckpointError(f"{path} does not exist; `{COMMAND} run --pipelines NAME` writes a model at its end")
    with reading_errors(path):
        return newest_model(path) if path.is_dir() else path


def newest_model(folder: Path) -> Path:
    """`folder` itself if it is a model folder, or the newest one below it. Raises CheckpointError if there is none."""
    if not (found := models_in(folder)):
        raise CheckpointError(
            f"{folder} has no model in it: expected {CONFIG} and {WEIGHTS}, or an experiment's folder whose pipeline "
            "has come to its end"
        )
    return found[-1]


def models_in(folder: Path) -> list[Path]:
    """`folder` itself if it is a model folder, or those below it, the newest last; [] if there are none."""
    if (folder / CONFIG).is_file() or (folder / WEIGHTS).is_file():
        return [folder]
    # an experiment's folder has model/<version>/model/, with versions named by time
    found = sorted(folder.glob(f"model/*/model/{CONFIG}")) or sorted(folder.glob(f"*/model/{CONFIG}"))
    return [config.parent for config in found]


def _from_mlflow(text: str) -> Path:
    try:
        from mlflow import MlflowClient
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise RecipeError(f"{text}: needs MLflow; pip install mlflow") from None
    place = text
    with _mlflow_store(text) as store:
        try:
            if text.startswith("runs:/") and text.count("/") == 1:
                outputs = MlflowClient().get_run(text.removeprefix("runs:/")).outputs
                if not outputs or not outputs.model_outputs:
                    raise CheckpointError(f"{text}: this run has no model; it is logged at the end of an experiment")
                place = f"models:/{outputs.model_outputs[-1].model_id}"
            folder = Path(download_artifacts(artifact_uri=place))
        except (MlflowException, OSError) as error:
            raise CheckpointError(f"{text}: MLflow has no such model{store} ({first_line(error)})") from error
    found = sorted(folder.rglob(CONFIG))
    if not found:
        raise CheckpointError(f"{text} holds no model of papergan")
    return found[0].parent


@contextmanager
def _mlflow_store(text: str) -> Iterator[str]:
    """Let MLflow read the workspace's store inside the block, unless another one was chosen; yields " in ADDRESS".

    Raises CheckpointError if there is neither: MLflow would make an empty one in the working directory.
    """
    import mlflow

    if mlflow.is_tracking_uri_set():  # by the program or its environment
        yield ""
        return
    database = workspace() / "mlruns" / "mlflow.db"
    if not database.is_file():
        raise CheckpointError(f"{text}: there is no MLflow store {database}; name yours in {MLFLOW_VARIABLE}")
    os.environ[MLFLOW_VARIABLE] = f"sqlite:///{database}"
    try:
        yield f" in {database}"
    finally:
        del os.environ[MLFLOW_VARIABLE]


def _from_hub(text: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise RecipeError(f"{text}: needs huggingface_hub; pip install 'papergan[hub]'") from None
    name, _, revision = text.removeprefix("hf://").partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=[CONFIG, WEIGHTS, CARD, PICTURE]))
    except Exception as error:  # the library raises exceptions of requests, its own, and of the file system
        raise CheckpointError(f"{text}: the Hub has no such model ({first_line(error)})") from error


_FETCH: dict[str, Callable[[str], Path]] = {
    "models:/": _from_mlflow, "runs:/": _from_mlflow, "hf://": _from_hub,
}  # fmt: skip
