"""Whether the metrics notice what they should."""

from papergan.pipelines.sanity.pipeline import create_pipeline

__all__ = ["create_pipeline"]
