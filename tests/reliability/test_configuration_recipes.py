"""Recipes with wrong values, systems and images that cannot be: one line that says what was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import papergan.settings as project
from helpers.configurations import CONF, DOCUMENT, OVERLAY, changed, loaded, told, with_another
from helpers.project_run import EXPERIMENT
from helpers.small_systems import small, spec
from papergan import systems
from papergan.config import registry
from papergan.config.evaluation import EvaluationSettings, ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.tools import RetentionRecipe
from papergan.config.yaml_file import read_entries
from papergan.data.images import ImageSet, ImageSpec
from papergan.errors import DataError, MemoryShortError, RecipeError
from papergan.hooks.config_loader import ReadableConfigLoader
from papergan.training.batches import Batches
from papergan.validation import StrictModel

# ---- numbers and text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["1e-4", "1.0e-4", "0.0001"])
def test_a_small_number_is_a_number_in_files_and_in_params(tmp_path, written):
    file = loaded(changed(tmp_path, {OVERLAY: f"hybrid_cifar10: {{overrides: {{learning_rate: {written}}}}}"}))
    assert file["parameters"][EXPERIMENT]["overrides"]["learning_rate"] == 1e-4
    from kedro.framework.cli.utils import _split_params

    given = _split_params(None, None, f"hybrid_cifar10.overrides.learning_rate={written}")
    assert given[EXPERIMENT]["overrides"]["learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"every_epochs": "1e-4"}}, r"every_epochs: .*got '1e-4', which is text: write 1\.0e-4 without"),
        ({"evaluation": {"every_epochs": "5"}}, r"got '5', which is text: write 5 without quotes"),
        (
            {"overrides": {"learning_rate": "1e-4"}},
            r"'learning_rate' of system 'hybrid': .*write 1\.0e-4 without quotes",
        ),
        ({"seed": "3"}, r"seed: .*got '3', which is text: write 3 without quotes"),
        ({"seed": "1e3"}, r"seed: Input should be a valid integer, got '1e3'$"),
        ({"paper": 0}, r"paper: Input should be a valid string, got 0: write it in quotes"),
        ({"seed": True}, r"seed: Input should be a valid integer, got True"),
        ({"training": {"steps": 1, "save_minutes": float("nan")}}, "save_minutes: .*finite number, got nan"),
        ({"training": {"epochs": float("inf")}}, "epochs: .*finite number, got inf"),
        ({"training": {"epochs": 0}}, "epochs: Input should be greater than 0, got 0"),
        ({"training": {"steps": -1}}, "steps: Input should be greater than or equal to 1, got -1"),
        ({"training": [1]}, r"training: expected a mapping of settings, got \[1\]"),
        ({"training": None}, "training: expected a mapping of settings, got None"),
        ({"evaluation": {"domain_classifier": {"widht": 3}}}, "domain_classifier: unknown key 'widht'; did you mean"),
        ({"evaluation": {"quantisation": "down"}}, "'round' or 'truncate', got 'down'"),
        (
            {"overrides": {"r1": -1.0, "loss": "hings"}},
            "'loss'.*'hinge', got 'hings'; .*'r1'.*greater than or equal to 0, got -1.0",
        ),
        ({"overrides": {3: 4}}, "overrides"),
        ({"overrides": ["width"]}, r"overrides: expected a mapping of settings, got \['width'\]"),
        ({"system": "a\nb"}, r"unknown system 'a\\nb'"),
    ],
)
def test_what_was_given_is_said(changes, message):
    base = {"paper": "tahvili2025", "system": "hybrid", "dataset": "cifar10", "training": {"steps": 1}}
    with pytest.raises(RecipeError, match=message) as error:
        Recipe.parse("mine", base | changes)
    assert told(error).startswith("mine")


# ---- whatever anybody writes -----------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
MODELS: list[type[StrictModel]] = [Recipe, SanitySettings, ImagesSettings, EvaluationSettings, RetentionRecipe]
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def one_line_or_a_recipe(model: type[StrictModel], content: Any) -> None:
    try:
        assert isinstance(model.parse("mine", content), model)
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1, str(error)  # noqa: PT017


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@QUICK
@given(data=st.data())
def test_any_tree_is_a_recipe_or_one_line(model, data):
    keys = st.sampled_from(sorted(model.model_fields)) | st.text(max_size=5)
    one_line_or_a_recipe(model, data.draw(ANYTHING | st.dictionaries(keys, ANYTHING, max_size=6)))


VALID = yaml.safe_load((CONF / DOCUMENT).read_text())[EXPERIMENT] | {"overrides": {"width": 8, "augmentation": "color"}}


def places(tree: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield from ((key, *rest) for rest in places(inner))


@QUICK
@given(st.sampled_from(list(places(VALID))), ANYTHING)
def test_a_valid_recipe_with_anything_in_one_place_is_a_recipe_or_one_line(place, value):
    one_line_or_a_recipe(Recipe, with_another(VALID, place, value))


TEXT = (CONF / OVERLAY).read_bytes()
CUT = st.tuples(
    st.integers(0, len(TEXT)), st.integers(0, 20), st.binary(max_size=6) | st.sampled_from([b"\t", b": ", b"{"])
)


def spoilt(cut: tuple[int, int, bytes]) -> bytes:
    start, length, instead = cut
    return TEXT[:start] + instead + TEXT[start + length :]


@QUICK
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | CUT.map(spoilt))
def test_any_file_is_a_list_of_experiments_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_bytes(content)
    try:
        assert isinstance(read_entries(path, "names to recipes"), dict)
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1, str(error)  # noqa: PT017


@settings(QUICK, max_examples=40)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | CUT.map(spoilt))
def test_any_overlay_is_read_or_one_line(tmp_path_factory, content):
    conf = tmp_path_factory.getbasetemp() / "any"
    if not conf.is_dir():
        for name in ("base", "test"):
            (conf / name).mkdir(parents=True)
        (conf / "base" / "parameters.yml").write_text((CONF / DOCUMENT).read_text())
    (conf / "test" / "parameters.yml").write_bytes(content)
    loader = ReadableConfigLoader(str(conf), env="test", **project.CONFIG_LOADER_ARGS)
    try:
        registry.refuse_unknown(loader["parameters"])
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1, str(error)  # noqa: PT017


# ---- systems and images ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", systems.names())
@pytest.mark.parametrize("size", [8, 24, 33])
def test_images_of_any_size_are_made_or_refused_by_that_size(name, size):
    images = spec(name, size=size)
    try:
        game = systems.build(name, images, small(name), seed=0)
    except RecipeError as error:
        line = rf"system '{name}' cannot be built for 3x{size}x{size} images: .*(least|multiple|times).*, got {size}"
        assert re.fullmatch(line, str(error)), str(error)  # noqa: PT017
    else:
        assert next(game.sampler().stream(2, seed=0)).shape == (2, 3, size, size)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("dcgan", 33, "multiple of 8, at least 16, got 33"),
        ("hybrid", 33, "multiple of 8, at least 16, got 33"),
        ("hybrid_fast", 8, "at least 16, got 8"),
        ("steingan", 24, "times a power of 2.*, got 24"),
        ("began", 24, "times a power of 2.*, got 24"),
    ],
)
def test_a_refusal_says_which_sizes_would_do(name, size, message):
    with pytest.raises(RecipeError, match=f"'{name}' cannot be built for 3x{size}x{size} images: .*{message}") as error:
        systems.build(name, ImageSpec(3, size, 10), small(name), seed=0)
    told(error)


WITH_LATENTS = [name for name in systems.names() if "latent_dim" in systems.settings_model(name).model_fields]


@pytest.mark.parametrize("name", WITH_LATENTS)
@pytest.mark.parametrize("latent_dim", [10**12, 10**17, 10**30])
def test_a_system_larger_than_any_memory_is_one_line(name, latent_dim):
    with pytest.raises((RecipeError, MemoryShortError), match=f"'{name}'") as error:
        systems.build(name, ImageSpec(3, 32, 10), small(name) | {"latent_dim": latent_dim}, seed=0)
    assert len(told(error)) < 500


def test_bugs_of_a_system_keep_their_traceback(monkeypatch):
    def broken(images: ImageSpec, **given: Any) -> None:
        torch.zeros(2, 3) @ torch.zeros(2, 3)

    systems.settings_model("dcgan")
    monkeypatch.setattr(systems.find("dcgan"), "build", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        systems.build("dcgan", ImageSpec(3, 32), {}, seed=0)


PIXELS = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
LABELS = torch.arange(8) % 2


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (PIXELS.float(), LABELS, r"uint8 \[N, 1 or 3, S, S\], got torch.float32 \(8, 3, 32, 32\)"),
        (PIXELS[:, :2], LABELS, r"got torch.uint8 \(8, 2, 32, 32\)"),
        (PIXELS[..., :16], LABELS, r"got torch.uint8 \(8, 3, 32, 16\)"),
        (PIXELS[0], LABELS, r"got torch.uint8 \(3, 32, 32\)"),
        (PIXELS, LABELS + 1, r"labels must be 0..1, got 1..2"),
        (PIXELS, LABELS - 1, r"labels must be 0..1, got -1..0"),
        (PIXELS, LABELS[:7], r"labels must be int64 \[8\], got torch.int64 \(7,\)"),
        (PIXELS, LABELS.int(), r"labels must be int64 \[8\], got torch.int32"),
    ],
)
def test_images_that_are_none_are_refused_with_what_was_expected(pixels, labels, message):
    with pytest.raises(DataError, match=message) as error:
        ImageSet("mine/train", pixels, labels, ("a", "b"))
    assert told(error).startswith("mine/train")
    assert ImageSet("mine/train", PIXELS, LABELS, ("a", "b")).spec == ImageSpec(3, 32, 2)


def test_a_batch_of_more_images_than_there_are_is_refused():
    with pytest.raises(DataError, match=r"8 images cannot fill a batch of 9: lower training\.batch_size"):
        Batches(PIXELS, LABELS, batch_size=9, seed=0, device="cpu")
