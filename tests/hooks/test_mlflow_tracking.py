"""When the run of an experiment begins, and what is left where its data are missing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from mlflow import MlflowClient

from helpers.project_run import EXPERIMENT, run_here
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.library import ImageLibrary
from papergan.errors import ExperimentsFailedError, PaperganError, StorageError
from papergan.hooks import MlflowHook
from papergan.hooks.summary import mlflow_lines
from papergan.messages import first_cause, first_line, quoted, sanitise, without_password
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.tracker import run_places


def test_data_that_are_missing_leave_no_run(tmp_path, monkeypatch):
    def missing(self, *arguments, **options):
        raise StorageError("there is no such file")

    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(ImageLibrary, "load", missing)
    with pytest.raises(PaperganError, match="there is no such file"):
        run_here(EXPERIMENT)
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


def test_a_run_begins_with_its_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    run_here(EXPERIMENT, to_outputs=[f"{EXPERIMENT}.images"], params={EXPERIMENT: {"seed": 4}})
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Tahvili et al. 2025: hybrid GAN (test)")
    (run,) = client.search_runs([group.experiment_id])
    assert run.info.run_name.startswith(f"{EXPERIMENT} seed 4, ")
    (used,) = run.inputs.dataset_inputs
    assert run.data.tags["data_digest"].startswith(used.dataset.digest)
    assert run.data.tags["command"] == f'kedro run --pipelines {EXPERIMENT} --env test --params "{EXPERIMENT}.seed=4"'
    assert run.data.tags["mlflow.note.content"].startswith("[samples](#/experiments/")
    assert run.info.run_id in run.data.tags["mlflow.note.content"]
    assert run_places == {EXPERIMENT: (group.experiment_id, run.info.run_id)}


def test_one_run_begins_where_several_threads_load_the_inputs_of_a_node(monkeypatch):
    """As with --async: each of them comes to the hook before the run has begun."""
    begun = []

    def begin(self, experiment):
        time.sleep(0.05)  # a store takes seconds
        begun.append(experiment.name)
        self._runs[experiment.name] = None

    monkeypatch.setattr(MlflowHook, "_begin", begin)
    hook = MlflowHook()
    hook._catalog = DataCatalog({f"params:{EXPERIMENT}": MemoryDataset(Experiment(EXPERIMENT, None))})
    evaluate = node(len, "scores", "count", namespace=f"evaluation.{EXPERIMENT}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: hook.before_dataset_loaded(evaluate), range(4)))
    assert begun == [EXPERIMENT]


RECIPE = {"paper": "tahvili2025", "system": "hybrid", "dataset": "synthetic_shapes", "training": {"epochs": 1.0}}


class Run:
    """An MLflow run that only keeps how it ended."""

    run_id, status = "r", None

    def finish(self, status):
        self.status = self.status or status


NAMES = ("one", "other")


@pytest.fixture
def hook():
    hook = MlflowHook()
    command = {"run_id": "s", "pipeline_names": list(NAMES), "env": None, "runtime_params": {}}
    nodes = [node(len, "x", f"training.{name}.y", namespace=f"training.{name}") for name in NAMES]
    hook.before_pipeline_run(command, Pipeline(nodes), DataCatalog({}))
    hook._runs |= {name: Run() for name in NAMES}
    return hook


FAILED = ExperimentsFailedError({"other": PaperganError("no weights")})


@pytest.mark.parametrize(
    ("error", "wanted"),
    [(None, ["FINISHED", "FINISHED"]), (FAILED, ["FINISHED", "FAILED"]), (OSError("full"), ["FAILED", "FAILED"])],
    ids=["none", "of one experiment", "of all"],
)
def test_runs_whose_outputs_were_not_all_saved_end_as_their_experiments_did(error, wanted, hook):
    """With --only-missing-outputs, Kedro leaves nodes out after the outputs were counted."""
    runs = [hook._runs[name] for name in NAMES]
    hook.after_pipeline_run() if error is None else hook.on_pipeline_error(error)
    assert [run.status for run in runs] == wanted


def test_a_run_that_diverged_has_failed_whichever_outputs_were_saved(hook):
    run = hook._runs["one"]
    hook._diverged.add("one")
    hook.after_pipeline_run()
    assert run.status == "FAILED"


def test_a_pipeline_that_is_not_tracked_leaves_the_others_tracked(tmp_path):
    """As in kedro run --pipelines one,comparison."""
    hook, begun = MlflowHook(), []
    hook._configuration = MlflowConfiguration("sqlite:///x", str(tmp_path), untracked=("comparison", "other"))
    command = {"run_id": "s", "pipeline_names": ["one", "comparison"], "env": None, "runtime_params": {}}
    hook.before_pipeline_run(command, Pipeline([]), DataCatalog({}))
    hook._store.begin = lambda paper, experiment, *_, **__: begun.append(experiment)
    for name in NAMES:
        with suppress(AttributeError):  # what begins is no run
            hook._begin(Experiment(name, Recipe.parse(name, RECIPE)))
    assert begun == ["one"]


def test_a_run_that_cannot_begin_leaves_those_of_later_experiments_tracked(tmp_path, caplog):
    hook, asked = MlflowHook(), []
    hook._configuration = MlflowConfiguration("sqlite:///x", str(tmp_path))
    command = {"run_id": "s", "pipeline_names": list(NAMES), "env": None, "runtime_params": {}}
    hook.before_pipeline_run(command, Pipeline([]), DataCatalog({}))

    def begin(paper, experiment, *_, **__):
        asked.append(experiment)
        raise OSError("the database is locked")

    hook._store.begin = begin
    for name in (*NAMES, *NAMES):
        hook._begin(Experiment(name, Recipe.parse(name, RECIPE)))
    assert asked == list(NAMES)  # each once, not at every dataset
    assert len([one for one in caplog.messages if "this one goes untracked: the database is locked" in one]) == len(
        NAMES
    )


@pytest.mark.parametrize("show", [sanitise, first_line, quoted, first_cause])
def test_an_error_of_mlflow_is_shown_without_the_password_of_its_address(show):
    text = "API request to https://{}host:80/api/2.0 failed with exception postgresql+psycopg://{}host/mlflow me@host"
    shown = show(ValueError(text.format(*["me:s3cret@"] * 2)))
    assert "s3cret" not in shown
    assert text.format("", "")[:100] in shown


@pytest.mark.parametrize("name", ["password", "PASSWORD", "token", "sig"])
def test_a_password_in_the_query_of_an_address_is_masked(name):
    text = "no answer from postgresql://host/mlflow?user=me&{}={}&sslmode=require and https://host/x?{}={}"
    assert without_password(text.format(*[name, "s3cret"] * 2)) == text.format(*[name, "***"] * 2)
    assert without_password("https://host/x?compass=1&word=2") == "https://host/x?compass=1&word=2"


def test_the_end_of_a_command_says_where_its_runs_are_seen():
    run_places.clear()
    run_places.update(a=("3", "first"), b=("3", "second"))
    local = MlflowConfiguration("sqlite:////somewhere/mlflow.db", "artifacts")
    address = "http://127.0.0.1:5000/#/experiments/3/runs"
    command, *links = [text for _, text in mlflow_lines(local)]
    assert command.endswith("mlflow ui --backend-store-uri sqlite:////somewhere/mlflow.db --host 127.0.0.1")
    assert links == [
        f"{address}?workflowType=machine_learning&viewStateShareKey=papergan",
        f"{address}/first?workflowType=machine_learning",
        f"{address}/second?workflowType=machine_learning",
    ]
    spaced = MlflowConfiguration("sqlite:////my projects/mlflow.db", "artifacts")
    assert "--backend-store-uri 'sqlite:////my projects/mlflow.db' --host" in next(mlflow_lines(spaced))[1]
    server = MlflowConfiguration("https://mlflow.org", "artifacts", interface="https://mlflow.org")
    assert next(mlflow_lines(server))[1].startswith("https://mlflow.org/#/experiments/3/runs?")
    account = "me:s3cret"
    server = replace(server, tracking_uri=f"https://{account}@mlflow.org", interface=f"https://{account}@mlflow.org")
    assert next(mlflow_lines(server))[1].startswith("https://mlflow.org/#/experiments/3/runs?")
    database = MlflowConfiguration(f"postgresql+psycopg://{account}@host/mlflow", "artifacts")
    assert next(mlflow_lines(database))[1].endswith(
        'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI" --host 127.0.0.1'
    )
    in_query = replace(database, tracking_uri="postgresql://host/mlflow?password=s3cret")
    assert '"$MLFLOW_TRACKING_URI"' in next(mlflow_lines(in_query))[1]
    open_to_all = replace(database, tracking_uri="postgresql://me@host/mlflow")
    assert "--backend-store-uri postgresql://me@host/mlflow" in next(mlflow_lines(open_to_all))[1]
    run_places.clear()
    assert len(list(mlflow_lines(local))) == 1
