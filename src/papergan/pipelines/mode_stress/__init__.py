"""The mode stress test: losses and regularisers on mixtures of Gaussians, whose covered modes are counted."""

from papergan.pipelines.mode_stress.pipeline import create_pipeline

__all__ = ["create_pipeline"]
