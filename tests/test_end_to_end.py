"""`kedro run` and the notebooks, as a user has them: what a run leaves, what it tracks, how it stops and goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog
from mlflow import MlflowClient

from helpers.project_run import EXPERIMENT, PROJECT, command_here, kedro_here, run_here, start_there
from helpers.same_files import differing
from papergan.config.registry import TOOLS, discover, studies
from papergan.extractors.domain_training import is_near_chance
from papergan.pipelines.experiment.nodes.evaluation import NEAR_CHANCE

PICTURES = {"results": 2, "use_a_generator": 3}  # samples and curves; samples, truncation, interpolation
STEPS = 20
LONGER = f"{EXPERIMENT}.training.steps={STEPS},{EXPERIMENT}.training.save_minutes=0.0001"
LONGER_HERE = {EXPERIMENT: {"training": {"steps": STEPS, "save_minutes": 0.0001}}}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as the processes started by these tests, so that the same bits come out
    yield
    torch.set_num_threads(before)


def in_workspace(folder: Path, pipeline: str = EXPERIMENT, **options) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAPERGAN_WORKSPACE", str(folder))
        run_here(pipeline, **options)


def catalog_of(folder: Path) -> DataCatalog:
    """As it is now: a catalog goes on giving the versions that it has loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAPERGAN_WORKSPACE", str(folder))
        kedro_here()
        with KedroSession.create(PROJECT, env="test") as session:
            return session.load_context().catalog


def runs(folder: Path, **tags: str):
    """MLflow runs of the document's experiment, oldest first."""
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Tahvili et al. 2025: hybrid GAN (test)")
    return client, list(reversed(client.search_runs([group.experiment_id])))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The workspace of a finished run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    in_workspace(folder, params=LONGER_HERE)
    return folder


@pytest.fixture(scope="module")
def load(finished):
    """Loads an output of the finished run."""
    catalog = catalog_of(finished)
    return lambda name: catalog.load(f"{EXPERIMENT}.{name}")


class TestWhatARunLeaves:
    def test_the_table_and_pictures(self, finished):
        table = (finished / "data/08_reporting/comparison/comparison.md").read_text()
        assert "20.9" in table
        assert "synthetic_shapes/train[:320]" in table
        for name in ("samples.png", "curves.png", "history.csv", "scores.json"):
            assert list((finished / "data/08_reporting" / EXPERIMENT / name).rglob(name)), name

    def test_a_score_card_that_accounts_for_itself(self, load):
        card = load("scores")
        assert card.experiment == EXPERIMENT
        assert card.dataset == "synthetic_shapes/train[:320]"
        assert card.steps == STEPS
        assert card.images_seen == 16 * STEPS
        near = [NEAR_CHANCE] if is_near_chance(load("domain_classifier")) else []  # after a few steps on 320 images
        assert card.notes == ("with latent_dim=8, width=8", *near)
        assert {"domain_fid", "domain_is_mean", "discriminator_accuracy_midpoint"} <= set(card.final)
        assert "fid" not in card.final
        assert card.best_fid.metrics["domain_num_samples"] == card.final["domain_num_samples"] == 120
        assert card.best_fid.metrics["domain_fid"] <= card.final["domain_fid"] or card.best_fid.step < STEPS

    def test_the_history_has_every_report_and_evaluation(self, load):
        history = load("history")
        assert [row["step"] for row in history.losses] == list(range(2, STEPS + 1, 2))
        assert [row["step"] for row in history.metrics] == list(range(4, STEPS + 1, 4))

    def test_the_published_generator_is_the_average(self, load):
        trained, generator = (load(name) for name in ("trained", "generator"))
        assert generator.metadata["weights"] == "ema"
        weights = [name for name in trained.under("average") if name.endswith("weight")]
        assert weights
        assert all(torch.equal(trained.under("average")[name], generator.tensors[name]) for name in weights)
        moving = {name.removeprefix("generator."): tensor for name, tensor in trained.under("networks").items()}
        assert any(
            not torch.equal(moving[name.removeprefix("generator.")], generator.tensors[name])
            for name in weights
            if name.startswith("generator.")
        )

    def test_mlflow(self, finished, load):
        client, (run,) = runs(finished)
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"{EXPERIMENT} seed 0, {STEPS} steps"
        assert run.data.params["training.steps"] == str(STEPS)
        assert run.data.params["settings.gradient_penalty"] == "10.0"
        assert run.data.params["settings.width"] == "8"
        assert {"paper", "dataset", "data_digest", "commit", "dirty", "recipe", "session"} <= set(run.data.tags)
        assert run.data.tags["data_digest"] == load("scores").data_digest
        live = client.get_metric_history(run.info.run_id, "quality/domain_fid")
        assert [metric.step for metric in live] == list(range(4, STEPS + 1, 4))
        assert run.data.metrics["summary/domain_fid"] == load("scores").final["domain_fid"]
        folders = {entry.path for entry in client.list_artifacts(run.info.run_id)}
        assert {"samples", "curves", "scores", "comparison", "generator", "samples.png"} <= folders
        assert run.data.params["evaluation.reference"] == "train"
        assert run.data.params["protocol.domain.extractor_digest"] == load("scores").protocols[0].extractor_digest
        grids = [entry.path for entry in client.list_artifacts(run.info.run_id, "samples")]
        assert f"samples/step-{STEPS:09}.png" in grids
        pictures = ("over_time", "interpolation", "by_class", "neighbours", "truncation")
        assert {f"samples/{name}.png" for name in pictures} | {"samples/progress.gif"} <= set(grids)
        assert {"curves/training_log.csv", "curves/training_log.html", "curves/training_log.md"} <= {
            entry.path for entry in client.list_artifacts(run.info.run_id, "curves")
        }

    def test_later_stages_start_from_what_is_there(self, finished, load):
        versions = len(list(finished.glob(f"data/08_reporting/{EXPERIMENT}/scores.json/*")))
        in_workspace(finished, params=LONGER_HERE, from_nodes=[f"evaluation.{EXPERIMENT}.evaluate"])
        assert len(list(finished.glob(f"data/08_reporting/{EXPERIMENT}/scores.json/*"))) == versions + 1
        assert catalog_of(finished).load(f"{EXPERIMENT}.scores").final == load("scores").final

    def test_the_comparison_alone(self, finished, capsys):
        in_workspace(finished, "comparison")
        assert EXPERIMENT in capsys.readouterr().out


