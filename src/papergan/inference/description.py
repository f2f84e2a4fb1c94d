"""A short text description of a generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from papergan.messages import on_one_line, quoted, sanitise

if TYPE_CHECKING:
    from papergan.inference.generator import Generator
    from papergan.inference.model_folder import StoredModel


SHOWN = ("fid", "is_mean", "psnr_y", "ssim_y")


def describe(generator: Generator) -> str:
    """Describe its images, training data, latents and classes, scores and digest."""
    about = generator.stored.about
    size = f"{generator.image.channels}x{generator.image.size}x{generator.image.size}"
    count = sum(parameter.numel() for parameter in generator.sampler.generator.parameters())
    lines = [
        f"{about.get('experiment', generator.system)}: {generator.system} generator of {size} images, "
        f"{count:,} parameters",
        f"  trained on {about.get('dataset', 'an unknown data set')}, {generator.progress.step:,} steps, weights "
        f"{generator.stored.config['weights']}",
        f"  {_given(generator)}",
        *(f"  {name} {_number(value, '.4g')}" for name, value in generator.metrics.items() if name.endswith(SHOWN)),
        f"  digest {generator.digest[:16]}",
    ]
    return "\n".join(map(on_one_line, lines))


def describe_plain(stored: StoredModel, what: str, parameters: int, *more: str) -> str:
    """The same for a stored model that makes no images. what: it is, "vocoder of ...". more: lines after the first."""
    about, config = stored.about, stored.config
    steps = _number(config["progress"].get("step"), ",")
    lines = [
        f"{about.get('experiment', config['system'])}: {config['system']} {what}, {parameters:,} parameters",
        *(f"  {line}" for line in more),
        f"  trained on {about.get('dataset', 'unknown data')}, {steps} steps",
        *(f"  {name} {_number(value, '.4g')}" for name, value in dict(about.get("metrics", {})).items()),
        f"  digest {str(config['digest'])[:16]}",
    ]
    return "\n".join(map(sanitise, lines))


def _number(value: object, form: str) -> str:
    """A formatted number; anything else is quoted as it is, since the model may come from anyone."""
    try:
        return format(value, form)
    except (TypeError, ValueError, OverflowError):
        return quoted(value)


def _given(generator: Generator) -> str:
    """What images are made from; for a translation between two domains, their names."""
    images, recipe = generator.image.input, generator.recipe
    if images is None:
        classes = ", ".join(generator.classes) if generator.conditional else "none"
        return f"latents {generator.latent_dim}, {type(generator.sampler.prior).__name__}; classes {classes}"
    given = recipe.get("input")
    given = given if isinstance(given, Mapping) else {}
    domains = f"; a: {_domain(given)}, b: {_domain(recipe)}" if given.get("kind") == "domain" else ""
    return f"translates images of {images.channels}x{images.size}x{images.size}{domains}"


def _domain(settings: Mapping[str, Any]) -> str:
    dataset, classes = settings.get("dataset", "unknown"), settings.get("classes")
    return f"{dataset}[{', '.join(map(str, classes))}]" if isinstance(classes, list | tuple) else str(dataset)
