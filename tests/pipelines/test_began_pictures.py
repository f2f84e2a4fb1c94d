"""Pictures of a game whose judge is an autoencoder."""

from __future__ import annotations

import pytest
import torch

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSpec, ImageSplits
from papergan.data.preparation import prepare
from papergan.pipelines.experiment.nodes.export import swap_in_ema
from papergan.pipelines.experiment.nodes.figures import interpolate, most_asymmetric
from papergan.pipelines.experiment.restore import new_game
from papergan.weights import Weights

RECIPE = {
    "paper": "zaika2025", "dataset": "synthetic_shapes", "image_size": 16, "training": {"steps": 1},
    "evaluation": {"inception": False, "splits": 2},
}  # fmt: skip


def drawn(system: str, **overrides):
    experiment = Experiment("began_text", Recipe.parse("it", {**RECIPE, "system": system, "overrides": overrides}))
    recipe, spec = experiment.recipe, ImageSpec(3, 16, 10)
    images = prepare(ImageSplits(synthetic_shapes("train", 20), synthetic_shapes("test", 40)), size=16, limit=None)
    about = {
        "recipe": recipe.fingerprint, "dataset": "drawn shapes", "channels": "3", "size": "16", "num_classes": "10",
        "step": "1", "images": "8", "epoch": "0.5",
    }  # fmt: skip
    game = new_game(recipe, spec)
    tensors = {f"networks.{name}": tensor.contiguous() for name, tensor in game.networks.state_dict().items()}
    trained = Weights(tensors, about)
    grid = interpolate(experiment, images, trained, swap_in_ema(experiment, images, trained))
    return grid, images


@pytest.mark.parametrize("system", ["began_original", "began_v3"])
def test_ways_between_codes_and_to_mirror_images_stand_below_those_of_latents(system):
    grid, images = drawn(system, width=4, latent_dim=4)
    rows = grid.images.view(16, 11, 3, 16, 16)
    assert grid.row_labels == ("latents",) * 8 + ("codes",) * 4 + ("mirror",) * 4
    assert torch.equal(rows[8:12, 0], images.test.images[0:8:2])
    assert torch.equal(rows[8:12, -1], images.test.images[1:8:2])
    assert torch.equal(rows[12:, 0].flip(3), rows[12:, -1])
    assert torch.equal(rows[12:, 0], most_asymmetric(images.test.images, 4))


def test_a_judge_without_codes_has_the_ways_between_latents_alone():
    grid, _ = drawn("dcgan", width=4, latent_dim=4)
    assert grid.images.shape == (80, 3, 16, 16)
    assert grid.row_labels == ()


def test_the_most_lopsided_are_found_and_keep_their_order():
    images = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)
    images[1, :, :, 0], images[3, :, :, 0], images[4, :, :, :] = 100, 200, 255
    assert torch.equal(most_asymmetric(images, 2), images[[1, 3]])
