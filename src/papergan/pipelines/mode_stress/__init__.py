"""Modes of Gaussians, counted: losses and regularisers where collapse can be seen."""

from papergan.pipelines.mode_stress.pipeline import create_pipeline

__all__ = ["create_pipeline"]
