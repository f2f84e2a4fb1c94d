"""The one place for settings that make a system quick to test; a system that is not named here gets them by its names.

A system's own settings say what they are: `width`, `*_width` and `latent_dim` are sizes, `learning_rate` and
`*_learning_rate` rates, `critic_steps` and `discriminator_steps` how often it moves. What else makes a test quick, or
keeps it from a download, stands in `SMALL`: one line of a system, and only where it needs one.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from papergan import systems
from papergan.data.images import ImageSpec

SMALL: dict[str, dict[str, Any]] = {
    "began": {"encoder_weights": "none"},
    "inpainting_gan": {"discriminator_layers": 1, "local_layers": 1, "hole": 8, "blocks": 1},
    "pix2pix": {"discriminator_layers": 1},
    "cyclegan": {"discriminator_layers": 1, "blocks": 1, "pool": 6},
    "srgan": {"blocks": 1, "pretraining_steps": 0},
    "began_original": {"stall_window": 2},
    "deligan": {"components": 4},
    "gan": {"dropout": 0.3},
    "gmmn": {"widths": [8]},
    "mocogan": {"content_dim": 6, "motion_dim": 3},
    "mix_wgan": {"width": 4, "components": 3},
    "stylegan": {"half_life": 100.0, "mapping_layers": 2},
    "stylegan2": {"path_length": 2.0, "style_mixing": 0.9, "half_life": 100.0},
    "progan": {"stable_images": 8, "fade_images": 16},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # games of a system with other settings, tested as systems are
    "biggan_shared": (
        "biggan",
        {"latent_dim": 16, "shared_dim": 8, "hierarchical": True, "attention": True, "orthogonal": 0.1, "ema_start": 2},
    ),
    "dcgan_labels": ("dcgan", {"labels": "maps"}),
    "mocogan_labels": ("mocogan", {"labels": "category"}),
    "r3gan_schedules": ("r3gan", {"width": 16, "decay_images": 64.0, "half_life": 100.0}),
    "stylegan2_labels": ("stylegan2", {"labels": "projection"}),
    "wgan_gp_labels": ("wgan_gp", {"labels": "projection"}),
}
MOVING: dict[str, dict[str, Any]] = {  # with which schedules move, and lazy turns are taken, within a few steps
    "hybrid": {"r1_interval": 1, "decay_every_epochs": 0.4},
    "hybrid_fast": {"r1_interval": 64, "decay_from_step": 2, "decay_to_step": 18, "ema_warmup_steps": 6},
    "r3gan": {"decay_images": 64.0},
    "wgan_gp": {"decay_to_step": 16},
}
MOVES = ("critic_steps", "discriminator_steps")


FRAMES = 3  # of a clip, for systems that make clips: what others take as colours are frames of one channel here
GIVEN: dict[str, tuple[int, int]] = {  # of systems that translate: how many channels more, and smaller, inputs are
    "cyclegan": (0, 1),
    "inpainting_gan": (1, 1),
    "pix2pix": (0, 1),
    "srgan": (0, 2),
}


KERNEL = (  # systems that together have every part of the kernel, by which `make test` checks what is dear to check
    "ali", "began", "biggan", "cyclegan", "dcgan", "deligan", "gan", "gmmn", "hybrid", "hybrid_fast", "infogan",
    "maxout_gan", "mix_wgan", "mocogan", "progan", "r3gan", "srgan", "steingan", "stylegan2", "wgan_gp",
)  # fmt: skip


def each_system(*more: str) -> list[Any]:
    """Parameters of a test that is dear: all systems, those that are not of `KERNEL` marked; and `more`."""
    marked = [n if n in KERNEL else pytest.param(n, marks=pytest.mark.every_system) for n in systems.names()]
    return [*more, *marked]


FROM_LATENTS = [name for name in systems.names() if name not in GIVEN]


def spec(name: str, channels: int = 3, size: int = 32, classes: int = 10) -> ImageSpec:
    """Images for a system or variant, with inputs where it translates, as clips where it makes those."""
    if system_of(name) in systems.names() and "needs_clips" in systems.traits(system_of(name)):
        return ImageSpec(max(channels, FRAMES), size, classes, frames=FRAMES)
    given = GIVEN.get(system_of(name))
    made = None if given is None else ImageSpec(channels + given[0], size // given[1])
    return ImageSpec(channels, size, classes, made)


def with_input(
    batch: dict[str, Tensor], images: ImageSpec, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """The batch with random input images, where these images have any."""
    if images.input is None:
        return batch
    shape = (len(batch["image"]), images.input.channels, images.input.size, images.input.size)
    return {**batch, "input": torch.rand(shape, generator=generator) * 2 - 1}


def pixels_of_inputs(images: ImageSpec, count: int) -> Tensor | None:
    """Random input images, uint8; None where these images have none. Masks are holes in the upper left quarter."""
    if images.input is None:
        return None
    shape = (count, images.input.channels, images.input.size, images.input.size)
    pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(7), dtype=torch.uint8)
    if images.input.channels > images.channels:
        pixels[:, -1] = 0
        pixels[:, -1, : shape[2] // 2, : shape[3] // 2] = 255
    return pixels


def system_of(name: str) -> str:
    """The system of a game: that of its name, or of which it is a variant."""
    return VARIANTS[name][0] if name in VARIANTS else name


def small(name: str, *, width: int = 8, latent_dim: int = 8) -> dict[str, Any]:
    """Settings of a quick game of this system, or variant: widths and latents of these sizes, or of its least."""
    if name in VARIANTS:
        return small(system_of(name), width=width, latent_dim=latent_dim) | VARIANTS[name][1]
    sizes = {
        field: max(width if field.endswith("width") else latent_dim, least(name, field))
        for field in systems.settings_model(name).model_fields
        if field in ("width", "latent_dim") or field.endswith("_width")
    }
    return sizes | SMALL.get(name, {})


def at_rate(name: str, rate: float) -> dict[str, Any]:
    """Every learning rate that is a number by default, set to this one."""
    fields = systems.settings_model(name).model_fields
    return {
        field: rate
        for field, setting in fields.items()
        if field.endswith("learning_rate") and isinstance(setting.default, float)
    }


def critic_moves(name: str, count: int) -> dict[str, Any]:
    """The critic's moves in one iteration, where that is a setting and its default is more."""
    fields = systems.settings_model(name).model_fields
    return {field: count for field in MOVES if field in fields and fields[field].default > count}


def least(name: str, field: str) -> int:
    """The lower bound of a setting, 1 where it has none."""
    bounds = [bound.ge for bound in systems.settings_model(name).model_fields[field].metadata if hasattr(bound, "ge")]
    return max([1, *bounds])
