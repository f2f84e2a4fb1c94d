"""The first samples of every run, for the comparison: of the newest card, and of those that have a picture."""

from __future__ import annotations

import io
import json

import pytest
import torch
from PIL import Image

from helpers.project_run import score_card
from papergan.datasets.scores import SampleStripsDataset, ScoreCardDataset
from papergan.errors import DataError
from papergan.reporting.image_grid import encode_png, make_grid, top_of_picture

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"


def picture(value: int) -> bytes:
    return encode_png(make_grid(torch.full((64, 1, 32, 32), value, dtype=torch.uint8), padding=0, scale=3), {})


def put(folder, version, card, png=None):
    path = folder / card.experiment / "scores.json" / version / "scores.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(ScoreCardDataset(filepath=str(path))._encode(card))
    if png is not None:
        sample = folder / card.experiment / "samples.png" / version / "samples.png"
        sample.parent.mkdir(parents=True)
        sample.write_bytes(png)


def test_the_newest_samples_of_a_run_count(tmp_path):
    card, other = score_card(), score_card(seed=7)
    put(tmp_path, OLD, card, picture(10))
    put(tmp_path, NEW, card, picture(200))
    put(tmp_path, "2026-01-03T00.00.00.000Z", other)
    strips = SampleStripsDataset(filepath=str(tmp_path)).load()
    assert list(strips) == [card.run]
    with Image.open(io.BytesIO(strips[card.run])) as strip:
        assert strip.size == (512, 128)
        assert strip.getpixel((5, 5)) == 200


def test_a_damaged_picture_is_named_and_left_out(tmp_path, caplog):
    put(tmp_path, NEW, score_card(), b"no picture")
    assert SampleStripsDataset(filepath=str(tmp_path)).load() == {}
    assert "no samples in the comparison" in caplog.text
    assert "samples.png is damaged" in caplog.text


def test_what_is_no_picture_has_no_top():
    with pytest.raises(DataError, match=r"^it is damaged \(.*\); draw it again$"):
        top_of_picture(json.dumps({}).encode(), "it")
