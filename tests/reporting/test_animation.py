"""Grids that follow each other in one GIF."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from papergan.datasets.picture import PictureDataset
from papergan.errors import DataError, EvaluationError
from papergan.reporting.image_grid import LAST_MS, SHOWN_MS, Animation, ImageGrid, encode_gif


def animation(channels: int = 1, count: int = 3) -> Animation:
    generator = torch.Generator().manual_seed(0)
    return Animation(
        tuple(
            ImageGrid(
                torch.randint(0, 256, (4, channels, 8, 8), dtype=torch.uint8, generator=generator),
                "words " * (1 + 30 * place),
            )
            for place in range(count)
        )
    )


def frames(content: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(content)) as picture:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]


def test_grey_is_exact_and_every_frame_has_the_same_size():
    pictures = animation().pictures(scale=2)
    assert len({picture.shape for picture in pictures}) == 1
    for picture, frame in zip(pictures, frames(encode_gif(pictures)), strict=True):
        assert np.array_equal(frame, picture[0].numpy()[:, :, None].repeat(3, 2))


def test_colours_are_near():
    pictures = animation(channels=3).pictures()
    for picture, frame in zip(pictures, frames(encode_gif(pictures)), strict=True):
        assert np.abs(frame.astype(int) - picture.permute(1, 2, 0).numpy()).mean() < 6


def test_it_lasts_longest_at_the_end_and_begins_again():
    with Image.open(io.BytesIO(encode_gif(animation().pictures()))) as picture:
        assert picture.info["loop"] == 0
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(picture)] == [SHOWN_MS, SHOWN_MS, LAST_MS]


def test_the_same_pictures_make_the_same_bytes():
    assert encode_gif(animation(3).pictures()) == encode_gif(animation(3).pictures())


def test_nothing_is_no_animation():
    with pytest.raises(DataError, match="at least one grid"):
        Animation(())


def test_a_cut_file_is_made_again(tmp_path, caplog):
    dataset = PictureDataset(filepath=str(tmp_path / "progress.gif"), side=16)
    assert not dataset.exists()
    dataset.save(animation())
    assert dataset.exists()
    with Image.open(tmp_path / "progress.gif") as picture:
        assert picture.width >= 2 * (16 + 2)
    content = (tmp_path / "progress.gif").read_bytes()
    for damaged in (content[:-1], content[: len(content) // 2] + b";", b"GIF89a;", b"words"):
        (tmp_path / "progress.gif").write_bytes(damaged)
        assert not dataset.exists()
    assert "progress.gif is damaged and will be made again: is not a whole GIF" in caplog.text


def test_it_is_previewed_and_not_loaded(tmp_path):
    dataset = PictureDataset(filepath=str(tmp_path / "progress.gif"))
    dataset.save(animation())
    assert dataset.preview().startswith("R0lGOD")  # GIF8
    with pytest.raises(Exception, match="looked at .*, not loaded"):
        dataset.load()
    with pytest.raises(EvaluationError, match="not a whole GIF"):
        dataset._check(b"GIF89a", tmp_path / "a.gif")
