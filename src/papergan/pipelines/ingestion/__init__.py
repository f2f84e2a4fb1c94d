"""From bytes to images that an experiment trains on."""

from papergan.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
