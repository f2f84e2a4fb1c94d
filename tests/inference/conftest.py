"""Model folders of small, untrained systems."""

from pathlib import Path

import pytest

from helpers.small_systems import small, spec, system_of
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.inference import Generator, load
from papergan.inference.model_folder import StoredModel, write_model
from papergan.inference.store import stored_model

CLASSES = ("airplane", "cat", "7")


def model_of(name: str, *, size: int = 16, images: ImageSpec | None = None) -> StoredModel:
    images = images or spec(name, size=size, classes=len(CLASSES))
    game = systems.build(system_of(name), images, small(name), seed=3)
    return stored_model(
        game, game.sampler().state_dict(), system=system_of(name), overrides=small(name), image=images, classes=CLASSES,
        progress=Progress(5, 20, 0.5), weights="raw",
        about={"experiment": f"{name}_tiny", "dataset": "drawn", "metrics": {"domain_fid": 12.5}},
    )  # fmt: skip


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory):
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("models") / name
            write_model(made[name], model_of(name))
        return made[name]

    return folder


@pytest.fixture(scope="session")
def loaded(folder_of):
    made: dict[str, Generator] = {}

    def generator(name: str) -> Generator:
        if name not in made:
            made[name] = load(folder_of(name), "cpu")
        return made[name]

    return generator
