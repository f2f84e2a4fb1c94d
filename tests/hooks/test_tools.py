"""What is known to be wrong with the tools before anything is computed."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from papergan.config.registry import MODELS, TOOL_PARAMETERS, TOOLS, import_by_name
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.errors import CheckpointError, DataError, EvaluationError, PaperganError, RecipeError
from papergan.hooks.file_checks import locate_files_of
from papergan.inference.model_library import ModelLibrary
from papergan.validation import StrictModel
from pipelines.test_detection import RECIPE as TRAINED
from pipelines.test_detection import written

OFFLINE = {"inception": False, "domain": True}


def check(tmp_path, name, given, **top):
    library = ImageLibrary.declared(
        {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 20, "test": 10}}, Sources(tmp_path), tmp_path
    )
    libraries = {"image_library": library, "model_library": ModelLibrary(tmp_path / "models")}
    catalog = DataCatalog({name: MemoryDataset(one, copy_mode="assign") for name, one in libraries.items()})
    for key, value in {name: given, "real": None, "fake": None, **top}.items():
        catalog[f"params:{key}"] = MemoryDataset(value)
    checked = import_by_name(TOOLS[name].check)(name, catalog)
    locate_files_of(name, checked, catalog)
    return checked


@pytest.mark.parametrize("name", TOOLS)
def test_the_entry_of_a_tool_is_all_that_finds_its_parts(name):
    pipeline = import_by_name(f"{TOOLS[name].pipeline}:create_pipeline")()
    assert isinstance(pipeline, Pipeline)
    read = {given.removeprefix("params:") for given in pipeline.inputs() if given.startswith("params:")}
    assert read <= set(TOOL_PARAMETERS)
    assert bool(read) == bool(TOOLS[name].settings) == bool(TOOLS[name].check)


def test_settings_of_tools_are_strict_models():
    assert all(issubclass(import_by_name(model), StrictModel) for model in MODELS.values())


def test_what_is_right_comes_back_checked(tmp_path):
    sanity = check(tmp_path, "metric_sanity", OFFLINE | {"dataset": "synthetic_shapes"})
    assert sanity.recipe.num_samples == 2000
    folder = tmp_path / "images"
    folder.mkdir()
    images = check(tmp_path, "evaluate_images", OFFLINE, real=str(folder), fake=str(folder))
    assert (images.real, images.fake, images.held_out) == (folder, folder, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "synthetic_shape"}, "metric_sanity.dataset: unknown data set .* did you mean 'synthetic_shapes'"),
        ({"num_sample": 5}, "metric_sanity: unknown key 'num_sample'; did you mean 'num_samples'"),
        ({"domain": False}, "nothing would be measured"),
        ({"domain64": True, "domain": False, "torchvision": True}, "domain64 is a part of the classifier"),
        ({"bootstrap": 1}, "one has no deviation"),
    ],
)
def test_a_wrong_sanity_recipe_is_refused(tmp_path, changes, message):
    with pytest.raises(RecipeError, match=message):
        check(tmp_path, "metric_sanity", OFFLINE | {"dataset": "synthetic_shapes"} | changes)


def test_which_images_must_be_said_and_must_exist(tmp_path):
    with pytest.raises(DataError, match=r"real: which images\?.*--params real=DIR,fake=DIR"):
        check(tmp_path, "evaluate_images", OFFLINE)
    with pytest.raises(DataError, match="fake: there is no folder or file .*nowhere"):
        check(tmp_path, "evaluate_images", OFFLINE, real=str(tmp_path), fake=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="evaluate_images.held_out: there is no folder"):
        held_out = OFFLINE | {"held_out": str(tmp_path / "nowhere")}
        check(tmp_path, "evaluate_images", held_out, real=str(tmp_path), fake=str(tmp_path))


def test_missing_weights_are_noticed_before_an_image_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    for extractor in ("inception", "inception64", "torchvision"):
        given = {"inception": False, "domain": False, "allow_download": False, extractor: True}
        with pytest.raises(EvaluationError, match=r"not at .*hub.*evaluate_images\.\w+=false"):
            check(tmp_path, "evaluate_images", given, real=str(tmp_path), fake=str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "compression.model: which generator"),
        ({"model": "nowhere"}, "compression.model: there is no trained model 'nowhere'"),
        (
            {"model": "x", "variants": {"float32": {}, "taught": {"model": "nowhere"}}},
            "compression.model: there is no trained model 'x'",
        ),
        ({"model": "hybrid_cifar1"}, "did you mean 'hybrid_cifar10'"),
        ({"model": "x", "variants": {"half": {"keep_channels": 0.5}}}, "variants: one is the generator as it is"),
        ({"model": "x", "variants": {"float32": {}, "none": {"keep_channels": 0.0}}}, "greater than 0"),
    ],
)
def test_a_wrong_compression_is_refused(tmp_path, changes, message):
    with pytest.raises(PaperganError, match=message):
        check(tmp_path, "compression", {"variants": {"float32": {}}} | changes)


def test_a_variant_whose_generator_makes_other_images_is_refused(tmp_path):
    one, other = written(tmp_path, "one"), written(tmp_path, "other", recipe=TRAINED | {"image_size": 32})
    given = {"model": one, "variants": {"float32": {}, "taught": {"model": other}}}
    with pytest.raises(
        RecipeError, match=r"compression\.variants\.taught\.model: .*one' and .*other' were not trained on"
    ):
        check(tmp_path, "compression", given)
    assert check(tmp_path, "compression", given | {"variants": {"float32": {}, "taught": {"model": one}}})
    silent = written(tmp_path, "silent", recipe=None)
    with pytest.raises(CheckpointError, match=r"taught\.model: .*silent' does not say what it was trained on"):
        check(tmp_path, "compression", given | {"variants": {"float32": {}, "taught": {"model": silent}}})
