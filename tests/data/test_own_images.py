"""Images of one's own: whatever lies in a folder is used, or counted and named by its reason."""

from __future__ import annotations

import logging
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.parquet_files import pngs, write
from papergan.data import own_images
from papergan.data.collection import arrange, collection_of
from papergan.data.library import ImageLibrary
from papergan.data.own_declaration import OwnImagesSettings, dataset_name, is_path
from papergan.data.own_images import drawn_by_class
from papergan.data.sources import Sources
from papergan.errors import DataError

RED, GREY = (200, 30, 40), 120


def save(path, image, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def plain(width: int = 20, height: int = 20, colour=RED, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), colour)


def varied(seed: int, size: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))


@pytest.fixture
def library(tmp_path):
    return ImageLibrary.declared({}, Sources(tmp_path / "raw"), tmp_path / "decoded")


def flat(folder, count: int = 6):
    for number in range(count):
        save(folder / f"{number}.png", varied(number))
    return folder


def pixel(images, row: int = 0) -> list[int]:
    return images.images[row, :, 8, 8].tolist()


# ---- what is used ----------------------------------------------------------------------------------------------------


def test_a_flat_folder_needs_no_classes_and_says_what_that_means(tmp_path, library, caplog):
    caplog.set_level(logging.INFO)
    splits = library.load(str(flat(tmp_path / "cats")), 16)
    assert splits.train.classes == ()
    assert (len(splits.train), len(splits.test)) == (5, 1)
    assert splits.train.images.shape == (5, 3, 16, 16)
    assert splits.train.name == "cats/train"
    assert "without classes (no subfolders), so there are no metrics by class; 5 to train on, 1 held out" in caplog.text
    assert "skipped" not in caplog.text


def test_folders_are_classes_and_each_is_held_out_in_its_share(tmp_path, library):
    for name, count in (("cat", 20), ("dog", 4)):
        flat(tmp_path / "pets" / name, count)
    splits = library.load(str(tmp_path / "pets"), 16, OwnImagesSettings(held_out=0.25))
    assert splits.train.classes == ("cat", "dog")
    assert torch.bincount(splits.test.labels).tolist() == [5, 1]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (plain(colour=RED), RED),
        (plain(colour=(0, 255, 255, 0), mode="CMYK"), (255, 0, 0)),
        (plain(colour=(*RED, 0), mode="RGBA"), (255, 255, 255)),
        (plain(colour=GREY, mode="L"), (GREY,) * 3),
        (Image.fromarray(np.full((20, 20), GREY * 257, np.uint16)), (GREY,) * 3),
        (plain(colour=RED).quantize(4), RED),
        (plain(3, 40), RED),
    ],
    ids=["RGB", "CMYK", "transparent", "grey", "16 bits", "palette", "narrow"],
)
def test_every_mode_becomes_colour_on_a_white_background(tmp_path, library, image, expected):
    for number in range(2):  # of no colour that is expected
        save(tmp_path / "a" / f"{number}.png", plain(colour=(1, 2, 3)))
    kind = "JPEG" if image.mode == "CMYK" else "PNG"
    save(tmp_path / "a" / f"2.{'jpg' if kind == 'JPEG' else 'png'}", image, format=kind)
    splits = library.load(str(tmp_path / "a"), 16)
    found = [pixel(one, row) for one in (splits.train, splits.test) for row in range(len(one))]
    assert len(found) == 3
    assert any(np.allclose(one, expected, atol=3) for one in found), found


def test_grey_and_a_black_background_are_settings_of_the_recipe(tmp_path, library):
    for number in range(2):
        save(tmp_path / "a" / f"{number}.png", plain(colour=(*RED, 0), mode="RGBA"))
    splits = library.load(str(tmp_path / "a"), 16, OwnImagesSettings(mode="L", background="black"))
    assert splits.train.images.shape[1] == 1
    assert pixel(splits.train) == [0]


def test_the_central_square_is_taken(tmp_path, library):
    wide = Image.new("RGB", (60, 20), "black")
    wide.paste(RED, (20, 0, 40, 20))
    for number in range(2):
        save(tmp_path / "a" / f"{number}.png", wide)
    pixels = library.load(str(tmp_path / "a"), 16).train.images[0]
    assert (pixels == torch.tensor(RED, dtype=torch.uint8)[:, None, None]).all()


def test_a_zip_a_folder_and_a_folder_in_a_folder_are_the_same_images(tmp_path, library):
    for name in ("cat", "dog"):
        flat(tmp_path / "pets" / name)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for path in (tmp_path / "pets").rglob("*.png"):
            archive.write(path, f"download/{path.relative_to(tmp_path)}")
    digests = {library.load(str(path), 16).train.digest for path in (tmp_path / "pets", tmp_path / "pets.zip")}
    assert len(digests) == 1