class TestStoppingAndGoingOn:
    @staticmethod
    def interrupt(folder: Path, number: int) -> int:
        """Start a run, send it a signal once it has a checkpoint that was not there before, return its exit code."""
        before = set(folder.glob("data/06_models/*/checkpoints/*/step-*.json"))
        process = start_there(folder, "run", "--pipelines", EXPERIMENT, "--env", "test", "--params", LONGER)
        deadline = time.monotonic() + 150
        while not set(folder.glob("data/06_models/*/checkpoints/*/step-*.json")) - before:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, number)
        output = process.communicate(timeout=60)[0]
        if number != signal.SIGKILL:
            assert "run again to go on from there" in output
            assert "Traceback" not in output
        return process.returncode

    @pytest.mark.reliability  # quicker: reliability/test_killed.py::test_kills_at_random_moments_change_nothing
    def test_sigterm_and_kill_9_change_nothing(self, finished, load, tmp_path):
        assert self.interrupt(tmp_path, signal.SIGTERM) == 143
        assert [run.info.status for run in runs(tmp_path)[1]] == ["KILLED"]
        assert self.interrupt(tmp_path, signal.SIGKILL) == -9
        assert [run.info.status for run in runs(tmp_path)[1]] == ["KILLED", "RUNNING"]
        in_workspace(tmp_path, params=LONGER_HERE)
        client, every = runs(tmp_path)
        assert [run.info.status for run in every] == ["KILLED", "KILLED", "FINISHED"]
        resumed = catalog_of(tmp_path)
        assert resumed.load(f"{EXPERIMENT}.trained").digest == load("trained").digest
        assert resumed.load(f"{EXPERIMENT}.scores").final == load("scores").final
        steps = [metric.step for metric in client.get_metric_history(every[-1].info.run_id, "quality/domain_fid")]
        assert steps == list(range(4, STEPS + 1, 4))
        assert not differing(tmp_path, finished)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(PROJECT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_and_is_committed_without_output(path, finished, monkeypatch):
    import nbformat  # which takes seconds: for this slow test alone
    from nbclient import NotebookClient

    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(finished))
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in shown) == PICTURES[path.stem]
    assert any("synthetic_shapes" in str(output.get("text", output.get("data", ""))) for output in shown)


@pytest.mark.slow  # quicker: pipelines/test_fd_search.py
def test_a_search_leaves_its_choice_where_recipes_find_it_and_a_run_for_every_trial(tmp_path, capsys):
    in_workspace(tmp_path, "fd_search")
    told = capsys.readouterr().out
    assert "cft_gan_cifar10_1000: FD 1, the first without an instability" in told
    assert "trace.html" in told
    assert (tmp_path / "data/05_model_input/fd_search/chosen.json").read_text().split() == [
        "{", '"cft_gan_cifar10_1000":', "1", "}",
    ]  # fmt: skip
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Song and Kim 2023: GANs on limited data (test)")
    trial, study = sorted(client.search_runs([group.experiment_id]), key=lambda run: run.info.run_name)
    assert trial.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert study.info.run_name.startswith("fd_search, ")
    assert (study.info.status, trial.info.status) == ("FINISHED", "FINISHED")
    assert trial.data.tags["FD"] == "1"
    assert trial.data.params["settings.feature_differences"] == "1"
    assert "summary/domain_fid" in trial.data.metrics
    assert "loss/discriminator_literal_edge" in trial.data.metrics
    assert {entry.path for entry in client.list_artifacts(study.info.run_id, "trace")} >= {"trace/losses.png"}
    in_workspace(tmp_path, "fd_search")  # nothing is played again, and it is the same run
    assert len(client.search_runs([group.experiment_id])) == 2


def test_the_registry_lists_every_experiment():
    done = command_here("registry", "list")
    assert done.exit_code == 0
    expected = {f"- {name}" for name in (*discover(), *studies(), *TOOLS, "__default__")}
    assert expected == set(done.stdout.split("\n")) - {""}


def test_without_a_pipeline_it_says_what_there_is_and_trains_nothing(tmp_path, capsys):
    in_workspace(tmp_path, "__default__", env="local")
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*discover(), *studies()))
    assert "kedro run --pipelines hybrid_cifar10 --env demo" in printed
    assert not list(tmp_path.iterdir())
