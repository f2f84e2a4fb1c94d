"""The pipeline of the reproductions: published numbers beside measured ones, each under its own protocol."""

from papergan.pipelines.reproductions.pipeline import create_pipeline

__all__ = ["create_pipeline"]