def test_folders_train_and_test_are_the_splits(tmp_path, library):
    for split, count in (("train", 6), ("val", 3)):
        for name in ("cat", "dog"):
            flat(tmp_path / "pets" / split / name, count)
    splits = library.load(str(tmp_path / "pets"), 16)
    assert (len(splits.train), len(splits.test)) == (12, 6)
    assert splits.test.classes == ("cat", "dog")


def test_parquet_files_in_folders_train_and_test_are_the_splits(tmp_path, library):
    """As the Hub keeps them, CONFIGURATION/SPLIT/0000.parquet."""
    for name, count in (("train/0000", 4), ("train/0001", 6), ("test/0000", 3)):
        write(tmp_path / "cats" / "plain" / f"{name}.parquet", pngs(count), [count] * count)
    splits = library.load(str(tmp_path / "cats"), 8)
    assert [splits.train.labels.tolist(), splits.test.labels.tolist()] == [[4] * 4 + [6] * 6, [3] * 3]


def test_the_split_is_that_of_the_seed(tmp_path, library):
    folder = str(flat(tmp_path / "a", 40))
    first, again, other = (library.load(folder, 16, OwnImagesSettings(seed=seed)).test.digest for seed in (0, 0, 1))
    assert first == again != other


def test_the_digest_covers_the_content(tmp_path, library):
    folder = flat(tmp_path / "a")
    before = library.load(str(folder), 16).train.digest
    for number in range(6):
        save(folder / f"{number}.png", varied(100 + number))
    assert library.load(str(folder), 16).train.digest != before


def test_a_limit_draws_so_many_of_all(tmp_path, library):
    splits = library.load(str(flat(tmp_path / "a", 30)), 16, OwnImagesSettings(limit=10))
    assert len(splits.train) + len(splits.test) == 10


@pytest.mark.parametrize(
    ("names", "classes", "why"),
    [
        (["a/1.png", "b/1.png"], ("a", "b"), ""),
        (["x/a/1.png", "x/b/1.png"], ("a", "b"), ""),
        (["1.png", "b/1.png"], (), "1 images lie beside the subfolders"),
        (["b/1.png", "b/2.png"], (), "no subfolders"),
    ],
)
def test_classes_by_the_names_of_folders(names, classes, why):
    found = arrange(names)
    assert (found.classes, found.why_no_classes) == (classes, why)


def test_a_class_of_one_image_is_trained_on():
    drawn = drawn_by_class(np.array([0] * 10 + [1]), 0.5, 0)
    assert drawn.sum() == 5
    assert not drawn[10]


# ---- what is not -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_counted_and_named_by_its_reason(tmp_path, library, caplog):
    folder = flat(tmp_path / "a", 8)
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    (folder / "notes.txt").write_text("x")
    (folder / "README").write_text("x")
    save(folder / "moving.webp", plain(), save_all=True, append_images=[plain(colour="blue")])
    save(folder / "tiny.png", plain(4, 4))
    (folder / "dead.png").symlink_to(folder / "nowhere.png")
    splits = library.load(str(folder), 16)
    assert len(splits.train) + len(splits.test) == 9
    (line,) = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    assert line.startswith("a: skipped 7: 3 damaged or no images (")
    for part in (
        "1 animated (moving.webp)", "1 .txt files (notes.txt)", "1 files without a suffix (README)",
        "1 no files, or links to none (dead.png)",
    ):  # fmt: skip
        assert part in line
    assert "1 of 9 images are smaller than 16x16: enlarged" in caplog.text


def test_of_a_jpeg_that_holds_further_pictures_the_photograph_is_taken(tmp_path, library, caplog):
    """Cameras append previews and depth: such a file is not animated."""
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    photograph = plain(40, 20)
    photograph.paste("blue", (0, 0, 10, 20))  # on the left, so at the top of the upright one, outside its square
    for number in range(2):
        save(
            tmp_path / "a" / f"{number}.jpg", photograph, format="MPO", save_all=True, quality=95, exif=turned,
            append_images=[plain(10, 10, "green")],
        )  # fmt: skip
    splits = library.load(str(tmp_path / "a"), 16)
    assert len(splits.train) + len(splits.test) == 2
    assert "skipped" not in caplog.text
    assert np.abs(np.array(pixel(splits.train)) - RED).max() <= 3


