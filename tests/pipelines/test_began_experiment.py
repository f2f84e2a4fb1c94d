"""The nodes of an experiment whose game has a controller, incomplete batches and values of single steps."""

from __future__ import annotations

import pytest

from pipelines.test_experiment import GIVEN, NAME, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    catalog, listener = run(
        tmp_path_factory.mktemp("began"),
        system="began_original",
        image_size=16,
        overrides={"width": 4, "latent_dim": 4, "lambda_k": 0.5, "stall_window": 3},
        training={"epochs": 2.0, "batch_size": 48, "drop_last": False, "report_every_steps": 2, "report_as": "step"},
        evaluation=GIVEN["evaluation"] | {"every_epochs": 1.0},
    )
    return catalog, listener


def test_an_epoch_has_its_incomplete_batch_and_reports_are_counted_anew(finished):
    catalog, listener = finished
    history = catalog.load(f"{NAME}.history")
    assert [(row["step"], row["images"]) for row in history.losses] == [(2, 96), (5, 196), (6, 200)]  # of 100 images
    assert [row["epoch"] for row in history.metrics] == [1, 2]
    assert sorted(listener.pictures) == [3, 6]
    assert catalog.load(f"{NAME}.scores").images_seen == 200


def test_k_and_m_are_told_with_the_losses(finished):
    catalog, listener = finished
    rows = catalog.load(f"{NAME}.history").losses
    for row in rows:
        gap = row["equilibrium.measure"] - row["generator.generator_loss"]
        assert 0 <= row["equilibrium.k"] <= 1
        assert gap > 0
    assert any("equilibrium.k" in row for row in listener.rows)
    assert {"equilibrium", "learning_rate"} <= {axes.get_title() for axes in catalog.load(f"{NAME}.curves").axes}
    page = catalog.load(f"{NAME}.training_log")
    assert page.csv.splitlines()[0].startswith("epoch,step,D published,D here")


def test_its_ways_between_codes_are_drawn(finished):
    grid = finished[0].load(f"{NAME}.interpolation")
    assert grid.row_labels[-1] == "mirror"
    assert grid.images.shape == (16 * 11, 3, 16, 16)
