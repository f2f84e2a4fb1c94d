"""Trained models by name, and what is said where there is none."""

from __future__ import annotations

import pytest
import torch

from helpers.small_systems import spec
from papergan import atomic_files, systems
from papergan.errors import CheckpointError
from papergan.game.schedules import Progress
from papergan.inference.model_folder import write_model
from papergan.inference.model_library import ModelLibrary, name_of
from papergan.inference.store import diverged_model, stored_model
from papergan.weights import Weights, encode

IMAGES = spec("dcgan", size=16)
SMALL = {"width": 4, "latent_dim": 4}


def model(seed):
    game = systems.build("dcgan", IMAGES, SMALL, seed=seed)
    return stored_model(
        game, game.sampler().state_dict(), system="dcgan", overrides=SMALL, image=IMAGES, classes=[],
        progress=Progress(), weights="raw", about={},
    )  # fmt: skip


def test_the_newest_model_of_an_experiment_and_a_folder(tmp_path):
    for seed, version in enumerate(("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z")):
        write_model(tmp_path / "models/mine/model" / version / "model", model(seed))
    library = ModelLibrary(tmp_path / "models")
    assert library.model("mine").config["digest"] == model(1).config["digest"]
    folder = tmp_path / "elsewhere"
    write_model(folder, model(2))
    assert library.model(str(folder)).config["digest"] == model(2).config["digest"]


def test_a_model_that_is_not_there_and_one_that_diverged(tmp_path):
    library = ModelLibrary(tmp_path)
    with pytest.raises(CheckpointError, match="no trained model 'mine'; train it first, `kedro run --pipelines mine`"):
        library.model("mine")
    write_model(
        tmp_path / "mine/model/2026-01-01T00.00.00.000Z/model", diverged_model("dcgan", "diverged at step 3", {})
    )
    with pytest.raises(CheckpointError, match="diverged at step 3"):
        library.model("mine")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("dcgan_cifar10", "dcgan_cifar10"),
        ("data/06_models/dcgan_cifar10/", "dcgan_cifar10"),
        ("data/06_models/dcgan_cifar10/model/2026-01-01T00.00.00.000Z/model", "dcgan_cifar10_2026-01-01T00.00.00.000Z"),
        ("/a/b/model/2026/model/model.safetensors", "b_2026"),
        ("/elsewhere/mine/model.safetensors", "mine"),
        ("models:/dcgan/3", "dcgan_3"),
        ("models:/dcgan@best", "dcgan@best"),
        ("hf://somebody/dcgan", "dcgan"),
        ("runs:/0123", "0123"),
    ],
)
def test_names_of_models_are_those_of_their_experiments(source, name):
    assert name_of(source) == name


def test_the_networks_of_a_training_are_its_newest_and_may_be_large(tmp_path, monkeypatch):
    monkeypatch.setitem(atomic_files.read_regular.__kwdefaults__, "most", 50)  # bytes of a document
    library, name = ModelLibrary(tmp_path), "trained.safetensors"
    with pytest.raises(CheckpointError, match="the discriminator is needed too"):
        library.networks("mine")
    for value, version in enumerate(("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z")):
        path = tmp_path / "mine" / name / version / name
        path.parent.mkdir(parents=True)
        path.write_bytes(encode(Weights({"networks.a": torch.full((2,), float(value))}, {"kind": "trained"})))
    assert library.networks("mine").under("networks")["a"].tolist() == [1.0, 1.0]
