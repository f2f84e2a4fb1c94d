"""`detection` as a user runs it: from model folders to the matrix."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
import torch

from helpers.project_run import run_here
from inference.sound_models import written as sounding
from papergan import systems
from papergan.config.detection import DetectionSettings
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.errors import CheckpointError, PaperganError, RecipeError
from papergan.game.schedules import Progress
from papergan.inference.model_folder import write_model
from papergan.inference.store import stored_model
from papergan.pipelines import detection
from papergan.reporting.detection import DetectionResult

RECIPE = {
    "paper": "radford2015", "system": "dcgan", "dataset": "synthetic_shapes", "image_size": 16,
    "training": {"steps": 1},
}  # fmt: skip
SMALL = {"width": 4, "latent_dim": 4, "stages": 2}


def written(folder, name, recipe=RECIPE, **settings):
    """The path of a model folder of an untrained DCGAN."""
    image = ImageSpec(3, (recipe or RECIPE)["image_size"], 0)
    game = systems.build("dcgan", image, SMALL | settings, seed=0)
    about = {"experiment": name} | ({"recipe": recipe} if recipe else {})
    model = stored_model(
        game, game.sampler().state_dict(), system="dcgan", overrides=SMALL | settings, image=image, classes=(),
        progress=Progress(5, 20, 0.5), weights="raw", about=about,
    )  # fmt: skip
    write_model(folder / name, model)
    return str(folder / name)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    folder = tmp_path / "workspace"
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(folder))
    return folder


def test_every_detector_meets_every_generator_and_is_trained_once(workspace, tmp_path, caplog, capsys):
    models = [written(tmp_path, "one"), written(tmp_path, "two", normalisation="none")]
    run_here("detection", params={"detection": {"models": models}})
    assert "Detectors of generated images, accuracy, 0.5 is chance" in capsys.readouterr().out
    reports = workspace / "data/08_reporting/detection"
    (path,) = reports.rglob("results.json/*/results.json")
    found = json.loads(path.read_text())["detectors"]
    assert [(one["trained_on"], one["tested_on"]) for one in found] == [
        ("one", "one"), ("one", "two"), ("two", "one"), ("two", "two"),
    ]  # fmt: skip
    assert all(one["accuracy"] == pytest.approx((one["detected"] + 1 - one["false_alarms"]) / 2) for one in found)
    page = (reports / "detection.md").read_text()
    assert "learns from 40 images of synthetic_shapes/train@16 and as many samples" in page
    assert len((reports / "detection.csv").read_text().splitlines()) == 5
    assert (reports / "matrix.png").is_file()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        run_here("detection", params={"detection": {"models": models}})
    assert "Training the detector" not in caplog.text


def test_names_are_a_list_or_a_text():
    given = [DetectionSettings(models=models).models for models in (["a", "b"], "a b", " a  b ")]
    assert given == [("a", "b")] * 3


def test_generators_that_cannot_be_compared_are_refused(workspace, tmp_path):
    one = written(tmp_path, "one")
    larger = written(tmp_path, "larger", recipe=RECIPE | {"image_size": 32})
    silent = written(tmp_path, "silent", recipe=None)
    for models, kind, message in (
        ([], RecipeError, "detection.models: which generators"),
        ([one, larger], RecipeError, "'one' and 'larger' were not trained on the same images at the same size"),
        ([silent], CheckpointError, "does not say what it was trained on"),
        ([one, one], RecipeError, "detection.models: each once"),
        ([str(sounding(tmp_path, "wavegan"))], RecipeError, "wavegan' makes sounds; give a generator of images"),
        (["nowhere"], PaperganError, "detection.models: there is no trained model 'nowhere'"),
    ):
        with pytest.raises(kind, match=message):
            run_here("detection", params={"detection": {"models": models}})


def test_the_page_names_the_device_that_the_detectors_were_trained_on(monkeypatch):
    monkeypatch.setattr(detection, "choose_device", torch.device)
    monkeypatch.setattr(detection.provenance, "hardware", lambda device: f"hardware of {device}")
    plan = SimpleNamespace(recipe=DetectionSettings(models=("one",), device="cuda"), places={})
    result = DetectionResult(
        trained_on="one", tested_on="one", seed=0, accuracy=0.9, detected=0.9, false_alarms=0.1, auc=0.9
    )
    images = ImageSet("real", torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    page = detection.tabulate(plan, {}, ImageSplits(images, images), (result,))
    assert "hardware of cuda" in page.markdown
