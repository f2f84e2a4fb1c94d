"""An experiment on clips: trained, scored over time, drawn as film strips and as animations, and loaded again."""

from __future__ import annotations

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.feature_cache import FeatureCache
from papergan.inference import load
from papergan.inference.model_folder import write_model
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines import experiment
from papergan.reporting.image_grid import num_frames
from papergan.tracking import Tracker

NAME = "mocogan_moving_mnist"
GIVEN = {
    "paper": "tulyakov2018", "system": "mocogan", "dataset": "moving_synthetic_digits",
    "overrides": {"width": 4, "discriminator_width": 4},
    "training": {"steps": 2, "batch_size": 8, "report_every_steps": 1, "batch_norm_batches": 2},
    "evaluation": {
        "inception": False, "domain_classifier": {"epochs": 1, "width": 2, "horizontal_flip": False}, "splits": 2,
        "num_samples": 100, "final_num_samples": 100, "discriminator_samples": 10, "batch_size": 50,
        "memorisation_samples": 0, "path_samples": 0,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> DataCatalog:
    """What the pipeline makes, on 200 clips of two frames."""
    folder = tmp_path_factory.mktemp("clips")
    digits = [str(number) for number in range(10)]
    moving = {"kind": "moving", "of": "synthetic_digits", "size": 32, "frames": 2, "classes": digits}
    library = ImageLibrary.declared(
        {
            "synthetic_digits": {"kind": "synthetic_digits", "train": 100, "test": 50},
            "moving_synthetic_digits": {**moving, "train": 200, "test": 80},
        },
        Sources(folder), folder,
    )  # fmt: skip
    inputs = {
        "image_library": library, "feature_cache": FeatureCache(folder / "rulers"), "published": {},
        "model_library": ModelLibrary(folder / "models"), f"{NAME}.tracker": Tracker(),
        f"params:{NAME}": Experiment(NAME, Recipe.parse(NAME, GIVEN)),
        f"{NAME}.checkpoints": CheckpointFolder(folder / "checkpoints"),
    }  # fmt: skip
    wanted = ("scores", "clips", "swapped_codes", "samples", "by_class", "neighbours", "over_time", "model")
    pipeline: Pipeline = experiment.create_pipeline(NAME).to_outputs(*(f"{NAME}.{name}" for name in wanted))
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    for name in pipeline.all_outputs():
        catalog[name] = Kept()
    SequentialRunner().run(pipeline, catalog)
    return catalog


class Kept(MemoryDataset):
    """What a node made, also after the runner is done with it."""

    def __init__(self) -> None:
        super().__init__(copy_mode="assign")

    def _release(self) -> None:
        pass


def test_content_and_motion_are_scored_beside_those_of_real_clips(finished):
    card = finished.load(f"{NAME}.scores")
    assert 0.0 <= card.final["content_kept"] <= 1.0
    assert 0.0 <= card.final["motion_recognised"] <= 1.0
    (real,) = (row for row in card.real_rows if row.name == "real test clips")
    assert set(real.metrics) == {"content_kept", "motion_recognised", "motion_entropy"}


def test_a_row_of_a_class_is_as_wide_as_ten_frames(finished):
    grid = finished.load(f"{NAME}.by_class")
    frames = finished.load(f"{NAME}.images").train.frames
    assert frames > 1
    assert grid.columns == 10 // frames
    assert len(grid.images) == grid.columns * len(grid.row_labels)


def test_clips_play_and_codes_are_swapped(finished):
    clips, swapped = (finished.load(f"{NAME}.{name}") for name in ("clips", "swapped_codes"))
    assert [grid.images.shape for grid in clips.grids] == [(64, 1, 32, 32)] * 2
    assert [grid.images.shape for grid in swapped.grids] == [(64, 1, 32, 32)] * 2
    assert swapped.grids[0].caption.endswith("each column one motion code, all of one category")
    rows = swapped.grids[0].images.unflatten(0, (8, 8))
    assert not torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[:, 0], rows[:, 1])
    samples = finished.load(f"{NAME}.samples").images
    assert num_frames(samples.shape[1]) == 2
    assert torch.equal(samples[:, 1:], clips.grids[1].images)


def test_the_model_is_one_of_clips(finished, tmp_path):
    write_model(tmp_path / "model", finished.load(f"{NAME}.model"))
    generator = load(tmp_path / "model", "cpu")
    assert generator.image.frames == 2
    samples = generator.sample(3, seed=1)
    assert samples.images.shape == (3, 32, 32, 2)
    assert samples.pil()[0].size == (64, 32)
    assert len(samples.save(tmp_path / "clips")) == 3
