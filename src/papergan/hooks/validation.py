"""The validation hook: quick checks of environment, recipes, data, devices and weights before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.config import registry
from papergan.errors import RecipeError, did_you_mean
from papergan.hooks.config_loader import typed_conf_source
from papergan.messages import quoted
from papergan.pipelines.groups import experiment_of

if TYPE_CHECKING:
    from papergan.config.checked import Experiment
    from papergan.datasets.checkpoints import CheckpointFolder


class ValidationHook:
    """Checks the environment and every recipe of a run, its data, device and weights; nodes get the checked recipes."""

    def __init__(self) -> None:
        self._reserved = ExitStack()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Refuse unknown environments and experiments: Kedro would treat the former as empty and ignore the latter."""
        _check_environment(context)
        if registry.use(Path(context.config_loader.conf_source), context.env):
            pipelines.configure("papergan.pipeline_registry")  # rebuilt, with the experiments of this environment
        parameters = context.config_loader["parameters"]
        registry.refuse_unknown(parameters)
        context.config_loader["parameters"] = parameters  # or Kedro would read and merge every file again

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Check the recipes of the pipeline, and replace the parameters by the validated recipes.

        Raises RecipeError with all errors on one line, also for --params that no node reads.
        """
        from papergan.hooks.catalog_checks import refuse_versions_of_outputs  # here, because these need torch
        from papergan.hooks.experiment_checks import preflight
        from papergan.hooks.file_checks import locate_files_of
        from papergan.hooks.model_checks import check_models
        from papergan.hooks.study_checks import check_study
        from papergan.hooks.tool_checks import refuse_unread

        dry = registry.is_dry_run(run_params)
        if not dry:
            check_storage()
        refuse_versions_of_outputs(run_params, pipeline)
        refuse_unread(run_params.get("runtime_params") or {}, pipeline, catalog)
        checks: dict[str, Any] = dict.fromkeys(registry.studies(), check_study)
        checks |= {name: registry.import_by_name(tool.check) for name, tool in registry.TOOLS.items()}
        read = [name for name in checks if f"params:{name}" in pipeline.inputs()]
        checked: dict[str, Any] = {name: checks[name](name, catalog) for name in read}
        for name, plan in checked.items() if not dry else ():
            locate_files_of(name, plan, catalog)
        experiments = preflight(pipeline, catalog, files=not dry)
        if not dry and experiments and "model_library" in pipeline.inputs():
            recipes = {one.name: one.recipe for one in experiments}
            check_models(recipes, catalog.load("image_library"), catalog.load("model_library"))
        checked |= {experiment.name: experiment for experiment in experiments}
        for name, recipe in checked.items():
            catalog.save(f"params:{name}", recipe)
        self.release()
        for experiment in experiments if not dry else ():  # one that another process runs is refused
            self._reserved.enter_context(catalog.load(f"{experiment.name}.checkpoints").reserve())
        trained = _trained(checked, pipeline, catalog)
        _show_costs(trained, catalog, run_params, dry=dry)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Release the experiments, so that other processes may run them."""
        self.release()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Release the experiments, so that other processes may run them."""
        self.release()

    def release(self) -> None:
        """Release all reservations; the kernel does so when the process ends."""
        self._reserved.close()


def check_storage() -> None:
    """Raise StorageError where copies are to go to remote storage that cannot be written or read."""
    from papergan.remote_copy import RemoteCopy, check_remote_copy
    from papergan.settings import remote_copy, workspace

    if (url := remote_copy()["url"]) is not None:
        check_remote_copy(RemoteCopy(Path(workspace()), url))


def _trained(
    checked: Mapping[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
) -> list[tuple[Experiment, CheckpointFolder]]:
    """The experiments that will be trained, and the folders of their checkpoints."""
    from papergan.config.checked import Experiment

    names = {experiment_of(node.namespace) for node in pipeline.nodes if node.name.endswith(".train")}
    found = [one for name, one in checked.items() if name in names and isinstance(one, Experiment)]
    return [(one, catalog.load(f"{one.name}.checkpoints")) for one in found]


def _show_costs(
    trained: Sequence[tuple[Experiment, CheckpointFolder]], catalog: CatalogProtocol, run_params: Mapping[str, Any], *,
    dry: bool,
) -> None:  # fmt: skip
    """Log what the experiments will cost; in a dry run, print their whole plans."""
    from papergan.hooks.run_plan import announce, describe, plan_run

    for experiment, checkpoints in trained:
        plan = plan_run(experiment, catalog.load("image_library"), checkpoints, full=dry)
        if plan is not None:
            given = (run_params.get("runtime_params") or {}).get(experiment.name) or {}
            plan = replace(
                plan, environment=run_params.get("env"), conf_source=typed_conf_source(), given=given
            )  # fmt: skip
            click.echo(describe(plan)) if dry else announce(plan)


def _check_environment(context: KedroContext) -> None:
    environment = context.env or "local"
    folder = Path(context.config_loader.conf_source)
    if not (folder / context.config_loader.base_env).is_dir():
        raise RecipeError(f"{folder}: there is no folder {context.config_loader.base_env!r} of configuration in it")
    known = [path.name for path in folder.iterdir() if path.is_dir()]
    if environment in known:  # a path elsewhere is a folder too, and none of ours
        return
    if environment == "local":  # git does not keep empty folders, and somebody deleted .gitkeep
        (folder / environment).mkdir()
        return
    raise RecipeError(f"unknown environment {quoted(environment)}{did_you_mean(environment, known)}")
