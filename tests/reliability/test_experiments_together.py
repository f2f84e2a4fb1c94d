"""Several experiments in one command: what becomes of one does not stop the next, and the table tells."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from mlflow import MlflowClient

from helpers.project_run import run_here
from papergan.errors import EvaluationError, NotFiniteError, PaperganError, StorageError
from papergan.runner import ExperimentRunner
from papergan.training.trainer import Trainer

OTHER = "dcgan_cifar10"
FIRST = "hybrid_cifar10"


def pipeline(*names: str, fails: dict[str, Exception], done: list[str]) -> Pipeline:
    def first(name):
        def work(given):
            done.append(f"{name} first")
            if name in fails:
                raise fails[name]
            return 1

        return work

    def second(name):
        return lambda value: done.append(f"{name} second") or 2

    nodes = [
        part
        for name in names
        for part in Pipeline(
            [node(first(name), "shared", "value", name="first"), node(second(name), "value", "end", name="second")],
            namespace=name,
            inputs={"shared"},
        ).nodes
    ]
    return Pipeline(nodes)


def run(what: Pipeline) -> None:
    ExperimentRunner().run(what, DataCatalog({"shared": MemoryDataset(0)}))


def test_experiments_run_one_after_the_other():
    done = []
    run(pipeline("b", "a", fails={}, done=done))
    assert done == ["a first", "a second", "b first", "b second"]


@pytest.mark.parametrize("error", [EvaluationError("no weights"), NotFiniteError("step 3, d: loss=nan")])
def test_an_error_of_one_lets_the_others_go_on_and_is_raised_at_the_end(error):
    done = []
    with pytest.raises(PaperganError, match=f"a: {error}"):
        run(pipeline("a", "b", fails={"a": error}, done=done))
    assert done == ["a first", "b first", "b second"]


def test_alone_an_error_is_what_it_is():
    with pytest.raises(EvaluationError, match="^no weights$"):
        run(pipeline("a", fails={"a": EvaluationError("no weights")}, done=[]))


@pytest.mark.parametrize("error", [StorageError("disk full"), ZeroDivisionError("a bug")])
def test_a_full_disk_and_a_bug_end_everything(error):
    done = []
    with pytest.raises(type(error)):
        run(pipeline("a", "b", fails={"a": error}, done=done))
    assert done == ["a first"]


@pytest.mark.reliability  # quicker: test_divergence_leaves_a_card_that_says_when
def test_a_diverged_run_is_in_the_table_and_the_other_experiment_is_finished(tmp_path, monkeypatch, capsys):
    """Through everything that `kedro run` does: gate, training, table, MLflow."""
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    training_step = Trainer._run_step

    def poisoned(self):
        if self.step == 3 and "spectral" in repr(self.game.networks).lower():
            for parameter in self.game.networks["generator"].parameters():
                parameter.data.fill_(float("nan"))
        training_step(self)

    monkeypatch.setattr(Trainer, "_run_step", poisoned)
    small = {"steps": 4, "report_every_steps": 1}
    with pytest.raises(PaperganError, match=f"^{FIRST} diverged at step 3, discriminator: .*=nan"):
        run_here(f"{FIRST},{OTHER}", params={FIRST: {"training": small}, OTHER: {"training": small}})
    assert "diverged at step 3" in capsys.readouterr().out
    table = (tmp_path / "data/08_reporting/comparison/comparison.md").read_text()
    assert "diverged at step 3, discriminator" in table
    assert list((tmp_path / "data/08_reporting" / OTHER).glob("scores.json/*/scores.json"))
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Tahvili et al. 2025: hybrid GAN (test)")
    runs = {run.data.tags["papergan.experiment"]: run for run in client.search_runs([group.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == {FIRST: "FAILED", OTHER: "FINISHED"}
    assert runs[FIRST].data.tags["diverged"].startswith("step 3")
    assert "recipe.json" in {entry.path for entry in client.list_artifacts(runs[OTHER].info.run_id)}
