"""The pipeline of a translation: from inputs to a translator, its scores beside baselines, and its pictures."""

from __future__ import annotations

import csv

import pytest
import torch

from metrics.test_lpips import files
from papergan.config.checked import Experiment, TrialPlan
from papergan.config.experiment import Recipe
from papergan.config.study import StudyRecipe, trials_of
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.evaluation.translation_scores import TranslationTest, translated
from papergan.inference import Translator, load
from papergan.inference.model_folder import write_model
from papergan.inference.model_library import ModelLibrary
from papergan.metrics.lpips import lpips_of
from papergan.pipelines import experiment, study
from papergan.pipelines.experiment.nodes.evaluation import evaluate
from papergan.pipelines.experiment.restore import exported_sampler
from papergan.reporting.comparison_page import comparison_html
from papergan.reporting.comparison_table import comparison_table
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.tracking import Tracker
from pipelines.test_experiment import played

SHARED = {
    "paper": "ledig2017", "dataset": "synthetic_shapes",
    "training": {"steps": 4, "batch_size": 10, "report_every_steps": 1, "batch_norm_batches": 2},
    "evaluation": {
        "inception": False, "domain_classifier": {"epochs": 1, "width": 4}, "every_epochs": 0.2,
        "num_samples": 100, "final_num_samples": 100, "splits": 2, "discriminator_samples": 20, "batch_size": 50,
        "path_samples": 0, "memorisation_samples": 0,
    },
}  # fmt: skip
GIVEN = {
    "srgan_cifar10": {
        "system": "srgan", "input": {"kind": "downsampled", "factor": 4},
        "overrides": {"width": 8, "discriminator_width": 4, "blocks": 1, "pretraining_steps": 2},
    },
    "cyclegan_horse_deer": {
        "system": "cyclegan", "classes": ["disc"],
        "input": {"kind": "domain", "dataset": "synthetic_shapes", "classes": ["ring", "star"]},
        "overrides": {
            "width": 4, "discriminator_width": 4, "blocks": 1, "discriminator_layers": 1, "pool": 4,
        },
    },
}  # fmt: skip


def run(folder, name):
    inputs = {
        "image_library": ImageLibrary.declared(
            {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 200, "test": 120}}, Sources(folder), folder
        ),
        "feature_cache": FeatureCache(folder / "rulers"),
        "model_library": ModelLibrary(folder / "models"), f"{name}.tracker": Tracker(),
        f"params:{name}": Experiment(name, Recipe.parse(name, SHARED | GIVEN[name])),
        f"{name}.checkpoints": CheckpointFolder(folder / "checkpoints"), "published": {},
    }  # fmt: skip
    made = (
        "images",
        "domain_classifier",
        "reference",
        "real_rows",
        "trained",
        "generator",
        "snapshots",
        "scores",
        "over_time",
        "frames",
        "translations",
        "model",
        "samples",
        "progress",
        "neighbours",
    )
    return played(experiment.create_pipeline(name).to_outputs(*(f"{name}.{one}" for one in made)), inputs)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return run(tmp_path_factory.mktemp("pairs"), "srgan_cifar10")


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    return run(tmp_path_factory.mktemp("domains"), "cyclegan_horse_deer")


def test_pairs_are_scored_beside_what_does_without_a_network(pairs):
    card = pairs.load("srgan_cifar10.scores")
    assert {"psnr", "ssim", "psnr_y", "ssim_y", "domain_fid", "discriminator_accuracy_zero"} <= card.final.keys()
    rows = {row.name: row for row in card.real_rows}
    assert set(rows) == {"real test set", "train copies", "bicubic"}
    assert rows["bicubic"].metrics["psnr"] > card.final["psnr"]  # after four steps
    assert rows["bicubic"].metrics.keys() >= {"psnr", "ssim_y", "domain_fid"}
    assert card.protocols[0].num_samples == rows["bicubic"].protocols[0].num_samples == 100


def test_domains_are_scored_by_classes_and_cycles(domains):
    card = domains.load("cyclegan_horse_deer.scores")
    assert 0 <= card.final["domain_target_share"] <= 1
    assert card.final["cycle_error"] > 0
    assert "psnr" not in card.final
    row = next(row for row in card.real_rows if row.name == "input")
    assert "domain_target_share" in row.metrics
    assert card.protocols[0].num_samples == 24  # rings and stars of the test set


