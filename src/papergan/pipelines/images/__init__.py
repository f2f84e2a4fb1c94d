"""The pipeline that evaluates any images against any others."""

from papergan.pipelines.images.pipeline import create_pipeline

__all__ = ["create_pipeline"]
