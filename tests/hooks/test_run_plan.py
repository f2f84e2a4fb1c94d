"""What a run will cost is measured and said before it, and `kedro run --dry-run` says no more than that."""

from __future__ import annotations

import logging
import shlex
from dataclasses import replace

import pytest
import yaml

from helpers.project_run import command_here
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.errors import DataError, EvaluationError
from papergan.hooks.run_plan import announce, describe, plan_run, shorter
from papergan.training.cost import StepCost


def recipe(**changes):
    given = {
        "paper": "tahvili2025", "system": "hybrid", "dataset": "synthetic_shapes", "image_size": 16,
        "overrides": {"width": 4, "latent_dim": 8}, "training": {"epochs": 100.0, "batch_size": 5},
        "evaluation": {"inception": False, "every_epochs": 10.0, "domain_classifier": {"width": 4}},
    }  # fmt: skip
    return given | changes


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    return ImageLibrary.declared(
        {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 20, "test": 10}}, Sources(folder), folder
    )


@pytest.fixture(scope="module")
def plan(library, tmp_path_factory):
    checkpoints = CheckpointFolder(tmp_path_factory.mktemp("plan") / "checkpoints")
    return plan_run(Experiment("mine", Recipe.parse("mine", recipe())), library, checkpoints, full=True)


def slower(plan, seconds):
    return replace(plan, cost=StepCost(seconds, 5, None, 2**30), evaluation_seconds=0.001)


def test_the_budget_is_counted_in_steps_images_and_evaluations(plan):
    assert plan.steps == 400  # a hundred epochs of four batches
    assert plan.epochs_of(400) == pytest.approx(100)
    assert plan.evaluations == 10
    assert plan.cost.flops > 0
    assert plan.evaluation_seconds > 0


def test_the_plan_says_what_will_be_done(plan):
    text = describe(slower(plan, 3600.0))
    assert "400 of 5 images" in text
    assert "2,000 shown to the discriminator, 100.0 epochs" in text
    assert "about 17 days" in text
    assert "10 times 10,000 samples" in text
    assert "none needed" in text


