"""A generator in a few lines, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papergan.inference.generator import Generator


def describe(generator: Generator) -> str:
    """What it makes, from what it was trained, its latents and classes, its scores, its digest."""
    about = generator.stored.about
    size = f"{generator.image.channels}x{generator.image.size}x{generator.image.size}"
    count = sum(parameter.numel() for parameter in generator.sampler.generator.parameters())
    lines = [
        f"{about.get('experiment', generator.system)}: {generator.system} generator of {size} images, "
        f"{count:,} parameters",
        f"  trained on {about.get('dataset', 'an unknown data set')}, {generator.progress.step:,} steps, weights "
        f"{generator.stored.config['weights']}",
        f"  {_given(generator)}; classes {', '.join(generator.classes) if generator.conditional else 'none'}",
        *(f"  {name} {value:.4g}" for name, value in generator.metrics.items() if name.endswith(("fid", "is_mean"))),
        f"  digest {generator.digest[:16]}",
    ]
    return "\n".join(lines)


def _given(generator: Generator) -> str:
    """What images are made from."""
    images = generator.image.input
    if images is not None:
        return f"translates images of {images.channels}x{images.size}x{images.size}"
    return f"latents {generator.latent_dim}, {type(generator.sampler.prior).__name__}"
