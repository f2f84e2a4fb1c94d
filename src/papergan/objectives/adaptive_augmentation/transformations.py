"""Adaptive discriminator augmentation (ADA): transformations of images, each applied with a probability.

Source: Karras et al. 2020, arXiv:2006.06676, section 2 and appendix B: its pipeline is "bgc".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from papergan.errors import did_you_mean
from papergan.game.game import Game
from papergan.messages import quoted
from papergan.objectives.adaptive_augmentation.matrices import COLOUR, GEOMETRY, Draws, cut_out, product, recoloured
from papergan.objectives.adaptive_augmentation.probability import AugmentationProbability, ScheduledProbability
from papergan.objectives.adaptive_augmentation.resampling import moved_pixels, resampled

GROUPS = {
    "b": ("flip", "quarter_turns", "whole_pixels"),
    "g": ("scale", "rotation", "stretch", "shift"),
    "c": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    "o": ("cutout",),
}
"""The transformations of the paper's figure 4 by its letters: pixel blitting, geometry, colour; o: cutout."""


class AdaptiveAugment:
    """An augmentation that applies each transformation to each image with probability p.

    pipeline: letters of GROUPS, "bgc", or names of transformations, separated by + signs. probability: the game's
    controller that holds `p`. shares: fractions of p for some of them, by name; 1 for all others. Images [B, C, S, S]
    of 1 or 3 channels; linear in them, so differentiable any number of times. Values may leave [-1, 1]. Raises
    ValueError for an unknown transformation.
    """

    def __init__(
        self, probability: AugmentationProbability | ScheduledProbability, pipeline: str = "bgc",
        shares: Mapping[str, float] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.probability, self.shares = probability, shares
        self.names = _names(pipeline)

    def __repr__(self) -> str:
        return f"AdaptiveAugment({', '.join(self.names)})"

    def __call__(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            return self._augmented(images.float()).to(images.dtype)

    def _augmented(self, images: Tensor) -> Tensor:
        geometric = [name for name in GEOMETRY if name.removeprefix("second_") in self.names]
        colours = [name for name in COLOUR if name in self.names]
        if geometric:
            matrices = self._product(images, geometric)
            between = set(geometric) & set(GROUPS["g"])  # else every pixel falls on a pixel
            images = resampled(images, matrices) if between else moved_pixels(images, matrices)
        if colours:
            images = recoloured(images, self._product(images, colours))
        return cut_out(self._draws(images, "cutout")) if "cutout" in self.names else images

    def _draws(self, images: Tensor, name: str) -> Draws:
        share = self.shares.get(name.removeprefix("second_"), 1.0)
        return Draws(images, share * self.probability.p.to(images.dtype))

    def _product(self, images: Tensor, names: list[str]) -> Tensor:
        """The product of the matrices: coordinates [B, 3, 3], of which the last acts first, or colours [B, 4, 4]."""
        whole: Tensor | None = None
        for name in names:
            matrix = (GEOMETRY | COLOUR)[name](self._draws(images, name))
            if whole is not None:
                matrix = product(matrix, whole) if name in COLOUR else product(whole, matrix)
            whole = matrix
        assert whole is not None
        return whole


def with_adaptive_augmentation(game: Game, pipeline: str) -> Game:
    """The game with ADA before every discriminator; p follows the showcase's discriminator.

    Raises ValueError for an unknown transformation, for a game that augments images already, and for one whose
    discriminator has no scores with a sign: one that is not trained, or whose scores are vectors, as of RealnessGAN's
    distributions and MMD's codes.
    """
    if game.augment is not None:
        raise ValueError(
            f"adaptive_augmentation: the system augments images itself, by {game.augment}; switch that off"
        )
    probability = AugmentationProbability(match=game.showcase)
    turn = probability.training_turn(game)
    if turn is None or any(getattr(getattr(term, "loss", None), "vector_scores", False) for term in turn.objective):
        raise ValueError(
            "adaptive_augmentation follows the signs of the discriminator's scores, and here "
            + ("no discriminator is trained" if turn is None else "a score is a vector")
            + "; leave it out"
        )
    game.augment = AdaptiveAugment(probability, pipeline)
    game.controllers = {**game.controllers, "augmentation": probability}
    return game


def _names(pipeline: str) -> tuple[str, ...]:
    parts = [part.strip() for part in pipeline.replace(",", "+").split("+")]
    known = [name for names in GROUPS.values() for name in names]
    found: list[str] = []
    for part in parts:
        if part in known:
            found.append(part)
        elif part and set(part) <= set(GROUPS):
            found += [name for letter in part for name in GROUPS[letter]]
        else:
            raise ValueError(
                f"unknown transformation {quoted(part)} in pipeline {quoted(pipeline)}{did_you_mean(part, known)}; "
                f"letters are {', '.join(GROUPS)}"
            )
    return tuple(found)
