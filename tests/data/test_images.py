"""Images in memory: ranges, resizing, limits, grids, digests."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from papergan.data.images import ImageSet, ImageSplits, load_image_set, save_image_set
from papergan.data.preparation import drawn, prepare, resized_pixels, without
from papergan.errors import DataError
from papergan.image_range import to_model_range, to_pixels
from papergan.reporting.image_grid import ImageGrid, encode_png, make_grid


def images(count: int = 30, size: int = 8, name: str = "set/train") -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    return ImageSet(name, pixels, torch.arange(count) % 3, ("a", "b", "c"))


def test_every_byte_survives_the_model_range():
    every = torch.arange(256, dtype=torch.uint8)
    model = to_model_range(every)
    assert (model.min(), model.max()) == (-1, 1)
    assert torch.equal(to_pixels(model), every)
    assert to_pixels(torch.tensor([-3.0, 3.0, 1 / 255 * 0.9, 0.0])).tolist() == [0, 255, 128, 128]


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 3])),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, -1])),
    ],
)
def test_what_is_no_image_set_is_refused(pixels, labels):
    with pytest.raises(DataError, match="set/train"):
        ImageSet("set/train", pixels, labels, ("a", "b", "c"))


def test_the_digest_is_of_content_not_of_the_name():
    first, renamed = images(), images(name="other")
    assert first.digest == renamed.digest
    changed = first.images.clone()
    changed[0, 0, 0, 0] ^= 1
    assert ImageSet("x", changed, first.labels, first.classes).digest != first.digest
    assert ImageSet("x", first.images, first.labels.flip(0), first.classes).digest != first.digest
    assert ImageSet("x", first.images, first.labels, ("a", "b", "d")).digest != first.digest


def test_nothing_is_touched_where_the_size_is_right():
    splits = ImageSplits(images(), images(12, name="set/test"))
    assert prepare(splits, size=None, limit=None) is splits
    assert prepare(splits, size=8, limit=30) is splits


@pytest.mark.parametrize(("old", "new", "share"), [(28, 64, 0.0), (32, 64, 0.0), (64, 32, 0.0), (48, 20, 0.01)])
def test_resizing_is_that_of_torchvision(old, new, share):
    """To the byte, but where Pillow's weights of 22 bits move a half to its other side."""
    pixels = torch.randint(0, 256, (20, 1, old, old), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures = [functional.resize(functional.to_pil_image(image), [new, new]) for image in pixels]
    expected = torch.stack([functional.pil_to_tensor(picture) for picture in pictures])
    apart = (resized_pixels(pixels, new).int() - expected.int()).abs()
    assert apart.max() <= 1
    assert (apart > 0).double().mean() <= share


def test_resizing_keeps_the_mean_and_says_so():
    splits = prepare(ImageSplits(images(), images(name="set/test")), size=16, limit=None)
    assert splits.train.images.shape == (30, 3, 16, 16)
    assert splits.train.name == "set/train@16"
    assert splits.train.images.float().mean().item() == pytest.approx(images().images.float().mean().item(), abs=1)


def test_a_limit_is_balanced_nested_and_leaves_the_test_split_alone():
    splits = ImageSplits(images(), images(12, name="set/test"))
    nine, six = (prepare(splits, size=None, limit=limit) for limit in (9, 6))
    assert nine.train.name == "set/train[:9]"
    assert torch.bincount(nine.train.labels).tolist() == [3, 3, 3]
    assert {i.numpy().tobytes() for i in six.train.images} <= {i.numpy().tobytes() for i in nine.train.images}
    assert nine.test is splits.test
    with pytest.raises(DataError, match="at least 1"):
        prepare(splits, size=None, limit=0)


def test_a_drawn_limit_is_balanced_nested_a_matter_of_the_seed_and_knows_where_it_is_from():
    splits = ImageSplits(images(), images(12, name="set/test"))
    nine, six = (prepare(splits, size=None, limit=limit, subset_seed=3).train for limit in (9, 6))
    assert nine.name == "set/train[9 of seed 3]"
    assert torch.bincount(nine.labels).tolist() == [3, 3, 3]
    assert set(six.origin.tolist()) <= set(nine.origin.tolist())
    assert torch.equal(nine.images, splits.train.images[nine.origin])
    assert torch.equal(drawn(splits.train, 9, 3).origin, nine.origin)
    assert drawn(splits.train, 9, 4).digest != nine.digest
    assert drawn(splits.train, 30, 3) is splits.train
    assert torch.equal(prepare(splits, size=16, limit=9, subset_seed=3).train.origin, nine.origin)
    with pytest.raises(DataError, match="at least 1"):
        drawn(splits.train, 0, 3)


def test_the_last_training_images_make_a_validation_split_that_nothing_else_is_taken_from():
    splits = ImageSplits(images(), images(12, name="set/test"))
    cut = prepare(splits, size=4, limit=9, validation=10)
    assert cut.train.name == "set/train without the last 10[:9]@4"
    assert cut.validation.name == "set/train, the last 10@4"
    assert int(cut.train.origin.max()) < 20
    assert cut.validation.origin.tolist() == list(range(20, 30))
    assert len(cut.test) == 12
    with pytest.raises(DataError, match="set/train: of 30 images 30 cannot be left for validation; give fewer"):
        prepare(splits, size=None, limit=None, validation=30)


def test_what_was_not_drawn_is_the_rest():
    whole = images()
    some = drawn(whole, 9, 0)
    rest = without(whole, some)
    assert sorted([*some.origin.tolist(), *rest.origin.tolist()]) == list(range(30))
    twice = drawn(rest, 6, 0)
    assert torch.equal(twice.images, whole.images[twice.origin])  # places in the set as published


def test_a_file_of_images_vouches_for_itself(tmp_path):
    path = tmp_path / "a.safetensors"
    save_image_set(path, images())
    assert load_image_set(path).digest == images().digest
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        load_image_set(path)
    path.write_bytes(bytes(content[:50]))
    with pytest.raises(DataError, match="not a whole file of images"):
        load_image_set(path)


def test_a_damaged_digest_is_told_in_printable_characters(tmp_path):
    original = images()
    save_image_set(tmp_path / "a.safetensors", original)
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content.replace(original.digest.encode(), b"\x7f" * 64))
    with pytest.raises(DataError, match="is damaged: expected content digest") as error:
        load_image_set(tmp_path / "a.safetensors")
    assert str(error.value).isprintable()


