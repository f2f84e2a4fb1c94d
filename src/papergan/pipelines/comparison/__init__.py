"""The pipeline that compares scores with published results."""

from papergan.pipelines.comparison.pipeline import create_pipeline

__all__ = ["create_pipeline"]
