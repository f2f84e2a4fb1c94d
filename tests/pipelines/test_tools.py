"""`metric_sanity` and `evaluate_images` as a user runs them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.project_run import command_here, run_here
from papergan.config.checked import Images
from papergan.config.evaluation import ImagesSettings
from papergan.data import library
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSet
from papergan.errors import DataError
from papergan.pipelines import images as evaluate_images


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    folder = tmp_path / "workspace"
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(folder))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Real images in class folders; others of the same kind; fakes that are half copies."""
    root = tmp_path_factory.mktemp("images")
    train, test = synthetic_shapes("train", 120), synthetic_shapes("test", 60)
    half = [*train.images[:30], *test.images[30:60]]
    sets = {
        "real": (train.images, train.labels),
        "held_out": (test.images[:30], test.labels[:30]),
        "fake": (half, None),
    }
    for name, (images, labels) in sets.items():
        for index, image in enumerate(images):
            folder = root / name / (train.classes[labels[index]] if labels is not None else "")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{index:03d}.png")
    return root


def scores(workspace):
    (path,) = sorted((workspace / "data/08_reporting/evaluate_images/scores.json").glob("*/scores.json"))[-1:]
    return json.loads(path.read_text())


def evaluate(folders, **options):
    params = {"real": str(folders / "real"), "fake": str(folders / "fake"), "evaluate_images": options}
    run_here("evaluate_images", params=params)


class TestEvaluateImages:
    def test_two_folders(self, workspace, folders, capsys):
        evaluate(folders, held_out=str(folders / "held_out"))
        found = scores(workspace)
        assert found["protocols"][0]["reference_count"] == 120
        assert found["protocols"][0]["num_samples"] == 60
        metrics = found["metrics"]
        assert {"domain_fid", "domain_fid_floor", "domain_recall", "domain_class_entropy", "ms_ssim"} <= set(metrics)
        assert metrics["pixel_copy_rate"] == pytest.approx(0.5, abs=0.1)
        assert (found["protocols"][0]["held_out_count"], found["protocols"][0]["floor_count"]) == (30, 30)
        assert [row["name"] for row in found["real_rows"]] == ["real test set", "train copies"]
        printed = capsys.readouterr().out
        assert "domain_fid@60v120-train" in printed
        assert "scores.html" in printed
        page = (workspace / "data/08_reporting/evaluate_images/scores.md").read_text()
        assert f"{metrics['domain_fid']:.2f}" in page
        said = f"domain_fid of 30 held-out images {metrics['domain_fid_floor']:.4g}; of 30 of the 60 images, drawn "
        assert f"{said}{metrics['domain_fid_at_floor_count']:.4g}" in page
        (grid,) = (workspace / "data/08_reporting/evaluate_images").rglob("neighbours.png/*/neighbours.png")
        assert Image.open(grid).size[0] > 9 * 64

    @pytest.mark.slow
    def test_without_held_out_images_and_labels(self, workspace, folders, tmp_path):
        """Arrays instead of folders; the classifier learns rotations."""
        bare = tmp_path / "bare.npy"
        np.save(bare, synthetic_shapes("train", 120).images.permute(0, 2, 3, 1).numpy())
        run_here("evaluate_images", params={"real": str(bare), "fake": str(folders / "fake")})
        metrics = scores(workspace)["metrics"]
        assert "rotation_fid" in metrics
        assert not [name for name in metrics if name.startswith("domain") or "copy" in name or "is_mean" in name]

    @pytest.mark.slow
    def test_the_same_images_are_at_no_distance(self, workspace, folders):
        run_here("evaluate_images", params={"real": str(folders / "real"), "fake": str(folders / "real")})
        metrics = scores(workspace)["metrics"]
        assert metrics["domain_fid"] == pytest.approx(0, abs=1e-6)
        assert metrics["domain_precision"] == metrics["domain_recall"] == metrics["domain_coverage"] == 1

    @pytest.mark.slow
    def test_images_of_two_sizes_need_one(self, workspace, folders, tmp_path):
        small = tmp_path / "small.npy"
        np.save(small, np.zeros((20, 16, 16, 3), np.uint8))
        params = {"real": str(folders / "real"), "fake": str(small)}
        with pytest.raises(DataError, match="differ in size.*evaluate_images.size"):
            run_here("evaluate_images", params=params)
        run_here("evaluate_images", params=params | {"evaluate_images": {"size": 16}})
        assert scores(workspace)["protocols"][0]["reference_name"] == "real@16"

    def test_the_classifier_is_tested_on_images_of_every_class(self, monkeypatch):
        """Also where the classes come in turn."""
        labels = torch.arange(10).repeat(10)
        real = ImageSet("real", torch.zeros(100, 1, 8, 8, dtype=torch.uint8), labels, tuple("abcdefghij"))
        monkeypatch.setattr(evaluate_images, "classifier_of", lambda splits, *_: splits)
        recipe = Images(ImagesSettings(domain=True), "real", "fake", None)
        splits = evaluate_images.train_classifier(recipe, evaluate_images.AnyImages(real, real, None), None)
        assert splits.test.labels.bincount().tolist() == [1] * 10
        assert splits.train.labels.bincount().tolist() == [9] * 10

    def test_mistakes_are_one_line(self, workspace):
        done = command_here("run", "--pipelines", "evaluate_images", "--params", "real=/nowhere,fake=/nowhere")
        assert done.exit_code == 1
        missing = "there is no folder or file /nowhere"
        assert done.stderr.strip() == f"papergan: real: {missing}; fake: {missing}"
        assert not workspace.exists()


@pytest.mark.slow  # quicker: pipelines/test_sanity.py
def test_the_sanity_page(workspace, capsys, monkeypatch):
    """Its promises need a classifier that has learned something; that they hold is tested in test_metric_sanity.py."""

    def tenth(split, count, seed):
        return synthetic_shapes(split, count // 10, seed)

    monkeypatch.setattr(library, "synthetic_shapes", tenth)
    run_here("metric_sanity")
    folder = workspace / "data/08_reporting/metric_sanity"
    cases = json.loads((folder / "cases.json").read_text())["cases"]
    assert {case["corruption"] for case in cases} >= {"blur", "noise", "garbage", "duplicates"}
    page = (folder / "sanity.html").read_text()
    assert "data:image/png;base64," in page
    assert "What must hold" in page
    assert Image.open(folder / "sanity.png").size[0] > 1000
    assert "promises hold" in capsys.readouterr().out
    assert len((folder / "sanity.csv").read_text().splitlines()) == 1 + len(cases)
