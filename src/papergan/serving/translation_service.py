"""Requests to a served translator: an image in the request body, and the translated image as the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from papergan.data.decoding import decode_whole, read_header
from papergan.data.images import Picture
from papergan.errors import DataError, RecipeError
from papergan.inference.translator import Translator
from papergan.messages import quoted
from papergan.networks.image_to_image.directions import A_TO_B, directions_of
from papergan.reporting.image_grid import encode_png
from papergan.serving.service import Limits, Refused, Service, answer_json
from papergan.serving.worker import Check

if TYPE_CHECKING:
    from fastapi import Request, Response

TILE = 256  # side of a square in pixels, between two checks of the time limit


class TranslationService(Service):
    """The request handlers of one translator of grey or colour images."""

    generator: Translator

    def __init__(self, generator: Translator, limits: Limits) -> None:
        """Raises RecipeError if its inputs have a mask, which no picture has."""
        generator.check_takes_pictures(A_TO_B)
        super().__init__(generator, limits)

    @property
    def directions(self) -> list[str]:
        """The directions that the generator learnt."""
        return list(directions_of(self.generator.sampler.generator))

    @property
    def routes(self) -> dict[str, str]:
        return {"translate": "POST"}

    async def translate(self, request: Request) -> Response:
        """POST /translate?direction=a_to_b: the body is a PNG, JPEG, BMP or WebP image; the answer is a PNG."""
        from fastapi import Response

        direction = request.query_params.get("direction", A_TO_B)
        if direction not in self.directions:
            raise Refused(400, f"direction: expected {' or '.join(self.directions)}, got {quoted(direction)}")
        if not request.headers.get("content-type", "").lower().startswith("image/"):
            raise Refused(415, "expected the bytes of an image, and Content-Type: image/png or the like")
        content = await self._content(request, self.limits.picture)

        def translated(check: Check) -> bytes:
            check()  # a request that waited too long is not served
            return self._translated(content, direction, check)

        return Response(await self.worker.run(translated), media_type="image/png")

    async def model(self, request: Request) -> Response:
        """GET /model: what can be requested."""
        return answer_json(
            {
                **self.about,
                "directions": self.directions,
                "channels": {direction: self.generator.channels_of(direction) for direction in self.directions},
                "most": self.limits.pixels,
                "bytes": self.limits.picture,
            }
        )

    def _translated(self, content: bytes, direction: str, check: Check) -> bytes:
        picture, channels = Picture("the image", content), self.generator.channels_of(direction)
        try:
            header = read_header(picture)
            if header.width * header.height > self.limits.pixels:
                raise Refused(413, f"at most {self.limits.pixels:,} pixels, got {header.width} x {header.height}")
            image = decode_whole(picture, "L" if channels == 1 else "RGB", "white")
        except DataError as error:
            raise Refused(400, str(error).partition("; ")[0]) from error  # without advice for files of data sets
        try:
            made = self.generator.translate(torch.from_numpy(image)[None], direction=direction, tile=TILE, check=check)
        except RecipeError as error:
            raise Refused(400, str(error).removeprefix("translate: ")) from error
        return encode_png(made.pixels[0], made.about)
