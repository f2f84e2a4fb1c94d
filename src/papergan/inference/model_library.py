"""Trained models by name: those of experiments trained here, and any source that `load` accepts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from papergan.atomic_files import path_from
from papergan.data.memory import read_into_memory
from papergan.errors import CheckpointError, did_you_mean
from papergan.inference.locate import locate, models_in
from papergan.inference.model_folder import WEIGHTS, StoredModel, read_model
from papergan.messages import quoted, sanitise
from papergan.project import COMMAND
from papergan.weights import Weights, decode

TRAINED = "trained.safetensors"


def name_of(source: str) -> str:
    """A short name, usable for a folder, of a source for `papergan.load`: with the experiment if it can be inferred.

    `.../<experiment>/model/<version>/model`, as written by experiments, becomes `<experiment>_<version>`; version N of
    a registered model becomes `<name>_<N>`; any other folder, file or address its last part.
    """
    if source.startswith("models:/"):
        return "_".join(source.removeprefix("models:/").strip("/").split("/")) or source
    parts = list(Path(source).expanduser().absolute().parts if ":" not in source else Path(source).parts)
    if parts[-1] == WEIGHTS and len(parts) > 1:
        parts.pop()
    if len(parts) > 3 and parts[-1] == parts[-3] == "model":
        return f"{parts[-4]}_{parts[-2]}"
    return parts[-1]


@dataclass(frozen=True)
class ModelLibrary:
    """Models by the name of the experiment that trained them. folder: the folder of all experiments, data/06_models."""

    folder: Path

    def names(self) -> list[str]:
        """The experiments that have a model here."""
        return [one.name for one in sorted(self.folder.glob("*/")) if models_in(one)]

    def place(self, name: str) -> Path:
        """The model folder or file of an experiment, or of a source for `papergan.load`.

        Raises CheckpointError if there is none, RecipeError for an unknown kind of source.
        """
        of_experiment = path_from(self.folder / name)
        if of_experiment.is_dir():
            return locate(of_experiment)
        if ":" not in name and not path_from(name).exists():
            advice = f"train it first, `{COMMAND} run --pipelines {name}`, or give a model folder"
            hint = did_you_mean(name, self.names(), advice)
            hint += f" Otherwise {advice}" if advice not in hint else ""
            raise CheckpointError(f"there is no trained model {quoted(name)}{hint}")
        return locate(name)

    def model(self, name: str) -> StoredModel:
        """The newest model of this name. Raises as `place` does, and CheckpointError for a damaged or diverged one."""
        stored = read_model(self.place(name))
        if "diverged" in stored.config:
            raise CheckpointError(
                f"model {quoted(name)} has no generator: its training {sanitise(stored.config['diverged'])}"
            )
        return stored

    def networks(self, name: str) -> Weights:
        """The weights of all networks of an experiment after its newest training run: "networks.<name>".

        Raises CheckpointError if it was not trained here: a model folder has only the generator.
        """
        found = sorted((self.folder / name).glob(f"{TRAINED}/*/{TRAINED}"))
        if not found:
            raise CheckpointError(
                f"{self.folder / name / TRAINED} does not exist: the discriminator is needed too, which only an "
                f"experiment that was trained here has; {COMMAND} run --pipelines NAME trains one"
            )
        return decode(read_into_memory(found[-1]), found[-1])
