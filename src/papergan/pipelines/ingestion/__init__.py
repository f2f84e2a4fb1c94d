"""The pipeline that prepares the images of an experiment."""

from papergan.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
