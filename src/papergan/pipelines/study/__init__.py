"""The pipeline of a study: experiments over seeds and levels of factors, in one table."""

from papergan.pipelines.study.pipeline import create_pipeline

__all__ = ["create_pipeline"]
