"""A study of numbers of training images: a classifier with and without generated images, and what is given away."""

from __future__ import annotations

import csv

import pytest

from papergan.config.checked import TrialPlan
from papergan.config.study import StudyRecipe, trials_of
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines import study
from papergan.tracking import Tracker
from pipelines.test_experiment import GIVEN, played, shapes

NAME = "data_augmentation_study"
RECIPE = {
    "paper": "purwono2025", "seeds": [0],
    "common": {"overrides": {"labels": "maps", "width": 4, "latent_dim": 4}, "evaluation": {
        "nas_samples": 60, "class_samples": 0, "memorisation_samples": 20, "every_epochs": 100.0, "bootstrap": 0,
    }},
    "grids": {"images": {"experiments": ["labelled"], "factors": {
        "images": {"few": {"train_limit": 20, "subset_seed": 0}, "more": {"train_limit": 60, "subset_seed": 0}},
    }}},
    "claims": [
        {"claim": "it helps", "treatment": ["few", "more"], "metrics": ["nas"], "than": "nas_real"},
        {"claim": "it forgets", "treatment": ["more"], "baseline": ["few"], "metrics": ["membership_auc", "copies"]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    recipe = StudyRecipe.parse(NAME, RECIPE)
    inputs = {
        "image_library": shapes(folder), "feature_cache": FeatureCache(folder / "rulers"),
        "model_library": ModelLibrary(folder / "models"), f"{NAME}.tracker": Tracker(),
        f"params:{NAME}": TrialPlan(NAME, recipe, tuple(trials_of(NAME, recipe, {"labelled": GIVEN}))),
        f"{NAME}.trials": ExperimentTrialStore(folder / "trials", folder / "checkpoints"),
        "published": {}, "pros_and_cons": {},
    }  # fmt: skip
    return played(study.create_pipeline(NAME), inputs).load(f"{NAME}.study_table")


def test_both_numbers_of_images_stand_in_one_table_with_all_accuracies(page):
    assert "images, synthetic_shapes/train\n" in page.markdown
    (header,) = [line for line in page.markdown.splitlines() if line.startswith("| experiment")]
    for metric in ("nas_real", "nas_flips", "nas"):
        assert f"{metric}@60/0.5/1x4" in header
    assert "membership AUC" in header
    for row in csv.DictReader(page.csv.splitlines()):
        assert all(0 <= float(row[name]) <= 1 for name in ("nas", "nas_real", "nas_flips", "membership_auc"))


def test_claims_are_held_against_them(page):
    assert "it helps: by nas one seed tells nothing in 2 of 2" in page.markdown
    assert "it forgets: by membership_auc one seed tells nothing in 1 of 1; by copies one seed tells" in page.markdown