def test_the_way_back_is_scored_against_the_images_of_its_own_domain(domains):
    card = domains.load("cyclegan_horse_deer.scores")
    there = {name for name in card.final if not name.startswith(("b_to_a_", "discriminator_", "membership_"))}
    there.remove("domain_fid_at_floor_count")  # 24 of them there, against a floor of 12; 12 of 12 back
    assert {f"b_to_a_{name}" for name in there} == {name for name in card.final if name.startswith("b_to_a_")}
    assert {"b_to_a_domain_fid", "b_to_a_domain_kid_mean", "b_to_a_domain_target_share", "b_to_a_cycle_error"} <= (
        card.final.keys()
    )
    forward, back = card.protocols
    assert (forward.source, back.source) == ("domain", "b_to_a_domain")
    assert "ring" in back.reference_name
    assert "disc" in forward.reference_name
    assert forward.reference_digest != back.reference_digest
    assert back.num_samples == 12  # discs of the test set
    rows = [row for row in card.real_rows if row.name == "input"]
    assert ["b_to_a_domain_fid" in row.metrics for row in rows] == [False, True]


def test_the_scores_of_baselines_are_kept(domains, tmp_path, monkeypatch):
    images, experiment = domains.load("cyclegan_horse_deer.images"), domains.load("params:cyclegan_horse_deer")
    names = ("domain_classifier", "reference", "real_rows", "trained", "generator", "snapshots")
    given = [domains.load(f"cyclegan_horse_deer.{name}") for name in names]
    first = evaluate(experiment, images, *given, domains.load("feature_cache"))
    assert first.final == domains.load("cyclegan_horse_deer.scores").final

    def anew(*args):
        raise AssertionError("scored again")

    monkeypatch.setattr(TranslationTest, "baseline_rows", anew)
    second = evaluate(experiment, images, *given, domains.load("feature_cache"))
    assert second.real_rows == first.real_rows
    with pytest.raises(AssertionError, match="scored again"):
        evaluate(experiment, images, *given, FeatureCache(tmp_path / "rulers"))


def test_pictures_have_a_row_of_each(pairs, domains):
    grid = pairs.load("srgan_cifar10.translations")
    assert grid.row_labels == ("input", "bicubic", "translated", "target", "error")
    assert grid.images.shape == (5 * 12, 3, 32, 32)
    target, error, made = (grid.images[12 * row : 12 * row + 12].int() for row in (3, 4, 2))
    assert torch.equal(error, ((made - target).abs() * 4).clamp(max=255))
    both = domains.load("cyclegan_horse_deer.translations")
    assert both.row_labels == ("input", "translated", "and back", "target", "to input", "back again")


def test_the_inputs_over_time_are_those_that_every_frame_translates(pairs, domains):
    for made, name in ((pairs, "srgan_cifar10"), (domains, "cyclegan_horse_deer")):
        grid, frames = made.load(f"{name}.over_time"), made.load(f"{name}.frames")
        assert (grid.row_labels[0], len(grid.row_labels)) == ("input", 1 + len(frames.tensors))
        assert "the same inputs" in grid.caption
        generator = exported_sampler(made.load(f"params:{name}").recipe, made.load(f"{name}.generator")).generator
        small = grid.images[:8, :, ::4, ::4] if name == "srgan_cifar10" else grid.images[:8]
        assert torch.equal(translated(generator, small, torch.device("cpu")), grid.images[-8:])


def test_the_model_folder_is_a_translator_of_the_images_that_were_scored(pairs, tmp_path):
    write_model(tmp_path / "model", pairs.load("srgan_cifar10.model"))
    translator = load(tmp_path / "model", "cpu")
    assert isinstance(translator, Translator)
    grid = pairs.load("srgan_cifar10.translations")
    small = grid.images[:12, :, ::4, ::4]
    assert torch.equal(translator.translate(small.permute(0, 2, 3, 1)).pixels, grid.images[24:36])


def test_lpips_is_measured_where_its_files_are_named(pairs, tmp_path):
    name, settings = "srgan_cifar10", files(tmp_path, "alex")
    named = {one: getattr(settings, one) for one in ("lpips_network", "lpips_weights", "lpips_backbone")}
    one = pairs.load(f"params:{name}")
    recipe = one.recipe.model_copy(update={"evaluation": one.recipe.evaluation.model_copy(update=named)})
    inputs = ("domain_classifier", "reference", "real_rows", "trained", "generator", "snapshots")
    images, given = pairs.load(f"{name}.images"), [pairs.load(f"{name}.{each}") for each in inputs]
    card = evaluate(Experiment(name, recipe), images, *given, pairs.load("feature_cache"))
    before, translations = pairs.load(f"{name}.scores"), pairs.load(f"{name}.translations")
    assert {key: value for key, value in card.final.items() if key != "lpips"} == before.final
    lpips, wanted, bicubic = lpips_of(settings, 32), images.test.images[:100], card.real_rows[-1]
    made = translated(
        exported_sampler(recipe, given[4]).generator, images.inputs.test.images[:100], torch.device("cpu")
    )
    assert torch.equal(made[:12], translations.images[24:36])
    assert card.final["lpips"] == pytest.approx(lpips.mean(made, wanted))
    assert (bicubic.name, "lpips" in bicubic.metrics) == ("bicubic", True)
    (protocol,) = card.protocols
    assert (protocol.lpips_network, protocol.lpips_weights_digest) == ("alex", lpips.weights_digest)
    assert protocol.label("lpips") == "lpips@100-alex"
    for scores, there in ((card, True), (before, False)):
        table = comparison_table([], {name: scores.model_dump(mode="json")})
        assert ("lpips@100-alex" in table.columns) == there
        assert ("LPIPS" in comparison_html(table, "t")) == there
        assert any("lpips" in column for column in table.columns) == there


