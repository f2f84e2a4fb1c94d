"""Input images of translations: degradations by hand, domains, what does not fit, and the files they are kept in."""

import pytest
import torch
from kedro.io import DatasetError
from PIL import Image
from pydantic import TypeAdapter

from papergan.data import degradations
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.data.input_images import InputSet
from papergan.data.library import ImageLibrary
from papergan.data.own_declaration import OwnImagesSettings
from papergan.data.preparation import only_classes
from papergan.data.sources import Sources
from papergan.data.translation import InputSettings, input_spec, with_inputs
from papergan.datasets.image_splits import ImageSplitsDataset
from papergan.errors import DataError

SPLITS = ImageSplits(synthetic_shapes("train", 60), synthetic_shapes("test", 20))


def settings(**given):
    return TypeAdapter(InputSettings).validate_python(given)


def never(domain):
    raise AssertionError("pairs need no other data set")


def test_downsampling_keeps_the_mean_of_a_flat_image_and_halves_the_size():
    images = torch.full((2, 3, 16, 16), 77, dtype=torch.uint8)
    assert torch.equal(degradations.downsampled(images, 4), torch.full((2, 3, 4, 4), 77, dtype=torch.uint8))
    with pytest.raises(ValueError, match="16 pixels cannot be downsampled by 3"):
        degradations.downsampled(images, 3)


def test_grey_is_the_luminance():
    red = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    red[:, 0] = 255
    assert torch.equal(degradations.grey(red), torch.full((1, 1, 2, 2), 76, dtype=torch.uint8))  # 0.299 * 255
    assert degradations.grey(red[:, :1]) is not None
    assert torch.equal(degradations.grey(red[:, :1]), red[:, :1])


def test_an_edge_from_black_to_white_is_black_on_white():
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    images[..., 4:] = 255
    edges = degradations.edges(images)
    assert (edges[..., 3:5] == 0).all()
    assert (edges[..., [0, 1, 6, 7]] == 255).all()


def test_a_blurred_point_is_a_gaussian():
    images = torch.zeros(1, 1, 15, 15, dtype=torch.uint8)
    images[..., 7, 7] = 255
    blurred = degradations.blurred(images, 1.0)[0, 0].double()
    assert blurred[7, 7] == pytest.approx(255 / (2 * torch.pi), abs=1.0)
    assert blurred[7, 8] / blurred[7, 7] == pytest.approx(0.607, abs=0.03)  # exp(-1/2)


def test_noise_has_its_deviation_and_is_a_function_of_the_seed():
    images = torch.full((8, 3, 32, 32), 128, dtype=torch.uint8)
    first, again, other = (
        settings(kind="noisy", deviation=10.0, seed=seed).of(images, "train") for seed in (0, 0, 1)
    )  # fmt: skip
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.double() - 128).std().item() == pytest.approx(10, rel=0.02)


@pytest.mark.parametrize("place", ["centre", "random"])
def test_a_hole_is_grey_and_its_mask_says_where(place):
    images = torch.randint(0, 100, (10, 3, 16, 16), dtype=torch.uint8)
    made = settings(kind="masked", hole=6, place=place).of(images, "train")
    mask = made[:, 3:] == 255
    assert mask.sum((1, 2, 3)).tolist() == [36] * 10
    assert torch.equal(made[:, :3], torch.where(mask, torch.tensor(128, dtype=torch.uint8), images))
    corners = {tuple(one.nonzero()[0].tolist()) for one in mask[:, 0]}
    assert len(corners) == (1 if place == "centre" else len(corners))
    assert (5, 5) in corners or place == "random"
    assert place == "centre" or len(corners) > 3


def test_pairs_belong_to_their_images_and_say_what_they_are():
    found = with_inputs(SPLITS, settings(kind="downsampled", factor=4), never)
    assert found.inputs.train.paired
    assert found.inputs.train.name.endswith("/train, downsampled by 4")
    assert torch.equal(found.inputs.test.images, degradations.downsampled(SPLITS.test.images, 4))
    assert found.spec == ImageSpec(3, 32, 10, ImageSpec(3, 8))
    assert found.training_digest != SPLITS.training_digest == SPLITS.train.digest


def test_another_domain_is_cut_down_to_its_classes():
    domain = settings(kind="domain", dataset="synthetic_shapes", classes=["ring", "star"])
    found = with_inputs(SPLITS, domain, lambda _: SPLITS)
    assert not found.inputs.train.paired
    assert torch.equal(found.inputs.train.images, only_classes(SPLITS.train, ("ring", "star")).images)


def test_classes_become_all_there_are_in_their_order():
    some = only_classes(SPLITS.train, ("star", "disc"))
    assert some.classes == ("star", "disc")
    star, disc = (SPLITS.train.classes.index(name) for name in ("star", "disc"))
    assert torch.equal(SPLITS.train.labels[some.origin], torch.where(some.labels == 0, star, disc))
    with pytest.raises(DataError, match="has no class 'stra'; there are disc"):
        only_classes(SPLITS.train, ("stra",))
    empty = ImageSet("mine", SPLITS.train.images[:1], torch.zeros(1, dtype=torch.int64), ("a", "b"))
    with pytest.raises(DataError, match="mine has no image of class 'b'"):
        only_classes(empty, ("b",))


