"""The metric sanity pipeline: every metric on damaged real images."""

from papergan.pipelines.sanity.pipeline import create_pipeline

__all__ = ["create_pipeline"]