def test_a_damaged_file_in_a_zip_is_one_of_the_skipped(tmp_path, library, caplog):
    flat(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted((tmp_path / "a").iterdir()):
            archive.write(path, path.name)
    content = (tmp_path / "a.zip").read_bytes()
    whole = (tmp_path / "a/3.png").read_bytes()
    at = content.index(whole) + len(whole) // 2
    (tmp_path / "a.zip").write_bytes(content[:at] + b"????" + content[at + 4 :])
    splits = library.load(str(tmp_path / "a.zip"), 16)
    assert len(splits.train) + len(splits.test) == 5
    assert "a: skipped 1: 1 damaged or no images (3.png)" in caplog.text


def test_an_entry_of_a_zip_without_a_name_is_not_an_image(tmp_path):
    flat(tmp_path / "a", 2)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(".", b"")
        for path in (tmp_path / "a").iterdir():
            archive.write(path, path.name)
    assert len(collection_of(tmp_path / "a.zip").pictures) == 2


def test_nothing_but_damage_is_an_error_of_one_line(tmp_path, library):
    for number in range(4):
        path = tmp_path / "a" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_text("no image")
    with pytest.raises(DataError, match=r"no image of the train split can be used: skipped 3: 3 damaged or no images"):
        library.load(str(tmp_path / "a"), 16)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("nothing", "there is no folder or file .*/a$"),
        ("empty", "holds no images"),
        ("texts", "holds no images .*; skipped 1: 1 .txt files"),
        ("one", "holds 1 images; a training and a test split need at least 2"),
    ],
)
def test_no_images(tmp_path, library, made, message):
    folder = tmp_path / "a"
    if made != "nothing":
        folder.mkdir()
    if made == "texts":
        (folder / "a.txt").write_text("x")
    if made == "one":
        save(folder / "a.png", plain())
    with pytest.raises(DataError, match=message):
        library.load(str(folder), 16)


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_a_file_of_another_kind(tmp_path, name):
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=r"not a readable zip file|must be a folder of images, a \.zip or"):
        collection_of(tmp_path / name)


def test_more_than_the_memory_holds_is_refused_before_anything_is_decoded(tmp_path, library, monkeypatch):
    folder = flat(tmp_path / "a")
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 10_000)
    monkeypatch.setattr(own_images, "decode_any", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"a, 6 images at 64 pixels, needs .*; lower image_size, or take fewer with"):
        library.load(str(folder), 64)
    with pytest.raises(DataError, match="images.limit"):
        library.kind_of_images(str(folder), 64)


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "path", "name"),
    [
        ("cifar10", False, "cifar10"),
        ("/data/my cats", True, "my_cats"),
        ("./cats", True, "cats"),
        ("cats.zip", True, "cats"),
        ("hf://datasets/org/cats", True, "cats"),
        ("/data/v1.2", True, "v1.2"),
    ],
)
def test_a_path_and_its_name(dataset, path, name):
    assert is_path(dataset) is path
    assert dataset_name(dataset) == name


def test_a_folder_beside_is_not_taken_for_a_declared_name(tmp_path, library, monkeypatch):
    flat(tmp_path / "cats")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"unknown data set 'cats' \(images in a folder cats here: write \./cats\)"):
        library.load("cats", 16)
    assert len(library.load("./cats", 16).train) == 5


def test_a_declared_one_has_its_name_and_its_place_below_the_data_folders(tmp_path):
    flat(tmp_path / "raw" / "photos")
    declared = {"cats": {"kind": "images", "source": "photos", "size": 16, "mode": "L"}}
    library = ImageLibrary.declared(declared, Sources(tmp_path / "raw"), tmp_path / "decoded")
    spec, count = library.kind_of_images("cats")
    assert (spec.channels, spec.size, spec.num_classes, count) == (1, 16, 0, 5)
    assert library.load("cats").train.name == "cats/train"
    assert library.load("cats", 8).train.images.shape[-1] == 8


def test_settings_of_ones_own_images_are_refused_for_a_published_data_set(tmp_path):
    declared = {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 20, "test": 10}}
    library = ImageLibrary.declared(declared, Sources(tmp_path), tmp_path)
    with pytest.raises(DataError, match="'synthetic_shapes' is no such data set"):
        library.load("synthetic_shapes", None, OwnImagesSettings(mode="L"))


def test_a_data_folder_of_the_environment_that_is_not_there_is_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_DATA", "/nonexistent")
    with pytest.raises(DataError, match=r"there is no folder /nonexistent, which PAPERGAN_DATA names"):
        Sources(tmp_path).find_path("photos", "cats")
    with pytest.raises(DataError, match=r"there is no folder /nonexistent, which PAPERGAN_DATA names"):
        Sources(tmp_path).find_folder("photos", "cats")