def test_what_the_plan_says_of_missing_weights_can_be_typed(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    given = recipe(evaluation=recipe()["evaluation"] | {"inception": True})
    text = describe(replace(slower(plan, 1.0), recipe=Recipe.parse("mine", given)))
    assert "--params mine.evaluation.inception=false,mine.evaluation.domain=true" in text


def test_the_shorter_run_is_a_valid_one(plan):
    words = shlex.split(shorter(slower(plan, 2.0)).partition(": ")[2])
    assert words[:4] == ["kedro", "run", "--pipelines", "mine"]
    given = recipe()
    for change in words[5].split(","):
        key, value = change.split("=")
        _, group, name = key.split(".")
        given[group][name] = yaml.safe_load(value)
    assert Recipe.parse("mine", given).training.steps == 240  # eight minutes of two seconds


def test_the_shorter_run_measures_the_likelihood_of_as_many_samples_as_there_are(plan):
    likelihood = {"parzen_while_training": True, "parzen_samples": 10000, "parzen_validation": 5}
    given = recipe(validation=5, evaluation=recipe()["evaluation"] | likelihood)
    text = shorter(replace(slower(plan, 2.0), recipe=Recipe.parse("mine", given)))
    for place, value in (pair.split("=") for pair in shlex.split(text.partition(": ")[2])[5].split(",")):
        _, group, name = place.split(".")
        given[group][name] = yaml.safe_load(value)
    rules = Recipe.parse("mine", given).evaluation
    assert rules.parzen_samples == rules.num_samples == 1000


def test_the_shorter_run_is_on_the_same_images_of_ones_own(plan):
    mine = plan.recipe.model_copy(update={"dataset": "/data/cats"})
    assert '--params "mine.dataset=/data/cats,mine.training' in shorter(replace(slower(plan, 2.0), recipe=mine))
    assert "dataset=" not in shorter(slower(plan, 2.0))


def test_the_shorter_run_has_the_settings_of_the_command(plan):
    given = {"overrides": {"width": 4, "latent_dim": None}, "training": {"steps": 7, "deterministic": True}}
    command = shorter(replace(slower(plan, 2.0), given=given, environment="demo"))
    assert '--pipelines mine --env demo --params "mine.overrides.width=4,mine.overrides.latent_dim=null,' in command
    assert "mine.training.deterministic=true," in command
    assert command.count("training.steps=") == command.count("training.steps=240") == 1


def test_the_shorter_run_has_the_configuration_of_the_command(plan):
    mine = replace(slower(plan, 2.0), conf_source="my conf.tar.gz")
    assert " run --pipelines mine --conf-source 'my conf.tar.gz' --params " in shorter(mine)
    few = replace(slower(plan, 60.0), name="gan_mnist", conf_source="conf")
    assert shorter(few).endswith("kedro run --pipelines gan_mnist --env demo --conf-source conf")


def test_what_would_see_too_few_steps_is_sent_to_the_demo_if_that_has_the_experiment(plan):
    few = slower(plan, 60.0)
    assert shorter(replace(few, name="gan_mnist")).endswith("kedro run --pipelines gan_mnist --env demo")
    assert shorter(few) == ""
    assert "a look" not in describe(few)


def test_a_run_that_has_begun_is_offered_no_look_which_would_go_on_with_its_checkpoints(plan, caplog):
    caplog.set_level(logging.INFO)
    begun = replace(slower(plan, 100.0), done=100)
    announce(begun)
    assert len(caplog.messages) == 1
    assert "training.steps=" not in describe(begun)


@pytest.mark.parametrize(("seconds", "lines"), [(0.01, 1), (2.0, 2), (3600.0, 1)])
def test_only_a_long_run_is_offered_a_shorter_one(plan, caplog, seconds, lines):
    caplog.set_level(logging.INFO)
    announce(slower(plan, seconds))
    assert len(caplog.messages) == lines
    assert "mine: 400 steps: about" in caplog.messages[0]


def test_done_steps_do_not_count(plan, caplog):
    caplog.set_level(logging.INFO)
    announce(replace(slower(plan, 3600.0), done=390))
    assert caplog.messages[0].startswith("mine: 10 steps, after 390 that are done: about 10 hours")


def test_a_finished_run_is_not_measured(library, tmp_path):
    checkpoints, checked = CheckpointFolder(tmp_path / "checkpoints"), Recipe.parse("mine", recipe())
    checkpoints.open(checked.fingerprint).save(400, {})
    assert plan_run(Experiment("mine", checked), library, checkpoints, full=False) is None
    assert plan_run(Experiment("mine", checked), library, checkpoints, full=True).left == 0
    anew = Recipe.parse("mine", recipe(training={"epochs": 100.0, "batch_size": 5, "resume": False}))
    assert anew.fingerprint == checked.fingerprint
    assert plan_run(Experiment("mine", anew), library, checkpoints, full=True).left == 400


def test_a_dry_run_has_no_other_runner():
    done = command_here("run", "--dry-run", "--runner", "SequentialRunner")
    assert done.exit_code == 1
    assert "--dry-run runs nothing; leave --runner out" in done.output


@pytest.mark.parametrize("name", ["loss_study", "metric_sanity", "hybrid_cifar10"])
def test_a_dry_run_looks_for_no_files(name, tmp_path, monkeypatch):
    """Those that are missing would be downloaded."""
    asked = []

    def locate(self, dataset):
        asked.append(dataset)
        raise DataError("it is not here")

    def weights(settings):
        asked.append(settings)
        raise EvaluationError("they are not here")

    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(ImageLibrary, "locate", locate)
    monkeypatch.setattr("papergan.hooks.experiment_checks.weight_files", weights)
    monkeypatch.setattr("papergan.hooks.validation._show_costs", lambda *_, **__: None)
    assert command_here("run", "--pipelines", name, "--env", "test", "--dry-run").exit_code == 0
    assert not asked
    done = command_here("run", "--pipelines", name, "--env", "test")
    assert done.exit_code == 1
    assert "not here" in done.output
    assert asked
