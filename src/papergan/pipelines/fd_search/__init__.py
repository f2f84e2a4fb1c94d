"""The search of song2023 for its hyperparameter FD."""

from papergan.pipelines.fd_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
