"""Requests to a served generator: what they may contain, their limits, and the answers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import torch
from pydantic import Field

from papergan.inference.generator import Generator
from papergan.inference.samples import Samples
from papergan.messages import quoted, sanitise
from papergan.reporting.image_grid import encode_png, film_strips, make_grid
from papergan.serving.worker import Check, Worker
from papergan.validation import StrictModel

if TYPE_CHECKING:
    from fastapi import Request, Response

AT_ONCE = 32  # images between two checks of the time limit

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Label = int | Annotated[str, Field(max_length=200)]
Truncation = Annotated[float, Field(gt=0, le=100)] | None
Format = Literal["png", "grid", "json"]
Body = TypeVar("Body", bound=StrictModel)


@dataclass(frozen=True)
class Limits:
    """Limits of a server. images: per request. body: bytes. waiting: requests in the queue. seconds: per request.

    seconds include the wait. connections: open at once; more are turned away. picture: bytes of an image that is sent;
    pixels: of that image.
    """

    images: int = 256
    body: int = 16_384
    picture: int = 2**24
    pixels: int = 2**20
    waiting: int = 16
    seconds: float = 60.0
    connections: int = 128


class SampleBody(StrictModel):
    """The body of POST /sample. format: "png" images side by side, "grid" with a caption, "json" one PNG for each."""

    n: Annotated[int, Field(ge=1)] = 16
    seed: Seed = 0
    labels: Label | list[Label] | None = None
    truncation: Truncation = None
    format: Format = "png"


class InterpolateBody(StrictModel):
    """The body of POST /interpolate: the path from the first sample of one seed to that of another, both included.

    label: None = the class of the start. A mixture of generators stays with the member that generated the start.
    """

    seeds: Annotated[list[Seed], Field(min_length=2, max_length=2)]
    steps: Annotated[int, Field(ge=2)] = 9
    label: Label | None = None
    truncation: Truncation = None
    format: Format = "png"


class Refused(Exception):
    """A request that cannot be answered: the HTTP status, and one line that says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Service:
    """The request handlers of one generator."""

    def __init__(self, generator: Generator, limits: Limits) -> None:
        self.generator, self.limits = generator, limits
        self.worker = Worker(limits.waiting, limits.seconds)

    @property
    def routes(self) -> dict[str, str]:
        """HTTP method by handler for this kind of generator; a handler's name is also its path."""
        return {"sample": "POST", "interpolate": "POST"}

    @property
    def about(self) -> dict[str, Any]:
        """Name and description, for every kind of generator."""
        name, *about = repr(self.generator).splitlines()
        return {"name": name.partition(":")[0], "about": [name.partition(": ")[2], *map(str.strip, about)]}

    async def sample(self, request: Request) -> Response:
        """POST /sample."""
        body = await self._body(request, SampleBody)
        self._check_count("n", body.n)
        return await self._answer(lambda check: self._sampled(body, check), body.format)

    async def interpolate(self, request: Request) -> Response:
        """POST /interpolate."""
        body = await self._body(request, InterpolateBody)
        self._check_count("steps", body.steps)
        return await self._answer(lambda check: self._between(body, check), body.format)

    async def card(self, request: Request) -> Response:
        """GET /card: the model card, Markdown."""
        from fastapi import Response

        return Response(self.generator.stored.card or f"{self.generator!r}\n", media_type="text/markdown")

    async def health(self, request: Request) -> Response:
        """GET /health."""
        return answer_json({"status": "ok", "digest": self.generator.digest})

    async def model(self, request: Request) -> Response:
        """GET /model: what can be requested."""
        return answer_json({**self.about, "classes": _class_names(self.generator), "most": self.limits.images})

    def _sampled(self, body: SampleBody, check: Check) -> Samples:
        self.generator.prepare(body.truncation, check)
        parts: list[Samples] = []
        for part in self.generator.stream(
            body.n, seed=body.seed, labels=body.labels, truncation=body.truncation, batch_size=AT_ONCE
        ):
            check()
            parts.append(part)
        return Samples.join(parts)

    def _between(self, body: InterpolateBody, check: Check) -> Samples:
        generator, cut = self.generator, body.truncation
        generator.prepare(cut, check)
        start, end = (generator.sample(1, seed=seed, truncation=cut) for seed in body.seeds)
        label = body.label
        if label is None and start.labels is not None:
            label = int(start.labels[0])
        parts: list[Samples] = []
        for latents in torch.split(generator.latents_between(start.latents, end.latents, steps=body.steps), AT_ONCE):
            check()
            parts.append(generator.decode(latents, labels=label, members=start.members, truncation=cut))
        return Samples.join(parts)

    async def _answer(self, work: Callable[[Check], Samples], kind: Format) -> Response:
        """The images that `work` returns, generated and encoded in the worker's thread."""
        from fastapi import Response

        def encoded(check: Check) -> bytes:
            check()  # a request that waited too long is not served
            return _encoded(work(check), kind, self.generator.digest)

        media = "application/json" if kind == "json" else "image/png"
        return Response(await self.worker.run(encoded), media_type=media)

    async def _body(self, request: Request, model: type[Body]) -> Body:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "expected Content-Type: application/json")
        content = await self._content(request, self.limits.body)
        try:
            given = json.loads(content, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"the request is not JSON: {sanitise(error)}") from None
        return model.parse("request", given)

    async def _content(self, request: Request, most: int) -> bytes:
        """The body of a request, limited to this many bytes."""
        try:
            return await asyncio.wait_for(_read(request, most), self.limits.seconds)
        except TimeoutError:
            raise Refused(408, f"the request did not arrive within {self.limits.seconds:g} seconds") from None

    def _check_count(self, name: str, count: int) -> None:
        if count > self.limits.images:
            raise Refused(400, f"{name}: at most {self.limits.images} images in a request, got {quoted(count)}")


async def _read(request: Request, most: int) -> bytes:
    content, more = bytearray(), True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":  # nobody reads this answer
            raise Refused(400, "the connection was closed before the whole request arrived")
        content += message.get("body", b"")
        more = message.get("more_body", False)
        if len(content) > most:
            raise Refused(413, f"the request has more than {most} bytes")
    return bytes(content)


def answer_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    from fastapi.responses import JSONResponse

    return JSONResponse(content, status, headers)


def _encoded(samples: Samples, kind: Format, digest: str) -> bytes:
    if kind == "grid":
        return samples.grid().png()
    if kind == "png":
        return encode_png(make_grid(samples.pixels, padding=0), samples.about)
    images = [
        {
            "index": samples.first + index, "label": None if samples.labels is None else samples.name_of(index),
            "png": base64.b64encode(encode_png(image, samples.about)).decode(),
        }
        for index, image in enumerate(film_strips(samples.pixels))
    ]  # fmt: skip
    return json.dumps({"digest": digest, "images": images}).encode()


def _class_names(generator: Generator) -> list[str]:
    """Class names, by number; none for a generator without classes."""
    if not generator.conditional:
        return []
    names = generator.classes
    return [names[one] if one < len(names) else f"class {one}" for one in range(generator.image.num_classes)]


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
