"""One MLflow run per experiment that is run; its status is how the experiment ended."""

from __future__ import annotations

import atexit
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from papergan.datasets.page import PageDataset
from papergan.errors import ExperimentsFailedError
from papergan.hooks.config_loader import typed_conf_source
from papergan.messages import sanitise
from papergan.pipelines.groups import experiment_of, group_of
from papergan.tracking.configuration import MlflowConfiguration, parse, parse_system_metrics
from papergan.tracking.mlflow_store import MlflowStore
from papergan.tracking.tracker import active_trackers, run_places
from papergan.validation import short_digest

if TYPE_CHECKING:
    from papergan.config.checked import Experiment, Sweep, TrialPlan
    from papergan.tracking.mlflow_tracker import MlflowTracker, Status

logger = logging.getLogger(__name__)

INGESTION = "ingestion"  # the group of nodes that read images


class MlflowHook:
    """Begins a run when the images of an experiment are there, or with its first later node; ends it with the pipeline.

    Missing or damaged data therefore leave no run, like every error of the preflight.
    Its status is FINISHED at the end, FAILED after an error, KILLED when the process ends before either: Kedro calls no
    hook at Ctrl-C or SIGTERM, so an exit handler does it. After kill -9 the next run marks it KILLED.
    Modules that need torch are imported only during a run, since every command of Kedro loads this file.
    """

    def __init__(self) -> None:
        self._configuration: MlflowConfiguration | None = None
        self._store: MlflowStore | None = None
        self._session = ""
        self._command: dict[str, Any] = {}  # pipelines, environment and --params
        self._catalog: CatalogProtocol | None = None
        self._beginning = Lock()  # with --async, the inputs of a node are loaded by several threads
        self._runs: dict[str, MlflowTracker] = {}
        self._not_begun: set[str] = set()  # experiments whose run MLflow could not begin; that is not tried again
        self._descriptions: dict[str, str] = {}  # of the open runs, without scores
        self._diverged: set[str] = set()
        self._unsaved_outputs: Counter[str] = Counter()  # outputs of each experiment that have not been saved yet

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read mlflow.yml, and leave it where `kedro mlflow ui` looks for it. Nothing is created yet."""
        self._configuration = None  # hooks outlive the session of a notebook
        try:
            given = context.config_loader["mlflow"]
            options = parse(given)
        except ImportError:
            logger.warning("MLflow is not installed: nothing is tracked, everything else works")
            return
        context.__setattr__("mlflow", options)
        self._configuration = replace(
            MlflowConfiguration.of(options), environment=context.env, system_metrics=parse_system_metrics(given)
        )

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Open the store, which writes nothing yet; runs begin with their first node."""
        self._end("KILLED")  # runs that an interrupted run of this process, a notebook's, left open
        self._catalog = catalog
        self._diverged.clear()
        self._not_begun.clear()
        self._session = str(run_params["run_id"])
        self._command = {
            "pipelines": list(run_params["pipeline_names"] or []), "environment": run_params.get("env"),
            "conf_source": typed_conf_source(), "given": run_params.get("runtime_params") or {},
        }  # fmt: skip
        run_places.clear()
        self._store = None
        if self._configuration is not None:
            self._store = MlflowStore(self._configuration)
        self._unsaved_outputs = Counter(experiment_of(node.namespace) for node in pipeline.nodes for _ in node.outputs)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Begin the run of the node's experiment or study, if it has not begun, before the node's inputs are read.

        Nodes that ingest images begin none: that run begins when the images are there.
        """
        if group_of(node.namespace) != INGESTION:
            self._begin_of(node)

    def _begin_of(self, node: Node) -> None:
        from papergan.config.checked import Experiment, Sweep, TrialPlan

        name = experiment_of(node.namespace)
        with self._beginning:
            if self._catalog is None or name in self._runs or f"params:{name}" not in self._catalog:
                return
            value = self._catalog.load(f"params:{name}")
            if isinstance(value, Experiment | Sweep | TrialPlan):
                self._begin(value)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Tag the run with the images that are loaded, also where an earlier run made them."""
        self._note_images(dataset_name, data)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Log datasets that the catalog marks with `metadata: {mlflow: {artifacts: <folder>}}`, and final scores.

        The run of an experiment ends with its last output, whether other experiments fail or not.
        """
        self._begin_of(node)
        self._note_images(dataset_name, data)
        name = experiment_of(node.namespace)
        if name in self._runs and self._catalog is not None:
            self._keep(self._runs[name], self._catalog.get(dataset_name), data)
        self._unsaved_outputs[name] -= 1
        if not self._unsaved_outputs[name]:
            self._end("FINISHED", name)

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """End the run of this node's experiment as FAILED; others continue."""
        name = experiment_of(node.namespace)
        if name in self._runs:
            self._runs[name].fail(error)
        self._end("FAILED", name)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """End all open runs: with --only-missing-outputs, fewer outputs are saved than were expected."""
        self._end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End all open runs as FAILED, but for those of experiments that finished while others failed."""
        if isinstance(error, ExperimentsFailedError):
            self._end("FAILED", *error.experiments)
            self._end("FINISHED")
        self._end("FAILED")

    def _begin(self, experiment: Experiment | Sweep | TrialPlan[Any, Any]) -> None:
        from papergan.tracking.run_content import DESCRIPTION, RunIdentity

        if self._store is None or experiment.name in {*self._store.configuration.untracked, *self._not_begun}:
            return
        about = RunIdentity.of(experiment, self._command)
        tags = {**about.tags, "session": self._session}
        try:
            run = self._store.begin(about.paper_key, experiment.name, tags, about.resume_tag, name=about.name)
        except Exception as error:  # the store may fail in any way; an experiment does not need it
            reason = sanitise(str(error).partition("\n")[0] or type(error).__name__)
            logger.warning("MLflow cannot begin a run, this one goes untracked: %.200s", reason)
            self._not_begun.add(experiment.name)
            return
        self._runs[experiment.name] = run
        active_trackers[experiment.name] = run
        run_places[experiment.name] = (run.experiment_id, run.run_id)
        atexit.register(self._end_one, run, "KILLED")
        run.parameters(about.parameters)
        run.text("recipe.json", experiment.recipe.model_dump_json(indent=1))
        self._descriptions[experiment.name] = about.description(run.experiment_id, run.run_id)
        run.tags({DESCRIPTION: self._descriptions[experiment.name]})
        settings = self._store.configuration.system_metrics
        if settings.enabled:
            run.start_system_metrics(settings.every_seconds)

    def _keep(self, run: MlflowTracker, dataset: Any, data: Any) -> None:
        from papergan.evaluation.scorecard import ScoreCard
        from papergan.inference.model_folder import StoredModel
        from papergan.tracking.run_content import DESCRIPTION, with_scores

        mark = (getattr(dataset, "metadata", None) or {}).get("mlflow")
        if mark is not None:
            run.artifact(file_of(dataset), mark["artifacts"])
        if isinstance(data, ScoreCard):
            run.scores(data)
            run.tags({DESCRIPTION: with_scores(self._descriptions[data.experiment], data)})
            if data.diverged is not None:
                run.tags({"diverged": data.diverged.removeprefix("diverged at ")})
                self._diverged.add(data.experiment)
        if isinstance(data, StoredModel) and "diverged" not in data.config:
            about = data.about
            tags = {"data_set": about["dataset"], "digest": data.config["digest"], "protocol": _protocol_of(about)}
            run.generator(file_of(dataset), about["experiment"], about["metrics"], tags)

    def _note_images(self, name: str, data: Any) -> None:
        from papergan.data.images import ImageSplits

        experiment, _, what = name.rpartition(".")
        if what == "images" and experiment in self._runs and isinstance(data, ImageSplits):
            digests = {"data_digest": data.train.digest, "images": data.train.name}
            self._runs[experiment].tags(digests)
            size = {"train": len(data.train), "test": len(data.test), "shape": list(data.train.images.shape[1:])}
            self._runs[experiment].dataset(data.train.name, data.train.digest, size)

    def _end(self, status: Status, *names: str) -> None:
        """End the open runs of these experiments; all open runs where none is named. One that diverged has FAILED."""
        for name in names or list(self._runs):
            run = self._runs.pop(name, None)
            active_trackers.pop(name, None)
            if run is not None:
                self._end_one(run, "FAILED" if status == "FINISHED" and name in self._diverged else status)

    def _end_one(self, run: MlflowTracker, status: Status) -> None:
        run.finish(status)
        if self._store is not None:
            self._store.run_locks.release(run.run_id)


def _protocol_of(about: Mapping[str, Any]) -> str:
    """A digest of the rules under which the scores were measured; scores under different ones are not compared."""
    rules = {name: {**rule, "seed": None} for name, rule in about["protocol"].items()}
    return short_digest(rules)


def file_of(dataset: Any) -> Path:
    """The path of the newest version of a dataset."""
    return Path(dataset.path if isinstance(dataset, PageDataset) else dataset._get_load_path())
