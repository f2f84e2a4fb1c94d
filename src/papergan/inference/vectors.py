"""Trained generators of vectors: table rows with the column names and the scale of the training data."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from papergan.atomic_files import write_whole
from papergan.data.images import ImageSpec
from papergan.data.memory import check_memory
from papergan.errors import CheckpointError, RecipeError
from papergan.game.game import Game
from papergan.game.sampler import CHUNK
from papergan.game.schedules import Progress
from papergan.inference.card_text import HERE, UNKNOWN, text
from papergan.inference.description import describe_plain
from papergan.inference.labels import check_count
from papergan.inference.model_folder import StoredModel
from papergan.inference.plain_card import plain_card
from papergan.inference.samples import check_no_folder
from papergan.inference.sampling import Request
from papergan.inference.store import restored, stored_model, stored_progress, stored_spec
from papergan.messages import quoted, sanitise
from papergan.vectors.vectors import Normalisation

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES: Final = (".csv", ".parquet", ".npy")
RISKS = """\
## Intended use, misuse and risks

Research and teaching: looking at what a method of training does, and comparing methods under one protocol. Generated
rows are no records of anything: say that they are generated. They are not anonymous by being generated: a generator can
give back rows that it was trained on, and that was not measured here. It repeats the gaps of its training rows, and
whole numbers, bounds and rules between columns are not kept.
"""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Rows made by a model. values: float64 [N, D], in the scale of the training table. columns: D names."""

    values: Tensor
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def frame(self) -> pd.DataFrame:
        """As a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.values.numpy(), columns=list(self.columns))

    def save(self, path: str | Path) -> Path:
        """Write a .csv, .parquet or .npy file, replacing an existing one; returns its path.

        Raises RecipeError for another suffix, StorageError if the disk cannot be written.
        """
        import numpy as np

        path, content = Path(path).expanduser(), io.BytesIO()
        suffix = path.suffix.lower()
        if suffix == ".csv":
            self.frame().to_csv(content, index=False)
        elif suffix == ".parquet":
            self.frame().to_parquet(content, index=False)
        elif suffix == ".npy":
            np.save(content, self.values.numpy())
        else:
            raise RecipeError(f"{sanitise(path)}: rows are written to {', '.join(SUFFIXES)}")
        write_whole(path, content.getvalue())
        return path


class VectorGenerator:
    """A trained generator of vectors. Row i of a seed depends only on (seed, i).

    Neither the number of rows nor the device changes it, except for rounding.
    metrics: its scores; {} if they were not stored. digest: SHA-256 of its weights.
    Raises CheckpointError if the stored weights do not fit the system that they name.
    """

    def __init__(self, stored: StoredModel, device: torch.device | str = "cpu") -> None:
        self.stored, config = stored, stored.config
        self.system, self.digest = str(config["system"]), str(config["digest"])
        self.metrics: dict[str, float] = dict(stored.about.get("metrics", {}))
        self.progress = stored_progress(config)
        try:
            self.columns = tuple(map(str, config["vector"]["columns"]))
            self.normalisation = Normalisation.stored(config["vector"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: from torch
            raise CheckpointError(f"the configuration of this model is damaged: {quoted(str(error)):.200}") from error
        sizes = {len(self.columns), len(self.normalisation.centre), len(self.normalisation.scale)}
        if sizes != {int(config["image"]["channels"])}:
            raise CheckpointError(
                "the configuration of this model is damaged: its columns are not those of its network"
            )
        self.sampler, _ = restored(stored, stored_spec(config))
        self._on_cpu = self.sampler.drawing_on_cpu()
        self.to(device)

    def to(self, device: torch.device | str) -> VectorGenerator:
        """Move the networks to a device."""
        self.device = torch.device(device)
        self.sampler.to(self.device)
        return self

    def sample(self, n: int = 1, *, seed: int = 0) -> Vectors:
        """`n` rows, all held in memory. Raises RecipeError for an invalid count, DataError if they do not fit."""
        check_count(n)
        check_memory(f"{n} rows at once", 32 * n * len(self.columns), "take fewer")
        made = [self._chunk(chunk, min(CHUNK, n - chunk * CHUNK), seed) for chunk in range(-(-n // CHUNK))]
        return Vectors(self.normalisation.invert(torch.cat(made).flatten(1)), self.columns)

    def _chunk(self, chunk: int, count: int, seed: int) -> Tensor:
        """The first rows of one chunk, as output by the network."""
        drawn = self._on_cpu.latents(CHUNK, seed, "samples", chunk, progress=self.progress)
        return self.sampler.decode(*(part[:count].to(self.device) for part in drawn)).cpu()

    def __repr__(self) -> str:
        count = sum(one.numel() for one in self.sampler.parameters())
        what = f"generator of rows of {len(self.columns)} columns"
        return describe_plain(self.stored, what, count, f"columns {', '.join(self.columns)}")


def sample_rows(model: VectorGenerator, request: Request, out: Path) -> Path:
    """Write the rows of a request to a file; returns its path.

    Raises RecipeError for options of image generators, and as `Vectors.save`.
    """
    if request.labels or request.truncation is not None or request.format != "png":
        raise RecipeError("a model of vectors writes one table: leave --class, --truncation and --format out")
    if out.suffix.lower() not in SUFFIXES:
        raise RecipeError(f"--out {sanitise(out)}: rows are written to {', '.join(SUFFIXES)}")
    check_no_folder(out)
    return model.sample(request.n, seed=request.seed).save(out)


def stored_vector_model(
    game: Game, exported: Mapping[str, Tensor], *, system: str, overrides: Mapping[str, Any], image: ImageSpec,
    columns: Sequence[str], normalisation: Normalisation, progress: Progress, about: Mapping[str, Any],
) -> StoredModel:  # fmt: skip
    """The stored form of a generator of vectors, with its card.

    game: of this system. exported: `state_dict` of its sampler. about: any JSON: experiment, paper, dataset,
    data_digest, metrics, seed, versions.
    """
    stored = stored_model(
        game, exported, system=system, overrides=overrides, image=image, classes=(), progress=progress, weights="raw",
        about=about,
    )  # fmt: skip
    config = {**stored.config, "vector": {"columns": list(columns), **normalisation.config}}
    return StoredModel(stored.tensors, config, vector_card(config))


def vector_card(config: Mapping[str, Any], place: str = HERE) -> str:
    """The card from a stored model's configuration; missing entries are unknown. place: as for `plain_card`."""
    about, columns = dict(config["about"]), config["vector"]["columns"]
    return plain_card(
        config, tags=["tabular"], use='g.sample(1000, seed=0).save("rows.csv")', risks=RISKS,
        what=f"unconditional rows of {len(columns)} columns of numbers, trained on "
        f"{text(about.get('dataset', 'unknown rows'))}",
        facts={
            "rows": about.get("dataset", UNKNOWN), "digest of the training rows": about.get("data_digest", UNKNOWN),
            "columns": ", ".join(columns),
        },
        shown={"settings": config["settings"], "vector": config["vector"]}, place=place,
    )  # fmt: skip
