"""One file per paper. The file's name is the system's name; there is no registry.

Each file has a docstring (paper, identifier, what is reproduced, every deviation, what is deterministic on a GPU) and
`build(images: ImageSpec, *, <the paper's numbers as keyword arguments with defaults>) -> Game`. A system that differs
from the others in a general property declares it in its file: `TRAITS = frozenset({...})`, names of `KNOWN_TRAITS`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, create_model, field_validator
from pydantic_core import PydanticCustomError

from papergan.data.allocations import no_more_than_there_is
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError, did_you_mean
from papergan.game.game import Game
from papergan.messages import quoted
from papergan.networks.layers.separable import Convolution, with_separable_convolutions
from papergan.objectives.adaptive_augmentation.transformations import with_adaptive_augmentation
from papergan.objectives.distillation import Distillation, with_distillation
from papergan.randomness import seeded
from papergan.training.memory import memory_errors
from papergan.validation import MAX_COUNT, format_validation_error, one_line_error


def names() -> list[str]:
    """The names of all systems, from the files of this folder; nothing is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> ModuleType:
    """The module of a system, never by an import path. Raises RecipeError for an unknown name, with close matches."""
    if name in RENAMED:
        raise RecipeError(f"system {quoted(name)} is {RENAMED[name]} now")
    if name not in names():
        raise RecipeError(f"unknown system {quoted(name)}{did_you_mean(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")


RENAMED = {"dcgan_labels": "'dcgan' with the overrides labels: maps and, as its default was, width: 64"}
"""Systems of earlier versions, and their replacements."""

KNOWN_TRAITS = {
    "codes": "its latents have codes, or a network inverts its generator: there is a picture of them",
    "needs_clips": "it makes clips, and is not built for single images",
    "needs_labels": "its generator is always conditional: asked for a class, and not built for images without any",
    "not_recordable": "its steps cannot be recorded as CUDA graphs; they are played, and one line says why",
    "styles": "its generator makes images from styles, which can be mixed: there is a picture of that",
    "translates": "its generator translates images, `input` of the recipe, where others are given latents",
    "unbounded_output": "its generator's images may leave [-1, 1], and are clipped where they become pixels",
}
"""The traits that a system may declare in `TRAITS`, and their meaning."""


def traits(name: str) -> frozenset[str]:
    """The `TRAITS` that a system's file declares; none by default.

    Raises RecipeError for an unknown system, ValueError for a trait that is not in `KNOWN_TRAITS`.
    """
    declared = frozenset(getattr(find(name), "TRAITS", ()))
    if unknown := sorted(declared - KNOWN_TRAITS.keys()):
        raise ValueError(
            f"TRAITS of system {name!r} has {', '.join(map(repr, unknown))}; known: {', '.join(KNOWN_TRAITS)}"
        )
    return declared


def is_conditional(name: str, overrides: Mapping[str, Any]) -> bool:
    """Whether a system's generator takes a class; unless one is requested, its prior, a `WithChoice`, draws it.

    Declared by its file, or by its setting `labels`, which says how labels enter the networks; none = not at all.
    Raises RecipeError as `resolve` does.
    """
    return "needs_labels" in traits(name) or resolve(name, overrides).get(LABELS, "none") != "none"


@cache
def settings_model(name: str) -> type[BaseModel]:
    """The keyword arguments of a system's `build` as a strict model: names, types and the paper's numbers.

    In addition, the settings of every system: adaptive_augmentation, the transformations of `AdaptiveAugment`, None =
    none; convolution, its kind in the generator or in all networks, see `with_separable_convolutions`; distillation,
    how the generator learns from a teacher, None = it does not.
    """
    build = find(name).build
    hints = get_type_hints(build, include_extras=True)
    fields: dict[str, Any] = {
        argument.name: (hints[argument.name], argument.default)
        for argument in inspect.signature(build).parameters.values()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY
    }
    return create_model(
        f"{name} settings",
        adaptive_augmentation=(str | None, None),
        convolution=(Convolution, "standard"),
        distillation=(Distillation | None, None),
        __validators__={"at_most": field_validator("*")(_at_most)},
        __config__=ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False),
        **fields,
    )


ADAPTIVE, CONVOLUTION, DISTILLATION, LABELS = "adaptive_augmentation", "convolution", "distillation", "labels"
ADDED = {
    ADAPTIVE: None, CONVOLUTION: "standard", DISTILLATION: None, "discriminator_width": None, "packing": 1,
    LABELS: "none",
}  # fmt: skip
"""Settings that were added later, and the values that switch them off."""

