"""What is known to be wrong before anything runs."""

from __future__ import annotations

import re

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from metrics.test_lpips import files
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.errors import DataError, EvaluationError, RecipeError
from papergan.hooks.experiment_checks import preflight

SMALL = {"width": 8, "latent_dim": 8}


def recipe(**changes) -> dict:
    given = {
        "paper": "tahvili2025", "system": "hybrid", "dataset": "synthetic_shapes", "overrides": SMALL,
        "training": {"steps": 2, "batch_size": 4}, "evaluation": {"inception": False},
    }  # fmt: skip
    return given | changes


def check(tmp_path, **recipes: dict):
    library = ImageLibrary.declared(
        {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 20, "test": 10}}, Sources(tmp_path), tmp_path
    )
    catalog = DataCatalog({"image_library": MemoryDataset(library, copy_mode="assign")})
    for name, given in recipes.items():
        catalog[f"params:{name}"] = given
    pipeline = Pipeline([node(lambda given: None, f"params:{name}", None, name=name) for name in recipes])
    return preflight(pipeline, catalog)


def test_what_is_right_comes_back_as_recipes(tmp_path):
    (experiment,) = check(tmp_path, mine=recipe())
    assert experiment.name == "mine"
    assert experiment.recipe.settings()["width"] == 8


def test_a_pipeline_without_experiments_needs_nothing(tmp_path):
    assert check(tmp_path) == []


def test_the_faults_of_all_experiments_are_on_one_line(tmp_path):
    with pytest.raises(RecipeError) as caught:
        check(tmp_path, one=recipe(sede=1), two=recipe(dataset="synthetic_shape"), three=recipe(seed="x"))
    message = str(caught.value)
    assert "\n" not in message
    for part in ("one: unknown key 'sede'; did you mean 'seed'", "two.dataset", "'synthetic_shapes'", "three.seed"):
        assert part in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": {"widht": 8}}, "no setting 'widht'; did you mean 'width'"),
        ({"overrides": SMALL | {"augmentation": "colr"}}, "'colr'; did you mean 'color'"),
        ({"training": {"steps": 2, "batch_size": 21}}, "20 images cannot fill a batch of 21"),
        (
            {"system": "dcgan", "overrides": SMALL | {"packing": 3}},
            "mine.training.batch_size: 4 images cannot be divided into packs of 3: set a multiple, for example 3",
        ),
        (
            {
                "system": "dcgan",
                "overrides": SMALL | {"packing": 3},
                "training": {"steps": 2, "batch_size": 6, "drop_last": False},
            },
            "the last batch of an epoch, 2 images, cannot be divided into packs of 3",
        ),
        (
            {
                "system": "mix_wgan",
                "overrides": SMALL | {"components": 3},
                "training": {"steps": 2, "batch_size": 8, "devices": 2},
            },
            "batch_size: 8 images on 2 devices cannot be divided among 3 generators: set a multiple of 6",
        ),
        ({"training": {"steps": 2, "batch_size": 6}, "train_limit": 5}, "5 images cannot fill a batch of 6"),
        (
            {"training": {"steps": 2, "batch_size": 8, "drop_last": False, "devices": 2}, "train_limit": 13},
            "2 devices cannot share the last batch of an epoch, 5 images, evenly: set training.drop_last=true",
        ),
        (
            {
                "system": "dcgan",
                "overrides": SMALL | {"labels": "maps"},
                "evaluation": {"inception": False, "nas_samples": 20, "nas_share": 0.75},
            },
            "mine.evaluation: nas_samples: 20 generated images, a share of 0.75, leave places for 7 of 20 real ones: "
            "raise it to 60",
        ),
        (
            {
                "system": "srgan",
                "overrides": {"width": 8, "discriminator_width": 8, "blocks": 1},
                "input": {"kind": "downsampled", "factor": 4},
                "evaluation": {"inception": False, "truncation": 0.5},
            },
            "mine.evaluation.truncation: latents of InputImages cannot be truncated",
        ),
        (
            {
                "system": "srgan",
                "overrides": {"adaptive_augmentation": "b"},
                "input": {"kind": "downsampled", "factor": 4},
            },
            "mine.overrides: system 'srgan' translates images: adaptive_augmentation would move the image",
        ),
        ({"image_size": 9}, "cannot be built for 3x9x9 images"),
        ({"system": "hybird"}, "unknown system 'hybird'; did you mean 'hybrid'"),
    ],
)
def test_what_cannot_run_is_refused(tmp_path, changes, message):
    with pytest.raises(RecipeError, match=message):
        check(tmp_path, mine=recipe(**changes))


