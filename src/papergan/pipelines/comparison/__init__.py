"""The pipeline that compares scores with published results."""

from papergan.pipelines.comparison.pipeline import create_last, create_pipeline

__all__ = ["create_last", "create_pipeline"]
