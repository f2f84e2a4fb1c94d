"""papergan: GAN papers reproduced as Kedro pipelines, with results compared and their origin recorded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from papergan.evaluation.image_metrics import ImageMetrics, evaluate
    from papergan.inference import (
        Generator,
        Samples,
        SoundGenerator,
        Sounds,
        Translator,
        VectorGenerator,
        Vectors,
        Vocoder,
        load,
    )

__version__ = "0.1.0"
__all__ = [
    "Generator", "ImageMetrics", "Samples", "SoundGenerator", "Sounds", "Translator", "VectorGenerator", "Vectors",
    "Vocoder", "evaluate", "load",
]  # fmt: skip
_HOMES = {"ImageMetrics": "evaluation.image_metrics", "evaluate": "evaluation.image_metrics"}


def __getattr__(name: str) -> Any:
    """Import `papergan.load` and the other public names on first access, because they need torch."""
    if name in __all__:
        return getattr(import_module(f"papergan.{_HOMES.get(name, 'inference')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
