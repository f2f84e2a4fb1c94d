"""Input images of a translation: made from the data set's images, paired with them by name, or of another domain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from papergan.data import degradations
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.data.input_images import InputSet, InputSplits
from papergan.data.preparation import only_classes
from papergan.errors import DataError
from papergan.messages import quoted
from papergan.randomness import seed_for
from papergan.validation import Seed, Size, StrictModel

Draw = Annotated[Seed, Field(ge=0)]
ClassNames = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]


class Degradation(StrictModel, ABC):
    """Base class of inputs made from the data set's own images, with which they therefore form pairs."""

    @abstractmethod
    def of(self, images: Tensor, purpose: str) -> Tensor:
        """uint8 [N, C, S, S] -> uint8 inputs. purpose: of random numbers, the split. Raises ValueError for a size."""

    @property
    @abstractmethod
    def described(self) -> str:
        """A description in words, for the names of sets."""

    def generator(self, seed: int, purpose: str) -> torch.Generator:
        """Random numbers on the host, a function of (seed, purpose)."""
        return torch.Generator().manual_seed(seed_for(seed, "degradation", purpose))


class Downsampled(Degradation):
    """Low resolution: bicubic with antialiasing, smaller by `factor`."""

    kind: Literal["downsampled"]
    factor: Literal[2, 4, 8] = 4

    def of(self, images: Tensor, purpose: str) -> Tensor:
        return degradations.downsampled(images, self.factor)

    @property
    def described(self) -> str:
        return f"downsampled by {self.factor}"


class Grey(Degradation):
    """The luminance of colour images."""

    kind: Literal["grey"]

    def of(self, images: Tensor, purpose: str) -> Tensor:
        return degradations.grey(images)

    @property
    def described(self) -> str:
        return "grey"


class Edges(Degradation):
    """Sobel edges, black on white."""

    kind: Literal["edges"]

    def of(self, images: Tensor, purpose: str) -> Tensor:
        return degradations.edges(images)

    @property
    def described(self) -> str:
        return "edges"


class Blurred(Degradation):
    """Gaussian blur. sigma: pixels."""

    kind: Literal["blurred"]
    sigma: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0

    def of(self, images: Tensor, purpose: str) -> Tensor:
        return degradations.blurred(images, self.sigma)

    @property
    def described(self) -> str:
        return f"blurred by {self.sigma:g} pixels"


class Noisy(Degradation):
    """Gaussian noise. deviation: in grey levels of 255; seed: of the noise."""

    kind: Literal["noisy"]
    deviation: Annotated[float, Field(gt=0.0, le=255.0)] = 25.0
    seed: Draw = 0

    def of(self, images: Tensor, purpose: str) -> Tensor:
        return degradations.noisy(images, self.deviation, self.generator(self.seed, purpose))

    @property
    def described(self) -> str:
        return f"noisy by {self.deviation:g}"


class Masked(Degradation):
    """A square hole, with its mask as one more channel. hole: pixels. place: of the hole; `seed` draws a random one."""

    kind: Literal["masked"]
    hole: Size = 16
    place: Literal["centre", "random"] = "centre"
    seed: Draw = 0

    def of(self, images: Tensor, purpose: str) -> Tensor:
        drawn = self.generator(self.seed, purpose) if self.place == "random" else None
        return degradations.masked(images, self.hole, drawn)

    @property
    def described(self) -> str:
        where = "in the centre" if self.place == "centre" else f"of seed {self.seed}"
        return f"hole of {self.hole} pixels {where}"


class Domain(StrictModel):
    """Another domain, unpaired. dataset: a name or path as in recipes. classes: only those; None = all."""

    kind: Literal["domain"]
    dataset: Annotated[str, Field(min_length=1)]
    classes: ClassNames | None = None


class Pairs(StrictModel):
    """Images paired by name with those of the recipe's own folder or zip file. dataset: a path with as many images."""

    kind: Literal["pairs"]
    dataset: Annotated[str, Field(min_length=1)]


InputSettings = Annotated[
    Downsampled | Grey | Edges | Blurred | Noisy | Masked | Domain | Pairs, Field(discriminator="kind")
]  # fmt: skip
"""The key `input` of a recipe."""


def input_spec(settings: InputSettings, images: ImageSpec, domain: ImageSpec | None) -> ImageSpec:
    """The spec of the generator's inputs for images of this kind.

    domain: of the other data set, for `Domain` and `Pairs`. Raises DataError if the two do not fit.
    """
    if isinstance(settings, Pairs):
        assert domain is not None
        return ImageSpec(domain.channels, images.size)
    if isinstance(settings, Domain):
        assert domain is not None
        if domain.channels != images.channels:
            raise DataError(
                f"input: images of {settings.dataset} have {domain.channels} channels, those they are translated to "
                f"{images.channels}; both domains need as many"
            )
        return ImageSpec(images.channels, images.size)
    try:
        made = settings.of(torch.zeros(1, images.channels, images.size, images.size, dtype=torch.uint8), "spec")
    except ValueError as error:
        raise DataError(f"input: {error}") from error
    return ImageSpec(made.shape[1], made.shape[2])


def with_inputs(
    images: ImageSplits, settings: InputSettings, domain: Callable[[Domain | Pairs], ImageSplits]
) -> ImageSplits:
    """The splits with their input images. domain: loads another domain, or pairs, at the size of these images.

    Raises DataError if they do not fit.
    """
    if isinstance(settings, Domain):
        other = domain(settings)
        inputs = InputSplits(*(_unpaired(getattr(other, split), settings) for split in ("train", "test")))
        if inputs.train.spec != replace(images.train.spec, num_classes=0):
            raise DataError(
                f"input: {inputs.train.name} has {_shape(inputs.train.spec)} images, {images.train.name} "
                f"{_shape(images.train.spec)}; both domains need one kind"
            )
        return replace(images, inputs=inputs)
    if isinstance(settings, Pairs):
        other = domain(settings)
        return replace(images, inputs=InputSplits(*(
            InputSet(one.name, one.images, paired=True) for one in (other.train, other.test)
        )))  # fmt: skip
    paired = InputSplits(_paired(images.train, settings, "train"), _paired(images.test, settings, "test"))
    return replace(images, inputs=paired)


def _unpaired(images: ImageSet, settings: Domain) -> InputSet:
    chosen = images if settings.classes is None else only_classes(images, settings.classes)
    return InputSet(chosen.name, chosen.images, paired=False)


def _paired(images: ImageSet, settings: Degradation, split: str) -> InputSet:
    try:
        made = settings.of(images.images, split)
    except ValueError as error:
        raise DataError(f"input of {quoted(images.name)}: {error}") from error
    return InputSet(f"{images.name}, {settings.described}", made, paired=True)


def _shape(spec: ImageSpec) -> str:
    return f"{spec.channels}x{spec.size}x{spec.size}"
