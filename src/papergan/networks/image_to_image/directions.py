"""Base classes of networks whose input is images: their directions, and the input sizes that they take."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

A_TO_B, B_TO_A = "a_to_b", "b_to_a"


class ImageToImage(nn.Module):
    """The base class of networks whose input is images [B, C', S, S], or of any height and width.

    multiple_of: height and width of an input must be multiples of this.
    """

    multiple_of = 1

    @property
    def directions(self) -> Mapping[str, nn.Module]:
        """The networks by direction: the network itself is `a_to_b`, to the images of the data set."""
        return {A_TO_B: self}


class BothDirections(ImageToImage):
    """A translator to the data set's images, and one back; calling it applies the first.

    a_to_b: from the input images to those of the data set. b_to_a: the reverse.
    """

    def __init__(self, a_to_b: ImageToImage, b_to_a: ImageToImage) -> None:
        super().__init__()
        self.a_to_b, self.b_to_a = a_to_b, b_to_a
        self.multiple_of = max(a_to_b.multiple_of, b_to_a.multiple_of)

    @property
    def directions(self) -> Mapping[str, nn.Module]:
        return {A_TO_B: self.a_to_b, B_TO_A: self.b_to_a}

    def forward(self, images: Tensor) -> Tensor:
        translated: Tensor = self.a_to_b(images)
        return translated


def directions_of(generator: nn.Module) -> Mapping[str, nn.Module]:
    """The directions of a generator that translates images. Raises TypeError for a generator of latents."""
    if not isinstance(generator, ImageToImage):
        raise TypeError(f"{type(generator).__name__} is given no images")
    return generator.directions
