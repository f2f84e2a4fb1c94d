"""Fingerprints: a user's SOCOFing by its file names, and drawn ones."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from papergan.data.declarations import parse_declaration, parse_declarations
from papergan.data.drawn.fingerprints import CLASSES, DIRECTIONS, _bank, orientation, synthetic_fingerprints
from papergan.data.library import ImageLibrary
from papergan.data.socofing import Print, parse
from papergan.data.sources import Sources
from papergan.errors import DataError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1__M_Left_index_finger.BMP", Print(1, "M", "left_index", None)),
        ("600__F_Right_thumb_finger.bmp", Print(600, "F", "right_thumb", None)),
        ("23__M_Right_little_finger_CR.BMP", Print(23, "M", "right_little", "CR")),
        ("23__M_Right_ring_finger_Obl.BMP", Print(23, "M", "right_ring", "Obl")),
        ("7__F_Left_middle_finger_Zcut.BMP", Print(7, "F", "left_middle", "Zcut")),
    ],
)
def test_file_names_say_subject_sex_hand_finger_and_alteration(name, expected):
    assert parse(name) == expected


@pytest.mark.parametrize(
    "name", ["1_M_Left_index_finger.BMP", "1__X_Left_index_finger.BMP", "1__M_Left_toe_finger.BMP", "scan.BMP",
             "1__M_Left_index_finger_Cut.BMP", "1__M_Left_index_finger.png"],
)  # fmt: skip
def test_other_names_are_refused(name):
    with pytest.raises(DataError, match="is not named <subject>__"):
        parse(name)


ENTRY = {"kind": "socofing", "folder": "socofing", "size": 16, "held_out_subjects": 1}


def library(folder, **changes) -> ImageLibrary:
    (folder / "socofing/Real").mkdir(parents=True, exist_ok=True)
    for subject in (1, 2, 3):
        for finger, suffix in (("thumb", ""), ("index", ""), ("index", "_CR")):
            pixels = np.full((103, 96), 40 * subject, np.uint8)
            Image.fromarray(pixels).save(folder / f"socofing/Real/{subject}__M_Left_{finger}_finger{suffix}.BMP")
    return ImageLibrary(parse_declarations({"socofing": ENTRY | changes}), Sources(folder), folder / "decoded")


def test_subjects_are_held_out_as_a_whole_and_altered_prints_left_out(tmp_path):
    splits = library(tmp_path).load("socofing")
    assert splits.train.images.shape == (4, 1, 16, 16)
    assert sorted(splits.train.images[:, 0, 0, 0].tolist()) == [40, 40, 80, 80]
    assert splits.test.images[:, 0, 0, 0].tolist() == [120, 120]
    assert [splits.train.classes[label] for label in splits.train.labels] == ["left_index", "left_thumb"] * 2
    assert splits.train.name == "socofing/train"
    assert len(library(tmp_path, altered=True).load("socofing").train) == 6


def test_too_few_subjects_or_a_foreign_file(tmp_path):
    with pytest.raises(DataError, match="holds 6 prints of 3 subjects, 3 are to be held out"):
        library(tmp_path, held_out_subjects=3).load("socofing")
    (tmp_path / "socofing/notes.bmp").touch()
    with pytest.raises(DataError, match=r"notes\.bmp is not named"):
        library(tmp_path).load("socofing")


def test_drawn_fingerprints_are_named_so_and_a_function_of_their_index():
    with pytest.raises(DataError, match="drawn fingerprints must be named as such, for example 'synthetic_prints'"):
        parse_declaration("prints", {"kind": "fingerprints", "train": 1, "test": 1})
    five, two = synthetic_fingerprints("train", 5), synthetic_fingerprints("train", 2)
    assert torch.equal(five.images[:2], two.images)
    assert five.images.shape == (5, 1, 64, 64)
    assert five.classes == CLASSES
    assert five.labels.tolist() == [0, 1, 2, 3, 4]
    assert not torch.equal(synthetic_fingerprints("test", 2).images, two.images)
    assert not torch.equal(synthetic_fingerprints("train", 2, seed=1).images, two.images)
    with pytest.raises(DataError, match="'train' or 'test'"):
        synthetic_fingerprints("validation", 1)


def test_they_have_ridges_of_the_period_that_was_drawn():
    """The spectrum of the middle of an image is on a ring."""
    images = synthetic_fingerprints("train", 10).images.double()[:, 0, 12:52, 12:52]
    window = torch.hann_window(40, periodic=False, dtype=torch.float64)
    centred = (images - images.mean((1, 2), keepdim=True)) * window[:, None] * window
    power = torch.fft.fft2(centred).abs().square()
    f = torch.fft.fftfreq(40, dtype=torch.float64)
    radius = (f[:, None] ** 2 + f**2).sqrt()
    ring = (radius > 1 / 8) & (radius < 1 / 3.5)
    assert float((power[:, ring].sum(1) / power.flatten(1).sum(1)).min()) > 0.6


def turns(pattern: str, x: float, y: float) -> float:
    """By how many half turns the ridges turn on a small circle about a point; +1 for a core, -1 for a delta."""
    field = orientation(pattern, lambda low, high: (low + high) / 2)
    angles = [2 * math.pi * i / 200 for i in range(201)]
    points = [(x + 0.12 * math.cos(a), y - 0.12 * math.sin(a)) for a in angles]
    place = [(round((py + 1) * 32 - 0.5), round((px + 1) * 32 - 0.5)) for px, py in points]
    along = [-float(field[row, column]) for row, column in place]  # y points down in images
    steps = [(b - a + math.pi / 2) % math.pi - math.pi / 2 for a, b in pairwise(along)]
    return sum(steps) / math.pi


def test_loops_have_one_core_and_one_delta_whorls_two_of_each_and_arches_none():
    assert turns("right_loop", 0.05, -0.125) == pytest.approx(1, abs=0.05)
    assert turns("right_loop", -0.65, 0.75) == pytest.approx(-1, abs=0.05)
    assert turns("left_loop", -0.05, -0.125) == pytest.approx(1, abs=0.05)
    assert turns("whorl", -0.8, 0.75) == pytest.approx(-1, abs=0.05)
    assert turns("double_loop", -0.2125, -0.3375) == pytest.approx(1, abs=0.05)
    assert turns("arch", 0.0, 0.0) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("pattern", CLASSES)
def test_ridges_run_across_the_tip_of_every_finger(pattern):
    """Within 30 degrees of the horizontal above all cores; a winding number does not see a field turned as a whole."""
    tip = orientation(pattern, lambda low, high: (low + high) / 2)[2, 28:36]
    assert float(torch.sin(tip).abs().max()) < 0.5


def test_filters_pass_their_own_direction_and_period_and_no_grey():
    bank = _bank(5.0)[:, 0]
    assert float(bank.sum((1, 2)).abs().max()) < 1e-9
    places = torch.arange(-7, 8, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * places / 5.0)[:, None].expand(15, 15)  # ridges along x
    answers = (bank * wave).sum((1, 2))
    assert int(answers.argmax()) == 0
    assert float(answers[DIRECTIONS // 2]) < 0.2 * float(answers[0])
