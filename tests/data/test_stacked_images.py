"""Stacked images: whose channels they are, their classes, and that a split is made of the same split."""

from __future__ import annotations

import pytest
import torch

from papergan.data.images import ImageSet
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.data.stacked_images import channels_apart, single_classes, stacked, stacked_classes
from papergan.errors import DataError

NAMES = ("a", "b", "c")
SINGLE = ImageSet(
    "letters/train", torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1).expand(6, 1, 2, 2).contiguous(),
    torch.tensor([0, 1, 2, 0, 1, 2]), NAMES,
)  # fmt: skip


def test_every_channel_is_an_image_with_its_class():
    found = stacked(SINGLE, 500, seed=0, name="stacked_letters/train")
    assert tuple(found.images.shape) == (500, 3, 2, 2)
    for image, label in zip(found.images[:50], found.labels[:50].tolist(), strict=True):
        assert found.classes[label] == "+".join(NAMES[int(channel[0, 0]) % 3] for channel in image)
    assert len(set(found.labels.tolist())) == 27
    assert torch.bincount(found.images[:, :, 0, 0].flatten().long()).min() > 150  # of 1 500 / 6 expected


def test_the_draw_is_of_the_seed_and_the_split():
    def draw(seed, split):
        return stacked(SINGLE, 50, seed=seed, name=f"x/{split}").digest

    assert draw(0, "train") == draw(0, "train")
    assert len({draw(0, "train"), draw(1, "train"), draw(0, "test")}) == 3


def test_channels_apart_are_what_was_stacked():
    found = channels_apart(stacked(SINGLE, 40, seed=0, name="x/train"))
    assert tuple(found.images.shape) == (120, 1, 2, 2)
    assert found.classes == NAMES
    assert torch.equal(found.labels, found.images[:, 0, 0, 0].long() % 3)


def test_classes_are_told_apart_from_those_of_other_images():
    assert single_classes(stacked_classes(NAMES)) == NAMES
    assert single_classes(NAMES) == ()
    assert single_classes(stacked_classes(NAMES)[:-1]) == ()
    assert single_classes(("a+b", "c")) == ()
    assert single_classes([f"class {number}" for number in range(5000)]) == ()
    assert single_classes(()) == ()


def test_a_library_stacks_each_split_of_another_data_set(tmp_path):
    entries = {
        "synthetic_digits": {"kind": "synthetic_digits", "train": 40, "test": 10},
        "stacked_digits": {
            "kind": "stacked", "of": "synthetic_digits", "size": 32, "classes": list("0123456789"), "train": 30,
            "test": 20,
        },
    }  # fmt: skip
    library = ImageLibrary.declared(entries, Sources(tmp_path), tmp_path)
    splits, single = library.load("stacked_digits"), library.load("synthetic_digits")
    spec, count = library.kind_of_images("stacked_digits")
    assert (spec, count) == (splits.train.spec, 30)
    for mine, theirs in ((splits.train, single.train), (splits.test, single.test)):
        known = {image.numpy().tobytes() for image in theirs.images}
        assert all(channel.numpy().tobytes() in known for channel in mine.images.flatten(0, 1))
    wrong = {**entries, "stacked_digits": entries["stacked_digits"] | {"size": 28}}
    with pytest.raises(DataError, match="'stacked_digits': size must be that of 'synthetic_digits', 32"):
        ImageLibrary.declared(wrong, Sources(tmp_path), tmp_path).load("stacked_digits")
    with pytest.raises(DataError, match="stacked images must be named as such"):
        ImageLibrary.declared({"digits": entries["stacked_digits"]}, Sources(tmp_path), tmp_path)
    with pytest.raises(DataError, match="only grey images with classes can be stacked"):
        stacked(splits.train, 2, seed=0, name="x/train")