@pytest.mark.parametrize(
    ("given", "domain", "line"),
    [
        ({"kind": "downsampled", "factor": 8}, None, "input: images of 20 pixels cannot be downsampled by 8"),
        ({"kind": "masked", "hole": 20}, None, "a hole of 20 pixels leaves nothing of images of 20 pixels"),
        ({"kind": "domain", "dataset": "mnist"}, ImageSpec(1, 20), "images of mnist have 1 channels.* 3;"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_is_read(given, domain, line):
    with pytest.raises(DataError, match=line):
        input_spec(settings(**given), ImageSpec(3, 20), domain)


def test_domains_of_two_sizes_are_refused():
    small = ImageSplits(*(ImageSet("small", s.images[..., :16, :16], s.labels, s.classes) for s in (SPLITS.train,) * 2))
    with pytest.raises(DataError, match=r"small has 3x16x16 images, .*3x32x32; both domains need one kind"):
        with_inputs(SPLITS, settings(kind="domain", dataset="small"), lambda _: small)


def test_inputs_are_kept_with_their_images_and_damage_is_seen(tmp_path):
    splits = with_inputs(SPLITS, settings(kind="masked", hole=8), never)
    kept = ImageSplitsDataset(filepath=str(tmp_path / "images.json"), store=str(tmp_path / "store"))
    kept.save(splits)
    loaded = kept.load()
    for split in ("train", "test"):
        mine, theirs = getattr(splits.inputs, split), getattr(loaded.inputs, split)
        assert (mine.digest, mine.name, mine.paired) == (theirs.digest, theirs.name, theirs.paired)
    assert len(kept.files()) == 4
    path = kept._file(splits.inputs.train.digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="damaged"):
        kept.load()


def test_a_pairing_is_part_of_the_digest():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert InputSet("a", images, paired=True).digest != InputSet("a", images, paired=False).digest
    with pytest.raises(DataError, match="must be uint8"):
        InputSet("a", images.float(), paired=True)


def folders(tmp_path, inputs):
    for folder, names, colour in (("photos", ("a.png", "b.jpg", "c.png", "d.png"), 200), ("maps", inputs, 50)):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            Image.new("RGB", (16, 16), (colour + number, 0, 0)).save(tmp_path / folder / name)
    library = ImageLibrary.declared({}, Sources(tmp_path), tmp_path)
    how = OwnImagesSettings(held_out=0.5)
    return library, how, str(tmp_path / "photos"), str(tmp_path / "maps")


def test_files_of_two_folders_belong_together_by_their_names(tmp_path):
    library, how, photos, maps = folders(tmp_path, ("a.png", "b.png", "c.png", "d.png"))
    images = library.load(photos, 16, how)
    inputs = library.pairs_of(photos, maps, 16, how).load(images)
    for split in ("train", "test"):
        mine, theirs = (getattr(one, split).images.float().mean((2, 3))[:, 0] for one in (images, inputs))
        torch.testing.assert_close(mine - 150, theirs, atol=3, rtol=0)  # a JPEG's rounding
    assert len(images.train) == len(images.test) == 2


def test_names_without_a_pair_are_refused_before_anything_is_decoded(tmp_path):
    library, how, photos, maps = folders(tmp_path, ("a.png", "b.png", "c.png", "e.png"))
    with pytest.raises(DataError, match=r"pairs have the same names, and 1 of .*photos are not in .*maps: d$"):
        library.pairs_of(photos, maps, 16, how)
    with pytest.raises(DataError, match="of two folders or zip files of your own; 'synthetic_drawn' is neither"):
        ImageLibrary.declared(
            {"synthetic_drawn": {"kind": "synthetic_shapes", "train": 2, "test": 2}}, Sources(tmp_path), tmp_path
        ).pairs_of("synthetic_drawn", maps, 16, None)


def test_names_that_their_suffixes_put_in_another_order_are_refused(tmp_path):
    """Sorted, "a.jpg" is before "a.k.jpg", but "a.png" after "a.k.png": the pairs would be exchanged."""
    for folder, suffix in (("photos", "png"), ("maps", "jpg")):
        (tmp_path / folder).mkdir()
        for name in ("a", "a.k", "b", "c"):
            Image.new("RGB", (16, 16)).save(tmp_path / folder / f"{name}.{suffix}")
    library = ImageLibrary.declared({}, Sources(tmp_path), tmp_path)
    with pytest.raises(DataError, match=r"have the same names in another order, from a\.k on, since their suffixes"):
        library.pairs_of(str(tmp_path / "photos"), str(tmp_path / "maps"), 16, None)


def test_an_image_that_cannot_be_used_would_leave_its_pair_over(tmp_path):
    library, how, photos, maps = folders(tmp_path, ("a.png", "b.png", "c.png", "d.png"))
    (tmp_path / "maps/a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="maps: 1 images cannot be used, and their pairs would be left over"):
        library.pairs_of(photos, maps, 16, how).load(library.load(photos, 16, how))
