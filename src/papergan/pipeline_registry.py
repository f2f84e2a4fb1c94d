"""The pipelines of the project: one per experiment, study and tool, and a default that trains nothing."""

from __future__ import annotations

from importlib import import_module

from kedro.pipeline import Pipeline, node

from papergan.config import registry
from papergan.pipelines import comparison, experiment, ingestion, study, sweep
from papergan.pipelines.overview import overview


def register_pipelines() -> dict[str, Pipeline]:
    """All pipelines by name; an experiment's goes from raw data to the comparison table."""
    pipelines = {
        name: Pipeline([part.create_pipeline(name) for part in (ingestion, experiment, comparison)])
        for name in registry.discover()
    }
    for name, entry in registry.studies().items():
        pipelines[name] = (sweep if entry.sweep else study).create_pipeline(name)
    pipelines |= {
        name: import_module(tool.pipeline).create_pipeline(*tool.arguments) for name, tool in registry.TOOLS.items()
    }
    pipelines["__default__"] = Pipeline([node(overview, inputs="parameters", outputs=None, name="overview")])
    return pipelines
