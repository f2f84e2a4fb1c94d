"""What an MLflow run is called, which metrics it has, and what its description says."""

from __future__ import annotations

import json

import pytest

from helpers.project_run import score_card
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.config.papers import papers
from papergan.errors import RecipeError
from papergan.metrics.registry import METRICS
from papergan.tracking.interface import COLUMNS, run_group, table_view
from papergan.tracking.metric_names import metric_name, with_sections
from papergan.tracking.run_content import RunIdentity, command, run_name, summary_metrics, with_scores


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fid", "quality/fid"),
        ("domain_kid_mean", "quality/domain_kid"),
        ("is_mean", "quality/is"),
        ("inception64_fid", "quality_details/inception64_fid"),
        ("domain_kid_std", "quality_details/domain_kid_std"),
        ("ms_ssim", "quality_details/ms_ssim"),
        ("discriminator.r1", "loss/discriminator_r1"),
        ("generator.generator_loss", "loss/generator_loss"),
        ("generator.gradient_norm", "training/generator_gradient_norm"),
        ("equilibrium.k", "training/equilibrium_k"),
        ("networks.level", "training/level"),
        ("discriminator_gap", "discriminator/gap"),
        ("membership_auc", "discriminator/membership_auc"),
        ("images_per_second", "training/images_per_second"),
        ("domain_num_samples", None),
        ("fid_floor", None),
        ("summary/domain_fid", "summary/domain_fid"),
        ("modes", "modes"),
    ],
)
def test_a_metric_has_its_section(name, wanted):
    assert metric_name(name) == wanted


def test_progress_stands_behind_what_matters():
    row = {"step": 5, "epoch": 1.0, "generator.loss": 2.0, "generator.gradient_norm": 3.0, "fid": 4.0}
    named = ["loss/generator_loss", "quality/fid", "training/epoch", "training/generator_gradient_norm"]
    assert list(with_sections(row)) == named


def test_no_two_metrics_of_a_row_share_a_name():
    features = {f"domain_{name}": 1.0 for name, metric in METRICS.items() if metric.of_features}
    row = dict.fromkeys(METRICS, 1.0) | features | {"step": 3, "fid_floor": 1.0}
    named = with_sections(row)
    assert len(named) == len(row) - 2
    assert all("/" in name for name in named)


def test_the_summary_is_the_first_extractor_and_the_fid_of_others():
    card = score_card(final={"domain_fid": 9.0, "domain_precision": 0.5, "domain_density": 1.0})
    summary = summary_metrics(card)
    assert summary == {
        "step": 12, "summary/domain_fid": 9.0, "summary/domain_is": 2.0, "summary/domain_precision": 0.5,
        "summary/images": 192, "summary/training_minutes": 1 / 60,
    }  # fmt: skip
    best = {"epoch": 0.5, "step": 6, "domain_fid": 8.0, "domain_num_samples": 100.0}
    assert summary_metrics(score_card(best_fid=best))["summary/best_domain_fid"] == 8.0
    rules = score_card().protocols[0].__dict__
    both = [rules | {"extractor": "inception"}, rules]
    numbers = {"fid": 5.0, "kid_mean": 0.1, "num_samples": 100.0, "domain_fid": 9.0, "domain_kid_mean": 0.2}
    found = summary_metrics(score_card(protocols=both, final=numbers))
    assert (found["summary/fid"], found["summary/domain_fid"], found["summary/kid"]) == (5.0, 9.0, 0.1)
    assert "summary/domain_kid" not in found


def test_the_summary_has_the_likelihood_at_the_end_and_of_the_best_generator():
    rules = score_card().protocols[0].__dict__ | {"parzen_samples": 100, "parzen_validation": 50}
    final = {"domain_fid": 9.0, "parzen_ll_historical": 160.0, "domain_num_samples": 100.0}
    best = {"epoch": 0.5, "step": 6, "parzen_ll_historical": 166.0, "domain_num_samples": 100.0}
    found = summary_metrics(score_card(protocols=[rules], final=final, best_likelihood=best))
    assert (found["summary/likelihood"], found["summary/best_likelihood"]) == (160.0, 166.0)
    assert {"likelihood", "best_likelihood"} <= set(COLUMNS)


def test_the_table_of_runs_shows_every_summary_metric():
    key, value = table_view()
    shown = json.loads(value)["selectedColumns"]
    assert key == "mlflow.sharedViewState.papergan"
    card = score_card(best_fid={"epoch": 1, "step": 1, "domain_fid": 1.0, "domain_num_samples": 100.0})
    assert {f"metrics.`{name}`" for name in summary_metrics(card) if name != "step"} <= set(shown)
    assert len(COLUMNS) == len(set(COLUMNS))


