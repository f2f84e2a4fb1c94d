"""papergan: GAN papers as Kedro pipelines, reproduced, compared and accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from papergan.inference import Generator, Samples, load

__version__ = "0.1.0"
__all__ = ["Generator", "Samples", "load"]


def __getattr__(name: str) -> Any:
    """`papergan.load` and its classes, imported on first access: they need torch."""
    if name in __all__:
        from papergan import inference

        return getattr(inference, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