def test_a_grid_puts_images_row_by_row():
    grid = make_grid(images(5).images, columns=3, padding=1, scale=2)
    assert grid.shape == (3, 2 * 17 + 1, 3 * 17 + 1)
    assert torch.equal(grid[:, 1:17:2, 18:34:2], images(5).images[1])
    assert torch.equal(grid[:, 18:34:2, 1:17:2], images(5).images[3])
    assert grid[:, 0].sum() == 0


def test_a_picture_says_what_it_shows():
    grid = ImageGrid(images(4).images, "hybrid, trained on drawn shapes")
    with_words, without = grid.picture(scale=4), ImageGrid(images(4).images, "").picture(scale=4)
    assert with_words.shape[1] > without.shape[1]
    assert with_words[:, without.shape[1] :].max() == 255  # there is writing
    with Image.open(io.BytesIO(encode_png(with_words, {"Description": grid.caption}))) as picture:
        assert picture.info["Description"] == grid.caption
        assert picture.size == (with_words.shape[2], with_words.shape[1])


def test_grey_grids_and_impossible_ones():
    assert make_grid(images(2).images[:, :1]).shape[0] == 1
    for bad in (torch.zeros(0, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 3, 4, 4), torch.zeros(3, 4, 4)):
        with pytest.raises(DataError):
            make_grid(bad)


def test_another_name_keeps_a_known_digest_and_invents_none():
    some = images()
    assert "digest" not in vars(some.called("unseen"))
    known = some.digest
    renamed = some.called("other")
    assert (renamed.name, vars(renamed)["digest"]) == ("other", known)
    assert replace(renamed, name="anew").digest == known


def test_validation_images_of_folders_are_of_every_class():
    """Read from a folder for each class, images are in the order of their classes: the last ones would be of one."""
    labels = torch.arange(4).repeat_interleave(torch.tensor([50, 50, 50, 10]))
    pixels = torch.arange(160).to(torch.uint8).view(160, 1, 1, 1).expand(-1, 1, 8, 8)
    sorted_set = ImageSet("mine/train", pixels, labels, ("a", "b", "c", "d"))
    cut = prepare(ImageSplits(sorted_set, sorted_set), size=None, limit=None, validation=48)
    assert cut.validation.labels.bincount().tolist() == [15, 15, 15, 3]
    assert cut.train.labels.bincount().tolist() == [35, 35, 35, 7]
    assert cut.validation.images[:15, 0, 0, 0].tolist() == list(range(35, 50))  # the last ones of the first class
    mixed = ImageSet("mine/train", pixels, torch.arange(160) % 4, ("a", "b", "c", "d"))
    assert prepare(ImageSplits(mixed, mixed), size=None, limit=None, validation=8).validation.images[
        :, 0, 0, 0
    ].tolist() == list(range(152, 160))