@pytest.mark.parametrize(
    ("system", "settings"),
    [
        ("gan", {"normalisation": "batch"}),  # torch's own refusal
        ("gan", {"loss": "mmd"}),  # a sample of one has no pairs
    ],
)
@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({"steps": 2, "batch_size": 1}, "a batch is one image here: set another batch_size"),
        (
            {"steps": 3, "batch_size": 6, "drop_last": False},
            "the last batch of an epoch is one image here: set another batch_size, or training.drop_last=true",
        ),
    ],
)
def test_a_batch_of_one_image_is_refused_where_a_batch_is_more(tmp_path, system, settings, training, says):
    given = recipe(system=system, overrides=SMALL | settings, training=training, train_limit=13)
    with pytest.raises(RecipeError, match="mine.training.batch_size: ") as caught:
        check(tmp_path, mine=given)
    assert str(caught.value).endswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("training", "limit", "normalisation"),
    [
        ({"steps": 3}, 13, "batch"),  # left out
        ({"steps": 3, "drop_last": False}, 13, "layer"),  # of one image each
        ({"steps": 3, "drop_last": False}, 12, "batch"),  # nothing is left
        ({"steps": 2, "drop_last": False}, 13, "batch"),  # training ends before it
        ({"epochs": 0.5, "drop_last": False}, 13, "batch"),
    ],
)
def test_other_batches_of_one_image_are_not(tmp_path, training, limit, normalisation):
    given = recipe(
        system="gan", overrides=SMALL | {"normalisation": normalisation}, training=training | {"batch_size": 6},
        train_limit=limit,
    )  # fmt: skip
    state = torch.get_rng_state()
    check(tmp_path, mine=given)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_gpu_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RecipeError, match="torch sees no GPU"):
        check(tmp_path, mine=recipe(training={"steps": 2, "batch_size": 4, "device": "cuda"}))


def test_missing_inception_weights_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(EvaluationError, match="mine.evaluation.inception=false"):
        check(tmp_path, mine=recipe(evaluation={"inception": True, "allow_download": False}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 4096}, r"mine.image_size: synthetic_shapes/train, 20 images at 4096 pixels, needs 5\.0 GB"),
        (
            {"evaluation": {"inception": False, "final_num_samples": 10_000_000}},
            "mine.evaluation: features of 10000000 samples needs 35.8 GB of memory, 1.0 GB are available; lower",
        ),
        (
            {"training": {"steps": 2, "device": "cpu", "batch_size": 4}, "overrides": {"width": 256}},
            "mine.overrides: tra",
        ),
    ],
)
def test_what_does_not_fit_into_memory_is_said_before_it_is_made(tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(
        "papergan.data.memory.available_bytes", lambda: 1_000_000_000 if "training" not in changes else 10**8
    )
    with pytest.raises(RecipeError, match=message):
        check(tmp_path, mine=recipe(**changes))


def test_missing_data_and_missing_weights_are_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_DATA", "/nonexistent")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    split = {"file": "a.parquet", "rows": 20, "digest": "0" * 64}
    declared = {"a": {
        "kind": "parquet", "image_column": "img", "mode": "RGB", "size": 32, "classes": ["x"], "train": split,
        "test": split,
    }}  # fmt: skip
    library = ImageLibrary.declared(declared, Sources(tmp_path), tmp_path)
    given = recipe(dataset="a", evaluation={"inception": True, "allow_download": False})
    catalog = DataCatalog({"image_library": MemoryDataset(library, copy_mode="assign")})
    catalog["params:mine"] = given
    pipeline = Pipeline([node(lambda given: None, "params:mine", "mine.raw_images", name="mine")])
    with pytest.raises(DataError) as caught:
        preflight(pipeline, catalog)
    message = str(caught.value)
    assert "\n" not in message
    assert "'a.parquet' is in none of" in message
    assert "there is no folder /nonexistent, which PAPERGAN_DATA names" in message
    assert "--params mine.evaluation.inception=false,mine.evaluation.domain=true" in message


def test_files_of_lpips_are_read_before_anything_is_trained(tmp_path):
    files(tmp_path, "alex")
    linear, backbone = str(tmp_path / "linear.pth"), str(tmp_path / "backbone.pth")

    def pairs(size=None, **lpips):
        given = recipe(
            system="srgan", input={"kind": "downsampled", "factor": 4}, image_size=size,
            overrides={"width": 4, "discriminator_width": 4, "blocks": 1, "pretraining_steps": 0},
        )  # fmt: skip
        return given | {"evaluation": {"inception": False, **lpips}}

    assert check(tmp_path, mine=pairs(lpips_weights=linear, lpips_backbone=backbone))
    for wrong, why in (
        ({"lpips_weights": linear, "lpips_backbone": "none.pth"}, "mine: evaluation.lpips_backbone: there is no file"),
        ({"lpips_weights": backbone, "lpips_backbone": backbone}, "backbone.pth is not the weights of LPIPS"),
        ({"lpips_weights": linear, "lpips_backbone": linear}, "linear.pth is not torchvision's AlexNet"),
        ({"lpips_weights": linear, "lpips_backbone": backbone, "size": 16}, "31 pixels or more, these have 16"),
        ({"lpips_backbone": backbone}, "name the file of linear layers, lpips_weights, too"),
    ):
        with pytest.raises(RecipeError, match=re.escape(why)) as caught:
            check(tmp_path, mine=pairs(**wrong))
        assert "\n" not in str(caught.value)
    assert check(tmp_path, mine=recipe(evaluation={"inception": False, "lpips_weights": "none.pth"}))  # no pairs
