"""Models of vectors: loaded, sampled to tables; what is for images refuses them in one line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import papergan
from papergan import systems
from papergan.command_line import main
from papergan.data.images import ImageSpec
from papergan.errors import CheckpointError, RecipeError
from papergan.game.schedules import Progress
from papergan.inference import VectorGenerator
from papergan.inference.locate import load_generator
from papergan.inference.model_folder import StoredModel, write_model
from papergan.inference.vectors import stored_vector_model
from papergan.serving.server import create_app
from papergan.vectors.vectors import Normalisation

SMALL = {"latent_dim": 2, "width": 4}
SCALE = Normalisation(torch.tensor([100.0, -5.0], dtype=torch.float64), torch.tensor([10.0, 0.5], dtype=torch.float64))


def vector_model() -> StoredModel:
    game = systems.build("gan", ImageSpec(2, 1), SMALL, seed=0)
    return stored_vector_model(
        game, game.sampler().state_dict(), system="gan", overrides=SMALL, image=ImageSpec(2, 1),
        columns=("height", "weight | kg"), normalisation=SCALE, progress=Progress(7, 70),
        about={"experiment": "mine", "dataset": "people/train", "metrics": {"frechet": 0.25}, "seed": 3},
    )  # fmt: skip


@pytest.fixture(scope="module")
def stored():
    return vector_model()


@pytest.fixture
def folder(stored, tmp_path):
    write_model(tmp_path / "model", stored)
    return tmp_path / "model"


def command(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_a_stored_model_makes_the_rows_of_its_network_on_the_scale_of_its_table(folder):
    model = papergan.load(folder)
    assert isinstance(model, VectorGenerator)
    rows = model.sample(600, seed=1)
    made = torch.cat(list(systems.build("gan", ImageSpec(2, 1), SMALL, seed=0).sampler().stream(600, seed=1)))
    assert torch.allclose(rows.values, made.flatten(1).double() * SCALE.scale + SCALE.centre)
    assert torch.allclose(model.sample(5, seed=1).values, rows.values[:5])  # but for the rounding of products
    assert list(rows.frame().columns) == ["height", "weight | kg"]
    assert "columns height, weight | kg" in repr(model)


def test_latents_are_drawn_on_the_cpu_wherever_the_network_lies(stored, monkeypatch):
    here, elsewhere = VectorGenerator(stored), VectorGenerator(stored)
    elsewhere.to("meta")  # which holds no numbers: any device but the CPU
    monkeypatch.setattr(elsewhere, "device", torch.device("cpu"))
    monkeypatch.setattr(elsewhere.sampler, "decode", here.sampler.decode)
    assert torch.equal(elsewhere.sample(5, seed=1).values, here.sample(5, seed=1).values)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_tables_hold_every_digit(folder, tmp_path, suffix):
    rows, path = papergan.load(folder).sample(10), tmp_path / f"rows.{suffix}"
    assert command("sample", folder, "-n", 10, "--out", path).exit_code == 0
    if suffix == "npy":
        found = np.load(path)
    else:
        found = (pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)).to_numpy()
    assert np.array_equal(found, rows.values.numpy())


def test_the_card_says_what_the_model_is(stored):
    assert "unconditional rows of 2 columns of numbers, trained on people/train" in stored.card
    assert "| frechet | 0.25 |" in stored.card
    assert "weight \\| kg" in stored.card
    assert json.loads(stored.card.split("tags: ")[1].split("\n")[0]) == ["gan", "tabular", "pytorch", "gan"]


def test_what_is_for_images_refuses_it_in_one_line(folder, tmp_path):
    model = papergan.load(folder)
    with pytest.raises(CheckpointError, match="makes rows of a table, and images are needed"):
        load_generator(folder)
    with pytest.raises(RecipeError, match="makes rows of a table and is not served"):
        create_app(model)
    for given, why in (
        (["--class", "cat"], "leave --class, --truncation and --format out"),
        (["--format", "grid"], "leave --class, --truncation and --format out"),
        (["--out", tmp_path / "rows.xlsx"], "rows are written to .csv, .parquet, .npy"),
    ):
        result = command("sample", folder, "-n", 3, *given)
        assert result.exit_code != 0
        assert why in result.output
    with pytest.raises(RecipeError):
        model.sample(0)


@pytest.mark.parametrize("vector", [{}, {"columns": ["a"], "centre": [0.0], "scale": [1.0]},
                                    {"columns": ["a", "b"], "centre": ["x", 0.0], "scale": [1.0, 1.0]}])  # fmt: skip
def test_a_damaged_configuration_is_one_line(stored, vector):
    with pytest.raises(CheckpointError, match="the configuration of this model is damaged"):
        VectorGenerator(StoredModel(stored.tensors, {**stored.config, "vector": vector}))