UPPER_BOUNDS = dict.fromkeys(
    (
        "critic_steps", "discriminator_steps", "fakes_per_real", "components", "feature_differences",
        "minibatch_kernels", "outcomes",
    ),
    1000,
)  # fmt: skip
"""Bounds of settings that multiply the work or the memory of a step: a thousand; MAX_COUNT for all other settings."""

MIN_DIVISOR = 1e-30  # dividing by less overflows


def _at_most(value: Any, info: ValidationInfo) -> Any:
    most = UPPER_BOUNDS.get(info.field_name or "", MAX_COUNT)
    if isinstance(value, int | float) and abs(value) > most:
        raise PydanticCustomError("too_large", f"Input should be at most {most}")
    if isinstance(value, float) and 0 < abs(value) < MIN_DIVISOR:
        raise PydanticCustomError("too_small", f"Input should be 0, where that makes sense, or at least {MIN_DIVISOR}")
    return value


def resolve(name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a system, including overrides. Raises RecipeError naming every wrong one, with close matches."""
    model = settings_model(name)
    try:
        settings = model.model_validate(dict(overrides)).model_dump()
    except ValidationError as error:
        raise RecipeError("; ".join(_explain(name, detail, model) for detail in error.errors())) from None
    return {key: value for key, value in settings.items() if not _is_off(model, key, value)}


def _is_off(model: type[BaseModel], key: str, value: Any) -> bool:
    """Whether a setting that was added later is off by default, and left out so that digests stay as they were."""
    return key in ADDED and value == ADDED[key] == model.model_fields[key].default


def build(name: str, images: ImageSpec, overrides: Mapping[str, Any], *, seed: int) -> Game:
    """The game of a system for these images, its weights drawn from `seed`, on the CPU.

    Raises RecipeError where the settings do not fit each other or the images (including their classes), and
    MemoryShortError where the weights do not fit into memory.
    """
    settings = resolve(name, overrides)
    if is_conditional(name, overrides) and images.num_classes < 2:
        raise RecipeError(_without_labels(name, settings.get(LABELS), images))
    if ("translates" in traits(name)) != (images.input is not None):
        raise RecipeError(
            f"system {name!r} translates images; say which: `input` of the recipe" if images.input is None
            else f"system {name!r} makes images from latents and has no use for input images"
        )  # fmt: skip
    if images.input is not None and settings.get(ADAPTIVE) is not None:
        raise RecipeError(
            f"system {name!r} translates images: adaptive_augmentation would move the image and leave its input where "
            "it is; leave it out"
        )
    try:
        what, advice = f"building system {name!r}", "lower the sizes in its overrides"
        with seeded(seed, "weights"), memory_errors(what, advice), no_more_than_there_is(what, advice):
            pipeline, convolution = settings.pop(ADAPTIVE, None), settings.pop(CONVOLUTION, "standard")
            taught = settings.pop(DISTILLATION, None)
            game: Game = find(name).build(images, **settings)
            game = game if convolution == "standard" else with_separable_convolutions(game, convolution)
            game = game if taught is None else with_distillation(game, Distillation(**taught))
            return game if pipeline is None else with_adaptive_augmentation(game, pipeline)
    except (ValueError, RuntimeError, TypeError) as error:
        if not isinstance(error, ValueError) and "overflow" not in str(error).lower():  # torch's message beyond 64 bits
            raise
        raise RecipeError(
            f"system {name!r} cannot be built for {images.channels}x{images.size}x{images.size} images: "
            f"{one_line_error(error):.300}"
        ) from error


def _without_labels(name: str, labels: str | None, images: ImageSpec) -> str:
    """Why a conditional system cannot be built for images without classes. labels: its setting, if it has one."""
    setting, instead = ("", "") if labels is None else (f" with labels: {labels}", ", or set labels: none")
    return (
        f"system {name!r}{setting} cannot be built for {images.channels}x{images.size}x{images.size} images: it needs "
        f"2 classes or more, and these have {images.num_classes or 'none'}; name a data set with labels "
        f"(images of your own: a folder for each class){instead}"
    )


def _explain(name: str, detail: Any, model: type[BaseModel]) -> str:
    setting = f"{'.'.join(map(one_line_error, detail['loc'])):.100}"
    if detail["type"] == "extra_forbidden":
        return f"system {name!r} has no setting {setting!r}{did_you_mean(setting, model.model_fields)}"
    return f"setting {setting!r} of system {name!r}: {format_validation_error(detail)}"
