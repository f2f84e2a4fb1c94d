"""Declarations of data sets whose images this project draws, or composes from those of another data set."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from papergan.data.drawn import digits, fingerprints, shapes
from papergan.data.images import ImageSpec, Mode
from papergan.data.moving_images import moving_classes
from papergan.data.stacked_images import CHANNELS
from papergan.validation import SampleCount, Seed, Size, StrictModel

OWN = "Apache-2.0, drawn by papergan"  # the licence of images that this project's own code draws


def _all_different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each class must have a name of its own")
    return names


Text = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], Field(min_length=1, strict=False), AfterValidator(_all_different)]  # YAML: a list


class DataSetDeclaration(StrictModel):
    """Base class of all declarations. licence: of the images, as their authors state it, and where they do."""

    licence: Text | None = None


class DrawnDeclaration(DataSetDeclaration):
    """Images that this project draws. train, test: number of images. seed: of the random numbers."""

    train: SampleCount
    test: SampleCount
    seed: Annotated[Seed, Field(ge=0)] = 0

    @property
    def num_train(self) -> int:
        return self.train


class SyntheticDeclaration(DrawnDeclaration):
    """Shapes, see `papergan.data.drawn.shapes`."""

    kind: Literal["synthetic_shapes"] = "synthetic_shapes"
    licence: Text = OWN

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(3, shapes.SIZE, len(shapes.CLASSES))


class DigitsDeclaration(DrawnDeclaration):
    """Digits, see `papergan.data.drawn.digits`."""

    kind: Literal["synthetic_digits"] = "synthetic_digits"
    licence: Text = OWN

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(1, shapes.SIZE, len(digits.DIGITS))


class ComposedDeclaration(DrawnDeclaration):
    """Images composed from those of another data set, drawn with `seed`.

    of: the other data set; each of its splits gives the same split of this one. classes: of its images.
    """

    of: Text
    size: Size
    classes: Names


class StackedDeclaration(ComposedDeclaration):
    """Grey images in three channels, see `papergan.data.stacked_images`. size: of the images of the other data set."""

    kind: Literal["stacked"] = "stacked"

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(CHANNELS, self.size, len(self.classes) ** CHANNELS)


class MovingDeclaration(ComposedDeclaration):
    """Clips in which an image moves, see `papergan.data.moving_images`.

    size: of a frame, twice the size of the image in it. frames: per clip. mode: of the images.
    """

    kind: Literal["moving"] = "moving"
    frames: Literal[2, 4, 8, 16, 32, 64] = 16
    mode: Mode = "L"

    @property
    def spec(self) -> ImageSpec:
        channels = self.frames * len(self.mode)
        return ImageSpec(channels, self.size, len(moving_classes(self.classes)), frames=self.frames)


class EmojiDeclaration(DrawnDeclaration):
    """Emoji rendered from an installed font, see `papergan.data.drawn.emoji`. font: its file."""

    kind: Literal["emoji_font"] = "emoji_font"
    size: Size = 32
    font: Text | None = None

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(3, self.size, 0)


class FingerprintsDeclaration(DrawnDeclaration):
    """Fingerprints, see `papergan.data.drawn.fingerprints`."""

    kind: Literal["fingerprints"] = "fingerprints"
    licence: Text = OWN

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(1, fingerprints.SIZE, len(fingerprints.CLASSES))
