"""Clips of moving images: their motion, their classes, and that they are the same every time."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from papergan.data.images import ImageSet, ImageSpec, load_image_set, save_image_set
from papergan.data.library import ImageLibrary
from papergan.data.moving_images import MOTIONS, content_classes, moving, moving_classes, one_frame_each
from papergan.data.sources import Sources
from papergan.errors import DataError


def single(count: int = 20, channels: int = 1, size: int = 8) -> ImageSet:
    labels = torch.arange(count) % 2
    values = torch.where(labels == 0, 100, 200).to(torch.uint8)
    return ImageSet(
        "squares/train", values[:, None, None, None].expand(count, channels, size, size), labels, ("a", "b")
    )


def clips(count: int = 200, **settings) -> ImageSet:
    how = {"frames": 4, "size": 16, "seed": 0, "name": "moving_squares/train"} | settings
    return moving(single(), count, **how)


def test_a_clip_shows_one_image_that_moves_as_its_class_says():
    made = clips()
    assert made.images.shape == (200, 4, 16, 16)
    assert made.spec.frames == 4
    assert made.classes == moving_classes(("a", "b")) == tuple(f"{one} {motion}" for one in "ab" for motion in MOTIONS)
    assert set(made.labels.tolist()) == set(range(8))
    for clip, label in zip(made.images, made.labels.tolist(), strict=True):
        content, motion = divmod(label, 4)
        assert clip.unique().tolist() == [0, 100 * (content + 1)]
        places = [frame.nonzero().float().mean(0) for frame in clip]
        steps = torch.stack([after - before for before, after in pairwise(places)])
        assert (steps == steps[0]).all()
        down, right = steps[0].tolist()
        assert {"right": right > 0, "left": right < 0, "down": down > 0, "up": down < 0}[MOTIONS[motion]]
        assert (down == 0) != (right == 0)
        assert all(int((frame > 0).sum()) == 64 for frame in clip)  # whole in every frame


def test_it_is_a_function_of_seed_and_split():
    assert clips().digest == clips().digest
    assert clips().digest != clips(seed=1).digest
    assert clips().digest != clips(name="moving_squares/test").digest


def test_frames_count_in_the_digest_and_in_the_file(tmp_path):
    made = clips(8)
    as_colour = ImageSet("x", made.images[:, :3].contiguous(), made.labels, made.classes)
    with pytest.raises(DataError, match=r"must be uint8 \[N, 1 or 3, S, S\]"):
        ImageSet("x", made.images, made.labels, made.classes)
    with pytest.raises(DataError, match="a power of two of frames, got 3"):
        ImageSet("x", as_colour.images, as_colour.labels, as_colour.classes, frames=3)
    save_image_set(tmp_path / "clips", made)
    back = load_image_set(tmp_path / "clips")
    assert (back.digest, back.frames) == (made.digest, 4)
    assert back.taken(torch.tensor([1, 3]), "some").frames == 4


def test_colour_has_its_channels_frame_by_frame():
    made = moving(single(channels=3), 5, frames=2, size=16, seed=0, name="x/train")
    assert made.images.shape == (5, 6, 16, 16)
    assert torch.equal(made.images[:, 0], made.images[:, 2])
    assert not torch.equal(made.images[:, 0], made.images[:, 3])
    assert made.spec.frame.channels == 3


def test_a_frame_of_each_clip_has_the_class_of_what_moves():
    made = clips(10)
    frames = one_frame_each(made)
    assert frames.images.shape == (10, 1, 16, 16)
    assert frames.classes == ("a", "b")
    assert torch.equal(frames.labels, made.labels // 4)
    assert torch.equal(frames.images[5, 0], made.images[5, 1])


def test_classes_that_are_no_motions_are_not_taken_for_such():
    assert content_classes(("a", "b")) == ()
    assert content_classes(moving_classes(("0", "1"))) == ("0", "1")
    assert content_classes(moving_classes(("0", "1"))[:-1]) == ()
    assert content_classes(()) == ()


def test_what_cannot_move_is_refused():
    with pytest.raises(DataError, match="in 16 frames nothing can move across 16 pixels; 2 to 9 can"):
        clips(frames=16)
    with pytest.raises(DataError, match="only images with classes can move"):
        moving(ImageSet("x", single().images, torch.zeros(20).long()), 2, frames=2, size=16, seed=0, name="x/train")


def test_a_declaration_says_how(tmp_path):
    digits = {"kind": "synthetic_digits", "train": 20, "test": 10}
    how = {"kind": "moving", "of": "synthetic_digits", "size": 32, "frames": 8, "train": 6, "test": 4}
    how["classes"] = [str(number) for number in range(10)]

    def library(**changes) -> ImageLibrary:
        entries = {"synthetic_digits": digits, "moving_digits": how | changes}
        return ImageLibrary.declared(entries, Sources(tmp_path), tmp_path)

    splits = library().load("moving_digits")
    assert library().kind_of_images("moving_digits") == (splits.train.spec, 6)
    assert splits.spec == ImageSpec(8, 32, 40, frames=8)
    with pytest.raises(DataError, match="'moving_digits': mode must be that of 'synthetic_digits', not RGB"):
        library(mode="RGB").load("moving_digits")
    with pytest.raises(DataError, match="'moving_digits': classes must be those of 'synthetic_digits'"):
        library(classes=["0"]).load("moving_digits")
    with pytest.raises(DataError, match="frames"):
        library(frames=6)
    with pytest.raises(DataError, match="moving images must be named as such"):
        ImageLibrary.declared({"digits": how}, Sources(tmp_path), tmp_path)
