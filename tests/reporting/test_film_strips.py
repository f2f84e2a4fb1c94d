"""Clips in image grids: film strips, and animations in which they play."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from papergan.errors import DataError
from papergan.reporting.image_grid import ImageGrid, encode_gif, film_strips, make_grid, playing


def test_clips_are_film_strips():
    clips = torch.arange(2 * 4 * 2 * 2, dtype=torch.uint8).view(2, 4, 2, 2)
    strips = film_strips(clips)
    assert strips.shape == (2, 1, 2, 8)
    for frame in range(4):
        assert torch.equal(strips[:, 0, :, 2 * frame : 2 * frame + 2], clips[:, frame])
    picture = make_grid(clips, padding=0)
    assert picture.shape == (1, 4, 8)  # one column, since they are four times as wide as high
    assert torch.equal(picture[0, :2], strips[0, 0])
    assert ImageGrid(clips, "").picture(padding=0).shape[0] == 1


def test_colours_of_a_clip_stay_with_their_frame():
    clip = torch.tensor([1, 2, 3, 4, 5, 6], dtype=torch.uint8).view(1, 6, 1, 1)
    assert film_strips(clip)[0, :, 0].tolist() == [[1, 4], [2, 5], [3, 6]]
    single = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert film_strips(single).shape == single.shape


def test_clips_play():
    clips = torch.randint(0, 255, (3, 4, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    animation = playing(clips, "three")
    assert len(animation.grids) == 4
    assert torch.equal(animation.grids[2].images, clips[:, 2:3])
    with Image.open(io.BytesIO(encode_gif(animation.pictures(), animation.milliseconds, animation.last))) as gif:
        assert gif.n_frames == 4
        assert gif.info["duration"] == 120  # hundredths of a second are all that a GIF knows


@pytest.mark.parametrize("channels", [5, 6 * 3, 2 * 5])
def test_other_numbers_of_channels_are_neither_images_nor_clips(channels):
    with pytest.raises(DataError, match=f"have {channels} channels"):
        ImageGrid(torch.zeros(1, channels, 2, 2, dtype=torch.uint8), "")