def test_a_study_of_translations_scores_them_as_their_experiments_do(pairs, domains, tmp_path):
    name = "translation_study"
    recipes = {one: SHARED | GIVEN[one] for one in GIVEN}
    srgan = recipes["srgan_cifar10"]
    recipes["srresnet_cifar10"] = srgan | {"overrides": srgan["overrides"] | {"adversarial": 0.0}}
    recipe = StudyRecipe.parse(name, {
        "paper": "ledig2017", "seeds": [0],
        "grids": {
            "resolution": {"experiments": ["srgan_cifar10", "srresnet_cifar10"]},
            "domains": {"experiments": ["cyclegan_horse_deer"]},
        },
        "claims": [
            {"claim": one, "treatment": [f"{better}_cifar10"], "baseline": [f"{worse}_cifar10"], "metrics": [metric]}
            for one, better, worse, metric in (
                ("sharper", "srgan", "srresnet", "fid"), ("nearer", "srresnet", "srgan", "psnr_y"),
            )
        ],
    })  # fmt: skip
    published = {"ledig2017": {"dataset": "set5", "table_2": {
        "metric": "psnr_y", "caption": "c", "rows": [{"row": "SRGAN", "value": 29.4, "experiments": ["srgan_cifar10"]}],
    }}}  # fmt: skip
    library = pairs.load("image_library")
    catalog = played(study.create_pipeline(name), {
        "image_library": library, "feature_cache": FeatureCache(tmp_path / "rulers"), f"{name}.tracker": Tracker(),
        "model_library": ModelLibrary(tmp_path),
        f"params:{name}": TrialPlan(name, recipe, tuple(trials_of(name, recipe, recipes))),
        f"{name}.trials": ExperimentTrialStore(tmp_path / "trials", tmp_path / "checkpoints"),
        "published": published, "pros_and_cons": {},
    })  # fmt: skip
    page = catalog.load(f"{name}.study_table")
    rows = {row["experiment"]: row for row in csv.DictReader(page.csv.splitlines())}
    for made, one in ((pairs, "srgan_cifar10"), (domains, "cyclegan_horse_deer")):
        scores = made.load(f"{one}.scores").final
        found = {key: float(value) for key, value in rows[one].items() if key in scores}
        assert found == pytest.approx(scores)
    (head, *lines), (_, *ways) = (
        [line for line in part.splitlines() if line.startswith("|")] for part in page.markdown.split("\n## ")[1:3]
    )
    assert "psnr_y@100" in head
    assert "published" not in head  # that is of other images
    assert next(line for line in lines if line.startswith("| bicubic |"))
    assert [line.split(" |")[0] for line in ways if line.startswith("| input")] == ["| input", "| input, b to a"]
    assert "b_to_a_cycle_error@12" in page.markdown
    assert "real test set of synthetic_shapes" in page.markdown
    assert "bicubic of" not in page.markdown  # it is in the table
    assert {
        "sharper: by fid one seed tells nothing in 1 of 1",
        "nearer: by psnr_y one seed tells nothing in 1 of 1",
    } <= (set(page.console.splitlines()))
    trial = next(trial for trial in trials_of(name, recipe, recipes) if trial.experiment == "srgan_cifar10")
    checkpoints = CheckpointFolder(tmp_path / "checkpoints")
    trainer = ExperimentTrainer(library, FeatureCache(tmp_path / "rulers"), checkpoints, ModelLibrary(tmp_path))
    assert trainer.data_digest(trial) == pairs.load("srgan_cifar10.images").training_digest


def test_the_neighbours_of_a_translator_are_of_translated_test_images(pairs):
    grid = pairs.load("srgan_cifar10.neighbours")
    samples = grid.images[:: grid.columns]
    assert torch.equal(samples, pairs.load("srgan_cifar10.samples").images[:8])
    assert len(torch.unique(samples.flatten(1), dim=0)) == 8
