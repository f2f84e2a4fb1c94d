"""The picture of classes: those that a conditional generator is asked for, and those that a classifier sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.toy_extractor import PixelExtractor
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.stacked_images import stacked_classes
from papergan.extractors.feature_extractor import Features
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.sampler import Sampler
from papergan.pipelines.experiment.nodes import class_figures
from papergan.weights import Weights

NAMES = ("red", "green", "blue")
GENERATOR = Weights({}, {"dataset": "toy/train", "step": "5", "images": "40", "epoch": "1.0"})
EMPTY = torch.zeros(0, 3, 8, 8, dtype=torch.uint8)
IMAGES = ImageSplits(*(ImageSet("toy", EMPTY, torch.zeros(0, dtype=torch.int64), NAMES) for _ in range(2)))


class BrightChannels(PixelExtractor):
    """Stacked classes of "dark" and "bright", a channel each."""

    def __call__(self, pixels: torch.Tensor) -> Features:
        means = pixels.float().mean((2, 3))
        modes = (means > 128).long() @ torch.tensor([4, 2, 1])
        return Features(means, nn.functional.one_hot(modes, 8).float())


class Colours(nn.Module):
    """The channel of the class is bright; where it is asked for blue, red."""

    def forward(self, latent: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        mixed = classes @ torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0]])
        return (mixed - 0.5)[:, :, None, None].expand(-1, -1, 8, 8)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch):
    def draw(labels: str, *extractors: PixelExtractor):
        recipe = Recipe.parse("toy", {
            "paper": "tahvili2025", "system": "dcgan", "overrides": {"labels": labels},
            "dataset": "toy", "training": {"steps": 5, "device": "cpu"},
            "evaluation": {"final_num_samples": 300},
        })  # fmt: skip
        sampler = Sampler(WithChoice(Gaussian(2), 3), Colours())
        monkeypatch.setattr(class_figures, "exported_sampler", lambda *_: sampler)
        monkeypatch.setattr(class_figures, "extractors_of", lambda *_: list(extractors))
        return class_figures.draw_by_class(Experiment("toy", recipe), IMAGES, Weights({}), GENERATOR)

    return draw


def colours(grid) -> list[list[int]]:
    return grid.images.float().mean((2, 3)).argmax(1).view(3, 10).tolist()


def test_a_row_of_each_class_that_was_asked_for(drawn) -> None:
    grid = drawn("maps", PixelExtractor(class_names=NAMES))
    assert colours(grid) == [[0] * 10, [1] * 10, [0] * 10]
    assert grid.row_labels == ("red 100 %", "green 100 %", "blue 0 %")
    assert "a row of each class that was asked for, and how many of 300 samples the classifier takes" in grid.caption


def test_without_a_classifier_the_rows_have_names_alone(drawn) -> None:
    grid = drawn("maps")
    assert colours(grid) == [[0] * 10, [1] * 10, [0] * 10]
    assert grid.row_labels == NAMES


def test_of_any_other_generator_those_that_the_classifier_sees(drawn) -> None:
    grid = drawn("none", PixelExtractor(class_names=NAMES))
    assert colours(grid)[:2] == [[0] * 10, [1] * 10]
    assert grid.images[20:].max() == 0  # none is seen as blue
    assert [label.split()[0] for label in grid.row_labels] == list(NAMES)
    assert "there is no classifier" in drawn("none").caption


def test_of_stacked_images_one_sample_of_each_mode_and_how_many_there_are(drawn) -> None:
    grid = drawn("none", BrightChannels(class_names=stacked_classes(("dark", "bright"))))
    assert "one sample of each mode by predicted class: 2 of 8 in 300 samples" in grid.caption
    assert [bool(image.any()) for image in grid.images] == [False, False, True, False, True, False, False, False]
    assert grid.images[2].float().mean((1, 2)).argmax() == 1  # dark+bright+dark: the green one
    assert grid.row_labels == ("dark+dark+dark",)
