"""Requests to a served sound generator."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papergan.inference.sound.models import SoundGenerator
from papergan.inference.sound.sounds import Sounds
from papergan.messages import quoted
from papergan.serving.service import Limits, Refused, Seed, Service, answer_json
from papergan.serving.worker import Check
from papergan.validation import StrictModel

if TYPE_CHECKING:
    from fastapi import Request, Response


AT_ONCE = 8  # sounds between two checks of the time limit


class SoundBody(StrictModel):
    """The body of POST /sample. format: "wav" is a single sound, "json" has a WAV file for each sound."""

    n: Annotated[int, Field(ge=1)] = 1
    seed: Seed = 0
    format: Literal["wav", "json"] = "wav"


class SoundService(Service):
    """The request handlers of one sound generator."""

    generator: SoundGenerator  # type: ignore[assignment]

    def __init__(self, generator: SoundGenerator, limits: Limits) -> None:
        super().__init__(generator, limits)  # type: ignore[arg-type]

    @property
    def routes(self) -> dict[str, str]:
        return {"sample": "POST"}

    async def sample(self, request: Request) -> Response:
        """POST /sample."""
        from fastapi import Response

        body = await self._body(request, SoundBody)
        if body.n > self.limits.images:
            raise Refused(400, f"n: at most {self.limits.images} sounds in a request, got {quoted(body.n)}")
        if body.format == "wav" and body.n != 1:
            raise Refused(400, f'n: a WAV file is of one sound, got {body.n}; ask for format "json"')

        def made(check: Check) -> bytes:
            parts: list[Sounds] = []
            for part in self.generator.stream(body.n, seed=body.seed, batch_size=AT_ONCE):
                check()  # a request that waited too long is not served
                parts.append(part)
            return parts[0].wav(0) if body.format == "wav" else self._as_json(parts)

        media = "audio/wav" if body.format == "wav" else "application/json"
        return Response(await self.worker.run(made), media_type=media)

    async def model(self, request: Request) -> Response:
        """GET /model: what can be requested."""
        about = {**self.about, "most": self.limits.images, "rate": self.generator.rate}
        return answer_json({**about, "seconds": self.generator.length / self.generator.rate})

    def _as_json(self, parts: Sequence[Sounds]) -> bytes:
        files = [
            {"index": part.first + index, "wav": base64.b64encode(part.wav(index)).decode()}
            for part in parts
            for index in range(len(part))
        ]
        return json.dumps({"digest": self.generator.digest, "sounds": files}).encode()
