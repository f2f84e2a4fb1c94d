"""The nodes of an experiment by themselves: no session, no hooks, no MLflow."""

from __future__ import annotations

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.errors import CheckpointError
from papergan.io.checkpoints import CheckpointFolder
from papergan.io.shelf import WeightsShelf
from papergan.pipelines import experiment, ingestion
from papergan.pipelines.checked import Experiment
from papergan.pipelines.experiment.nodes.publication import sample, swap_in_average
from papergan.pipelines.experiment.nodes.training import Diverged, plan_of
from papergan.recipe import Recipe
from papergan.tracking import Tracker

NAME = "dcgan_cifar10"
GIVEN = {
    "paper": "000", "system": "dcgan", "dataset": "synthetic_shapes", "train_limit": 100,
    "overrides": {"width": 8, "latent_dim": 8},
    "training": {"steps": 4, "batch_size": 16, "report_every_steps": 1, "batch_norm_batches": 2},
    "evaluation": {
        "inception": False, "domain_classifier": {"epochs": 1, "width": 4}, "every_epochs": 0.33, "num_samples": 100,
        "final_num_samples": 100, "splits": 2, "discriminator_samples": 20, "batch_size": 50,
    },
}  # fmt: skip


class Kept(MemoryDataset):
    """What a node made, also after the runner is done with it."""

    def __init__(self) -> None:
        super().__init__(copy_mode="assign")

    def _release(self) -> None:
        pass


class Listener(Tracker):
    def __init__(self) -> None:
        self.rows, self.replayed, self.pictures = [], [], {}

    def report(self, row):
        self.rows.append(dict(row))

    def replay(self, rows):
        self.replayed += rows

    def picture(self, grid, step):
        self.pictures[step] = grid


def run(folder, **changes):
    given = GIVEN | changes
    library = ImageLibrary.declared(
        {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 200, "test": 50}}, Sources(folder), folder
    )
    listener = Listener()
    inputs = {
        "image_library": library, "ruler_shelf": WeightsShelf(folder / "rulers"), f"{NAME}.tracker": listener,
        f"params:{NAME}": Experiment(NAME, Recipe.parse(NAME, given)),
        f"{NAME}.checkpoints": CheckpointFolder(folder / "checkpoints"),
    }  # fmt: skip
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    pipeline = ingestion.create_pipeline(NAME) + experiment.create_pipeline(NAME)
    for name in pipeline.all_outputs():
        catalog[name] = Kept()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        SequentialRunner().run(pipeline, catalog)
    finally:
        torch.set_num_threads(before)
    return catalog, listener


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("experiment"))


def test_every_output_is_made(finished):
    catalog, _ = finished
    card = catalog.load(f"{NAME}.scores")
    assert card.steps == 4
    assert card.dataset == "synthetic_shapes/train[:100]"
    assert card.data_digest == catalog.load(f"{NAME}.images").train.digest
    assert card.protocols[0].weights == "raw"  # this system keeps no average
    assert set(catalog.load(f"{NAME}.reference").metadata) >= {"domain.floor", "domain.extractor_digest"}


def test_the_listener_hears_every_report_and_every_evaluation(finished):
    _, listener = finished
    assert [row["step"] for row in listener.rows if "images_per_second" in row] == [1, 2, 3, 4]
    assert [row["step"] for row in listener.rows if "domain_fid" in row] == [2, 4]
    assert sorted(listener.pictures) == [2, 4]
    assert not listener.replayed


def test_pictures_say_what_they_show(finished):
    catalog, listener = finished
    for grid in (catalog.load(f"{NAME}.samples"), listener.pictures[4]):
        for part in (NAME, "synthetic_shapes/train[:100]", "step 4"):
            assert part in grid.caption
        assert grid.images.shape == (64, 3, 32, 32)


def test_the_last_evaluation_shows_what_is_published(finished):
    catalog, listener = finished
    assert torch.equal(catalog.load(f"{NAME}.samples").images, listener.pictures[4].images)


def test_a_finished_recipe_is_only_looked_at_again(tmp_path):
    first, _ = run(tmp_path)
    again, listener = run(tmp_path)
    assert again.load(f"{NAME}.trained").digest == first.load(f"{NAME}.trained").digest
    assert listener.rows == []
    assert {row["step"] for row in listener.replayed} == {1, 2, 3, 4}
    longer, listener = run(tmp_path, training=GIVEN["training"] | {"steps": 5})
    assert [row["step"] for row in listener.rows if "images_per_second" in row] == [5]
    fresh, listener = run(tmp_path, training=GIVEN["training"] | {"resume": False})
    assert [row["step"] for row in listener.rows if "images_per_second" in row] == [1, 2, 3, 4]
    assert fresh.load(f"{NAME}.trained").digest == first.load(f"{NAME}.trained").digest
    assert longer.load(f"{NAME}.trained").digest != first.load(f"{NAME}.trained").digest


def test_weights_of_another_recipe_are_refused(finished):
    catalog, _ = finished
    other = Experiment(NAME, Recipe.parse(NAME, GIVEN | {"overrides": {"width": 12, "latent_dim": 8}}))
    with pytest.raises(CheckpointError, match="of recipe"):
        swap_in_average(other, catalog.load(f"{NAME}.trained"))
    with pytest.raises(CheckpointError, match="of recipe"):
        sample(other, catalog.load(f"{NAME}.generator"))


def test_divergence_leaves_a_card_that_says_when(tmp_path):
    with pytest.raises(Diverged) as caught:
        run(
            tmp_path,
            overrides={"width": 8, "latent_dim": 8, "learning_rate": 1e30},
            training=GIVEN["training"] | {"steps": 20},
        )
    card = caught.value.card
    assert card.diverged.startswith("diverged at step ")
    assert card.final == {}
    assert card.steps >= 1


def test_the_cadence_of_the_recipe_in_steps():
    recipe = Recipe.parse(
        NAME, GIVEN | {"training": {"epochs": 10.0, "batch_size": 10}, "evaluation": {"every_epochs": 2.0}}
    )
    plan = plan_of(recipe, batches_per_epoch=100, batches_per_step=5)
    assert plan.steps == 200
    assert plan.evaluate_every == 40
    assert plan.keep["best_fid"].metric == "fid"
    domain_only = Recipe.parse(NAME, GIVEN)
    assert plan_of(domain_only, 100, 1).keep["best_is"].metric == "domain_is_mean"
