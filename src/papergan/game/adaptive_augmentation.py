"""Adaptive discriminator augmentation (ADA): transformations "bgc" with a probability that follows D's overfitting.

Source: Karras et al. 2020, arXiv:2006.06676, section 2 and appendix B. As in the paper, whole pixels, scaling and
rotation are one resampling of twice the size through the low-pass filter of a wavelet, and colours one 3x4 matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

from papergan.errors import did_you_mean
from papergan.game.affine_resampling import warp
from papergan.game.game import Game, Match
from papergan.game.schedules import Progress, Schedule, value
from papergan.game.sharding import all_gather, batch_mean, per_image
from papergan.game.step_context import StepContext
from papergan.messages import quoted

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
"""The low-pass filter of Daubechies' symlet with six vanishing moments, of unit norm: up and down again is nothing."""

GROUPS = {
    "b": ("flip", "quarter_turns", "whole_pixels"),
    "g": ("scale", "rotation", "stretch", "shift"),
    "c": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    "o": ("cutout",),
}
"""The transformations of the paper's figure 4 by its letters: pixel blitting, geometry, colour; o: cutout."""


class AugmentationProbability(nn.Module):
    """The controller of ADA: p rises while D's logits of real images are too often positive, and falls otherwise.

    r_t = E[sign D(x)] over `interval` steps of the discriminator; then p <- clip(p + sign(r_t - target) n / images)
    to 0..1, with n the real images of the interval: `images` of them take p from 0 to 1. All on the device.
    Source: Karras et al. 2020, arXiv:2006.06676, section 3.2 (target 0.6, interval 4, 500 000 images).
    """

    on_device = True
    p: Tensor
    signs: Tensor
    steps: Tensor

    def __init__(
        self, *, initial: float = 0.0, target: float = 0.6, interval: int = 4, images: float = 500_000.0,
        match: Match | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not (0.0 <= initial <= 1.0 and -1.0 < target < 1.0 and interval >= 1 and images > 0):
            raise ValueError(
                f"adaptive augmentation needs a probability in 0..1, a target in (-1, 1), an interval of 1 or more and "
                f"images above 0, got {initial}, {target}, {interval} and {images}"
            )
        self.target, self.interval, self.images, self.match = target, interval, images, match or Match()
        for name, start in (("p", initial), ("signs", 0.0), ("steps", 0.0)):
            self.register_buffer(name, torch.tensor(start, dtype=torch.float64))

    def forward(self, progress: Progress) -> Tensor:
        """p, a float32 scalar."""
        return self.p.float()

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Count the signs of the discriminator's logits after its steps, and move p at the end of an interval."""
        if player != self._discriminator(context):
            return
        scores = context.discriminated_real(self.match).score
        self.signs.add_(batch_mean(scores.sign().double()))
        self.steps.add_(1.0)
        due = (self.steps == self.interval).double()
        rate = len(all_gather(scores.detach())) * self.interval / self.images
        self.p.add_(due * rate * (self.signs / self.interval - self.target).sign()).clamp_(0.0, 1.0)
        self.signs.mul_(1.0 - due)
        self.steps.mul_(1.0 - due)

    def _discriminator(self, context: StepContext) -> str | None:
        """The player that trains the discriminator of the match."""
        players = context.game.players.items()
        return next((name for name, player in players if self.match.discriminator in player.networks), None)

    def report(self) -> dict[str, Tensor]:
        """The value of p."""
        return {"p": self.p.float()}


class ScheduledProbability(nn.Module):
    """A probability of augmentation that follows a schedule of the training's progress; p of the step before."""

    on_device = True
    p: Tensor

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.register_buffer("p", torch.tensor(float(value(schedule, Progress(0, 0)))))

    def forward(self, progress: Progress) -> Tensor:
        """p, a float32 scalar."""
        return self.p

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Take the schedule's present value."""
        now = context.value(self.schedule)
        self.p.copy_(now) if isinstance(now, Tensor) else self.p.fill_(now)

    def report(self) -> dict[str, Tensor]:
        """The value of p."""
        return {"p": self.p}


class AdaptiveAugment:
    """An augmentation that applies each transformation to each image with probability p.

    pipeline: letters of GROUPS, "bgc", or names of transformations, separated by + signs. probability: of a controller
    of the game, which holds `p`. shares: of p that some have, by name; 1 for all others. Images [B, C, S, S] of 1 or 3
    channels; linear in them, so differentiable any number of times. Values may leave [-1, 1]. Raises ValueError for an
    unknown transformation.
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
        geometric = [name for name in _GEOMETRY if name.removeprefix("second_") in self.names]
        colours = [name for name in _COLOUR if name in self.names]
        if geometric:
            matrices = self._product(images, geometric)
            between = set(geometric) & set(GROUPS["g"])  # else every pixel falls on a pixel
            images = _resampled(images, matrices) if between else _moved_pixels(images, matrices)
        if colours:
            images = _recoloured(images, self._product(images, colours))
        return _cut_out(self._draws(images, "cutout")) if "cutout" in self.names else images

    def _draws(self, images: Tensor, name: str) -> _Draws:
        share = self.shares.get(name.removeprefix("second_"), 1.0)
        return _Draws(images, share * self.probability.p.to(images.dtype))

    def _product(self, images: Tensor, names: list[str]) -> Tensor:
        """The product of the matrices: coordinates [B, 3, 3], of which the last acts first, or colours [B, 4, 4]."""
        whole: Tensor | None = None
        for name in names:
            matrix = (_GEOMETRY | _COLOUR)[name](self._draws(images, name))
            whole = matrix if whole is None else matrix @ whole if name in _COLOUR else whole @ matrix
        assert whole is not None
        return whole


def with_adaptive_augmentation(game: Game, pipeline: str) -> Game:
    """The game with ADA before every discriminator; p follows the one of the showcase.

    Raises ValueError for an unknown transformation, and for a game that augments images already.
    """
    if game.augment is not None:
        raise ValueError(
            f"adaptive_augmentation: the system augments images itself, by {game.augment}; switch that off"
        )
    probability = AugmentationProbability(match=game.showcase)
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


class _Draws:
    """Random numbers of one call, [B] each; where a transformation is not applied they are its identity."""

    def __init__(self, images: Tensor, p: Tensor) -> None:
        self.count, self.size, self.p, self.images = len(images), images.shape[-1], p, images

    def uniform(self) -> Tensor:
        return self._numbers(torch.rand)

    def normal(self) -> Tensor:
        return self._numbers(torch.randn)

    def where(self, drawn: Tensor, identity: float, probability: Tensor | None = None) -> Tensor:
        """`drawn` with probability p (or another), `identity` otherwise."""
        return torch.where(self.uniform() < (self.p if probability is None else probability), drawn, identity)

    def _numbers(self, kind: Callable[..., Tensor]) -> Tensor:
        like = {"device": self.images.device, "dtype": self.images.dtype}
        return per_image(lambda count: kind(count, **like), self.count)


def _matrix(draw: _Draws, rows: list[list[Tensor | float]]) -> Tensor:
    zero = torch.zeros(draw.count, device=draw.images.device, dtype=draw.images.dtype)
    return torch.stack([torch.stack([zero + cell for cell in row], dim=-1) for row in rows], dim=-2)


# Geometry: matrices from output to input coordinates, the image in [-1, 1].


def _flip(draw: _Draws) -> Tensor:
    sign = 1.0 - 2.0 * draw.where((draw.uniform() * 2).floor(), 0.0)
    return _matrix(draw, [[sign, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _turned(draw: _Draws, angle: Tensor) -> Tensor:
    cosine, sine = angle.cos(), angle.sin()
    return _matrix(draw, [[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _quarter_turns(draw: _Draws) -> Tensor:
    return _turned(draw, draw.where((draw.uniform() * 4).floor(), 0.0) * (math.pi / 2))


def _moved(draw: _Draws, right: Tensor, down: Tensor) -> Tensor:
    """By so many pixels."""
    share = 2.0 / draw.size
    return _matrix(draw, [[1.0, 0.0, -share * right], [0.0, 1.0, -share * down], [0.0, 0.0, 1.0]])


def _whole_pixels(draw: _Draws) -> Tensor:
    reach, apply = 0.125 * draw.size, draw.where(torch.ones_like(draw.uniform()), 0.0)
    right, down = (((draw.uniform() * 2 - 1) * reach).round() * apply for _ in range(2))
    return _moved(draw, right, down)


def _scale(draw: _Draws) -> Tensor:
    factor = draw.where(torch.exp2(-0.2 * draw.normal()), 1.0)
    return _matrix(draw, [[factor, 0.0, 0.0], [0.0, factor, 0.0], [0.0, 0.0, 1.0]])


def _rotation(draw: _Draws) -> Tensor:
    """Before and after the stretch, each with 1 - sqrt(1 - p), so that both together have p."""
    each = 1.0 - (1.0 - draw.p).sqrt()
    return _turned(draw, draw.where((draw.uniform() * 2 - 1) * math.pi, 0.0, each))


def _stretch(draw: _Draws) -> Tensor:
    factor = draw.where(torch.exp2(-0.2 * draw.normal()), 1.0)
    return _matrix(draw, [[factor, 0.0, 0.0], [0.0, 1.0 / factor, 0.0], [0.0, 0.0, 1.0]])


def _shift(draw: _Draws) -> Tensor:
    apply = draw.where(torch.ones_like(draw.uniform()), 0.0)
    right, down = (0.125 * draw.size * draw.normal() * apply for _ in range(2))
    return _moved(draw, right, down)


_GEOMETRY: dict[str, Callable[[_Draws], Tensor]] = {
    "flip": _flip, "quarter_turns": _quarter_turns, "whole_pixels": _whole_pixels, "scale": _scale,
    "rotation": _rotation, "stretch": _stretch, "second_rotation": _rotation, "shift": _shift,
}  # fmt: skip


# Colour: matrices [B, 4, 4] on (red, green, blue, 1).


def _brightness(draw: _Draws) -> Tensor:
    by = draw.where(0.2 * draw.normal(), 0.0)
    return _matrix(
        draw, [[1.0, 0.0, 0.0, by], [0.0, 1.0, 0.0, by], [0.0, 0.0, 1.0, by], [0.0, 0.0, 0.0, 1.0]]
    )  # fmt: skip


def _contrast(draw: _Draws) -> Tensor:
    by = draw.where(torch.exp2(0.5 * draw.normal()), 1.0)
    return _matrix(
        draw, [[by, 0.0, 0.0, 0.0], [0.0, by, 0.0, 0.0], [0.0, 0.0, by, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )  # fmt: skip


def _luma_flip(draw: _Draws) -> Tensor:
    """I - 2 v v^T where drawn, v the grey axis."""
    by = draw.where((draw.uniform() * 2).floor(), 0.0)
    return torch.eye(4, device=by.device, dtype=by.dtype) - 2.0 * by[:, None, None] * _grey(draw)


def _hue(draw: _Draws) -> Tensor:
    """A rotation about the grey axis, by Rodrigues' formula."""
    angle = draw.where((draw.uniform() * 2 - 1) * math.pi, 0.0)
    cosine, sine, v = angle.cos(), angle.sin() / math.sqrt(3.0), (1.0 - angle.cos()) / 3.0
    a, b, c = cosine + v, v - sine, v + sine
    return _matrix(draw, [[a, b, c, 0.0], [c, a, b, 0.0], [b, c, a, 0.0], [0.0, 0.0, 0.0, 1.0]])


def _saturation(draw: _Draws) -> Tensor:
    by = draw.where(torch.exp2(draw.normal()), 1.0)[:, None, None]
    grey = _grey(draw)
    whole = torch.eye(4, device=grey.device, dtype=grey.dtype)
    colours = whole.clone()
    colours[3, 3].fill_(0.0)
    return grey + (colours - grey) * by + (whole - colours)


def _grey(draw: _Draws) -> Tensor:
    """The projection on the grey axis, [4, 4]."""
    grey = torch.full((4, 4), 1.0 / 3.0, device=draw.images.device, dtype=draw.images.dtype)
    grey[3].fill_(0.0)
    grey[:, 3].fill_(0.0)
    return grey


_COLOUR: dict[str, Callable[[_Draws], Tensor]] = {
    "brightness": _brightness, "contrast": _contrast, "luma_flip": _luma_flip, "hue": _hue, "saturation": _saturation,
}  # fmt: skip


def _recoloured(images: Tensor, matrices: Tensor) -> Tensor:
    """Colours of [B, 3, S, S] by [B, 4, 4]; of one channel the mean of what grey becomes, as the paper has it."""
    if images.shape[1] == 1:
        grey = matrices[:, :3].mean(dim=1)
        return images * grey[:, :3].sum(dim=1)[:, None, None, None] + grey[:, 3][:, None, None, None]
    flat = torch.einsum("bij,bjn->bin", matrices[:, :3, :3], images.flatten(2)) + matrices[:, :3, 3:]
    return flat.view_as(images)


def _cut_out(draw: _Draws) -> Tensor:
    """A square of half the size is 0 (mid-grey), its centre anywhere."""
    size, images = draw.size, draw.images
    pixels = (torch.arange(size, device=images.device, dtype=images.dtype) + 0.5) / size
    half = 0.25 * draw.where(torch.ones_like(draw.uniform()), 0.0)
    right, down = ((pixels - draw.uniform()[:, None]).abs() < half[:, None] for _ in range(2))
    return images.masked_fill((down[:, None, :, None] & right[:, None, None, :]), 0.0)


def _moved_pixels(images: Tensor, matrices: Tensor) -> Tensor:
    """As `_resampled`, where the output's pixels are pixels of the input: no filter."""
    return warp(images, matrices[:, :2], mode="nearest", padding="reflection")


def _resampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample [B, C, S, S] at [B, 3, 3] from output to input coordinates; beyond the border images are mirrored."""
    size, taps = images.shape[-1], len(SYM6)
    margin = size // 2
    mirrored = pad(images, (margin,) * 4, mode="reflect") if margin else images
    large = _up(mirrored)
    inner = 2 * size + taps - 2
    # A filter that is not symmetric moves what it makes: coordinates are taken about its centre of mass.
    middle = sum(place * weight for place, weight in enumerate(SYM6)) / sum(SYM6) - (taps - 1) / 2
    offset, ratio, full = 2 * middle / large.shape[-1], size * 2 / large.shape[-1], inner / (2 * size)
    affine = _about(matrices, offset, ratio, full, 2 * middle / inner)
    return _down(warp(large, affine, mode="bilinear", padding="reflection", size=inner))


def _about(matrices: Tensor, offset: float, ratio: float, full: float, out_offset: float) -> Tensor:
    """[B, 2, 3] from coordinates of the output, filter margin included, to those of the larger input."""
    parts = [torch.eye(3, device=matrices.device) for _ in range(2)]
    for part, scale, move in zip(parts, (full, ratio), (-out_offset * full, offset), strict=True):
        part[:2, :2].mul_(scale)
        part[:2, 2].fill_(move)
    return (parts[1] @ matrices @ parts[0])[:, :2]


def _filters(images: Tensor) -> tuple[Tensor, Tensor]:
    channels, taps = images.shape[1], torch.empty(len(SYM6), device=images.device)
    for place, weight in enumerate(SYM6):  # filled on the device: the host sends nothing
        taps[place].fill_(weight)
    return taps.view(1, 1, -1, 1).expand(channels, 1, -1, 1), taps.view(1, 1, 1, -1).expand(channels, 1, 1, -1)


def _up(images: Tensor) -> Tensor:
    """Twice as large, by the filter: [B, C, 2 S + 10, 2 S + 10]."""
    down, right = _filters(images)
    tall = conv_transpose2d(images, down, stride=(2, 1), groups=images.shape[1])
    return 2.0 * conv_transpose2d(tall, right, stride=(1, 2), groups=images.shape[1])


def _down(images: Tensor) -> Tensor:
    """Half as large, by the filter: [B, C, (S - 10) / 2, (S - 10) / 2]."""
    down, right = _filters(images)
    short = conv2d(images, down, stride=(2, 1), groups=images.shape[1])
    return 0.5 * conv2d(short, right, stride=(1, 2), groups=images.shape[1])
