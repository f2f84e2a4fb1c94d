"""A trained generator whose input is images: translation of images of any size that its network takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from papergan.errors import RecipeError
from papergan.image_range import to_model_range
from papergan.inference.generator import Generator
from papergan.inference.samples import Samples
from papergan.networks.image_to_image.directions import A_TO_B, B_TO_A, ImageToImage, directions_of

LEAST = 8  # pixels of an input each way
MARGIN = 32  # pixels of the input around a tile that are translated with it and left out of the result


class Translator(Generator):
    """A `Generator` whose input is images. Methods that need latents raise a one-line error."""

    def translate(  # type: ignore[override]
        self, images: Any, *, direction: str = A_TO_B, batch_size: int = 64,
        tile: int | None = None, check: Callable[[], None] = lambda: None,
    ) -> Samples:  # fmt: skip
        """Translate images uint8 [N, H, W, C] or float [N, C, H, W] in [-1, 1], of the input's channels.

        direction: "b_to_a" translates back, if the system learnt that. H and W may differ from those of training if the
        network is convolutional; borders are mirrored up to a size that it can divide. tile: translate squares of this
        many pixels, with 32 around them, and join them, for images that do not fit into memory; if the network
        normalises over an image, its tiles then differ slightly in tone. check: called before every tile.
        Raises RecipeError for images of another kind, and for a direction that was not learnt.
        """
        given, network = self._given(images, direction), self._network(direction)
        if tile is not None and tile < 8:
            raise RecipeError(f"translate: expected a tile of 8 pixels or more, got {tile}")
        parts = [self._whole(network, part, tile, check) for part in torch.split(given, batch_size)]
        caption = f"{self.stored.about.get('experiment', self.system)}, {direction.replace('_', ' ')}"
        return Samples(torch.cat(parts), torch.empty(len(given), 0), caption=caption, about=self._facts(caption))

    def channels_of(self, direction: str) -> int:
        """The number of channels of a direction's inputs."""
        assert self.image.input is not None
        return self.image.channels if direction == B_TO_A else self.image.input.channels

    def check_takes_pictures(self, direction: str) -> None:
        """Raise RecipeError for a direction that was not learnt, or whose inputs are not grey or colour pictures."""
        self._network(direction)
        if (channels := self.channels_of(direction)) not in (1, 3):
            raise RecipeError(
                f"the inputs of system {self.system!r} have {channels} channels, the last a mask; use "
                "papergan.load(MODEL).translate(images)"
            )

    def stream(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there are no latents."""
        self._refuse("sampled")

    def decode(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there are no latents."""
        self._refuse("given latents")

    def interpolate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there are no latents."""
        self._refuse("given latents")

    def invert(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there are no latents."""
        self._refuse("asked for latents")

    def _refuse(self, what: str) -> NoReturn:
        raise RecipeError(f"system {self.system!r} translates images and cannot be {what}: use translate(images)")

    def _network(self, direction: str) -> nn.Module:
        known = directions_of(self.sampler.generator)
        if direction not in known:
            raise RecipeError(
                f"translate: system {self.system!r} knows the direction {' and '.join(known)}, got {direction!r}"
            )
        return known[direction]

    def _given(self, images: Any, direction: str) -> Tensor:
        given = torch.as_tensor(images)
        if given.dtype == torch.uint8 and given.dim() == 4:
            given = to_model_range(given.permute(0, 3, 1, 2))
        channels = self.channels_of(direction)
        if given.dim() != 4 or not given.is_floating_point() or given.shape[1] != channels or not len(given):
            raise RecipeError(
                f"translate: expected images [N, H, W, {channels}] as bytes, or float [N, {channels}, H, W] in [-1, 1]"
                f", got {given.dtype} {list(given.shape)}"
            )
        if min(given.shape[2:]) < LEAST:
            height, width = given.shape[2:]
            raise RecipeError(f"translate: expected images of {LEAST} pixels or more each way, got {width} x {height}")
        return given.float()

    @torch.no_grad()
    def _whole(self, network: nn.Module, images: Tensor, tile: int | None, check: Callable[[], None]) -> Tensor:
        check()
        if tile is None or max(images.shape[2:]) <= tile:
            return self._translated(network, images)
        height, width = images.shape[2:]
        rows = []
        for top, bottom in _spans(height, tile):
            row = []
            for span in _spans(width, tile):
                check()
                row.append(self._tile(network, images, (top, bottom), span))
            rows.append(torch.cat(row, dim=3))
        return torch.cat(rows, dim=2)

    def _tile(self, network: nn.Module, images: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        (top, bottom), (left, right) = rows, columns
        assert isinstance(self.sampler.generator, ImageToImage)
        unit = self.sampler.generator.multiple_of  # strides sample the pixels that they sample in the whole image
        y, x = (max(0, first - MARGIN) // unit * unit for first in (top, left))
        part = images[:, :, y : bottom + MARGIN, x : right + MARGIN]
        made = self._translated(network, part)
        scale = made.shape[2] // part.shape[2]
        return made[:, :, (top - y) * scale : (bottom - y) * scale, (left - x) * scale : (right - x) * scale]

    def _translated(self, network: nn.Module, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        assert isinstance(self.sampler.generator, ImageToImage)
        unit = self.sampler.generator.multiple_of
        below, right = -height % unit, -width % unit
        rows, columns = _reflected(height, height + below), _reflected(width, width + right)
        mirrored = images[:, :, rows][..., columns] if below or right else images
        made: Tensor = network(mirrored.to(self.device)).float().cpu()
        scale = made.shape[2] // mirrored.shape[2]
        return made[:, :, : height * scale, : width * scale].clamp(-1.0, 1.0)


def _reflected(length: int, wanted: int) -> Tensor:
    """`wanted` indices, 0 to length - 1 and then reflected back and forth without repeating an end, int64."""
    period = max(1, 2 * (length - 1))
    return length - 1 - (torch.arange(wanted) % period - (length - 1)).abs()


def _spans(length: int, tile: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, tile):
        yield start, min(start + tile, length)