def recipe(**changes) -> Recipe:
    given = {"paper": "song2023", "system": "dcgan", "dataset": "synthetic_shapes", "training": {"steps": 20}}
    return Recipe.parse("dcgan_emoji", given | changes)


@pytest.mark.parametrize(
    ("given", "training", "wanted"),
    [
        ({}, {"steps": 20}, "dcgan seed 3, 20 steps"),
        ({"seed": 3, "training": {"steps": 20}}, {"steps": 20}, "dcgan seed 3, 20 steps"),
        ({}, {"epochs": 1.0}, "dcgan seed 3, 1 epoch"),
        ({}, {"epochs": 1000.0}, "dcgan seed 3, 1 000 epochs"),
        ({}, {"images": 5000000}, "dcgan seed 3, 5 M images"),
        ({"evaluation": {"num_samples": 5}, "training": {"device": "cpu"}}, {"steps": 2}, "dcgan seed 3, 2 steps"),
        (
            {"evaluation": {"truncation": None}, "training": {"batch_size": 8}, "overrides": {"r1": 0.5, "b": True}},
            {"steps": 2}, "dcgan seed 3, r1=0.5, b=true, batch_size=8, 1 more, 2 steps",
        ),
    ],
)  # fmt: skip
def test_a_name_tells_what_was_changed_on_the_command_line(given, training, wanted):
    assert run_name("dcgan", 3, recipe(training=training).training, given) == wanted


def test_a_command_is_what_was_typed():
    given = {"a": {"training": {"epochs": None, "resume": False}, "seed": 1}}
    typed = 'kedro run --pipelines a,b --env demo --params "a.training.epochs=null,a.training.resume=false,a.seed=1"'
    assert command(["a", "b"], "demo", given=given) == typed
    assert command(["a"], "demo", "my conf") == "kedro run --pipelines a --env demo --conf-source 'my conf'"
    assert command(["a"], None) == "kedro run --pipelines a"


def test_an_experiment_says_what_it_is():
    run = {"pipelines": ["dcgan_emoji"], "environment": None, "given": {"dcgan_emoji": {"overrides": {"width": 8}}}}
    about = RunIdentity.of(Experiment("dcgan_emoji", recipe(description="a baseline", overrides={"width": 8})), run)
    assert about.name == "dcgan_emoji seed 0, width=8, 20 steps"
    assert about.resume_tag is None
    assert about.tags["mlflow.source.name"] == "kedro run --pipelines dcgan_emoji"
    assert about.tags["command"].endswith('--params "dcgan_emoji.overrides.width=8"')
    assert about.tags["mlflow.source.git.commit"] == about.tags["commit"]
    text = about.description("7", "abc")
    assert "Song and Kim 2023: a baseline" in text
    assert "(#/experiments/7/runs/abc/artifacts/samples.png?workflowType=machine_learning)" in text
    assert "(#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=papergan)" in text


def test_a_description_ends_with_the_scores_or_with_what_went_wrong():
    text = RunIdentity("a run", "tahvili2025", {}, {}, None, "", "kedro run").description("1", "r")
    assert text.count("https://doi.org/10.71856/IMPCS.2025.1215292") == 1
    assert with_scores(text, score_card()).endswith("| summary/training_minutes | 0.016667 |")
    failed = score_card().model_copy(update={"diverged": "diverged at step 3", "final": {}, "protocols": ()})
    assert with_scores(text, failed).endswith("**diverged at step 3**")


def test_runs_are_grouped_by_paper_and_environment():
    real, demo = run_group("tahvili2025", "local"), run_group("tahvili2025", "demo")
    assert (real.name, real.folder) == ("Tahvili et al. 2025: hybrid GAN", "tahvili2025")
    assert (demo.name, demo.folder) == ("Tahvili et al. 2025: hybrid GAN (demo)", "tahvili2025-demo")
    assert "not to be compared" in demo.description
    assert "not to be compared" not in real.description
    assert real.earlier == "papergan/tahvili2025"
    assert run_group("zaika2025", None, "team").name == "team/Zaika 2025: BEGAN"
    assert run_group("2410.12345", None).name == "arXiv:2410.12345"
    with pytest.raises(RecipeError, match="unknown paper"):
        run_group("nobody1999", None)


def test_no_two_papers_share_a_group():
    names = [run_group(key, None).name for key in papers()]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < 250
