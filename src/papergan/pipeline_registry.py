"""The pipelines of the project: one per experiment, study and tool, and a default that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from kedro.pipeline import Pipeline, node

from papergan.config import registry
from papergan.pipelines import experiment, study, sweep
from papergan.pipelines.overview import overview


class LazyPipelines(Mapping[str, Pipeline]):
    """Pipelines by name, each created on first access: there are a hundred, and a command needs one or two."""

    def __init__(self, makers: Mapping[str, Callable[[], Pipeline]]) -> None:
        self._makers = makers
        self._made: dict[str, Pipeline] = {}

    def __getitem__(self, name: str) -> Pipeline:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def register_pipelines() -> Mapping[str, Pipeline]:
    """All pipelines by name; an experiment's pipeline goes from raw data to the comparison table."""
    makers: dict[str, Callable[[], Pipeline]] = {}
    for name in registry.discover():
        makers[name] = partial(experiment.create_pipeline, name)
    for name, entry in registry.studies().items():
        makers[name] = partial((sweep if entry.sweep else study).create_pipeline, name)
    makers |= {name: partial(_tool, name) for name in registry.TOOLS}
    makers["__default__"] = lambda: Pipeline([node(overview, inputs="parameters", outputs=None, name="overview")])
    return LazyPipelines(makers)


def _tool(name: str) -> Pipeline:
    tool = registry.TOOLS[name]
    pipeline: Pipeline = registry.import_by_name(f"{tool.pipeline}:create_pipeline")(*tool.arguments)
    return pipeline
