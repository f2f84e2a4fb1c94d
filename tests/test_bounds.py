"""Numbers that are too large, too small or no numbers, and names of any kind: one short line that says the bound."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from papergan import systems
from papergan.config.evaluation import DomainClassifierSettings, EvaluationSettings, ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import ModeStressRecipe, TargetRecipe
from papergan.config.study import SearchRecipe, StudyRecipe
from papergan.config.tools import RetentionRecipe
from papergan.config.training import TrainingRecipe
from papergan.config.workers import WorkerSettings
from papergan.data import allocations
from papergan.data.declarations import parse_declaration
from papergan.data.images import ImageSpec
from papergan.errors import DataError, MemoryShortError, RecipeError, did_you_mean
from papergan.messages import quoted
from papergan.metrics.stability import StabilityRule
from papergan.validation import StrictModel, one_line_error

MODELS: list[type[StrictModel]] = [
    Recipe, TrainingRecipe, EvaluationSettings, DomainClassifierSettings, SanitySettings, ImagesSettings, StudyRecipe,
    SearchRecipe, ModeStressRecipe, TargetRecipe, RetentionRecipe, StabilityRule, WorkerSettings,
]  # fmt: skip
LONG = "x" * 3_000_000


def is_number(model: type[BaseModel], name: str) -> bool:
    return any(kind in str(model.model_fields[name].annotation) for kind in ("int", "float"))


NUMBERS = [(model, name) for model in MODELS for name in model.model_fields if is_number(model, name)]


def refused(model: type[StrictModel], given: Any) -> str:
    with pytest.raises(RecipeError) as error:
        model.parse("mine", given)
    line = str(error.value)
    assert len(line.splitlines()) == 1
    return line


@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=lambda given: getattr(given, "__name__", given))
@pytest.mark.parametrize("value", [10**29, 1e300, -(10**29), int("f" * 6000, 16)], ids=["29", "1e300", "-29", "hex"])
def test_every_number_of_every_model_has_a_bound_on_either_side(model, name, value):
    given = {"seeds": [value], "batch_sizes": {100: value}}.get(name, value)
    fault, *_ = [part for part in refused(model, {name: given}).split("; ") if part.startswith(f"mine.{name}")]
    assert "Input should be" in fault
    assert len(fault) < 300


@pytest.mark.parametrize("images", [0, 10**29])
def test_the_images_at_which_a_batch_size_changes_have_bounds(images):
    assert "Input should be" in refused(TrainingRecipe, {"steps": 1, "batch_sizes": {images: 8}})


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        ({"num_samples": 10**12}, "10000000, got 1000000000000"),
        ({"final_num_samples": 10**8}, "10000000"),
        ({"path_samples": 10**9}, "1000000"),
        ({"bootstrap": 10**9}, "10000"),
        ({"kid_subset_size": 10**6}, "20000"),
        ({"every_epochs": 1e-300}, "0.0001, got 1e-300"),
        ({"domain_classifier": {"width": 10**6}}, "512, got 1000000"),
        ({"domain_classifier": {"epochs": 10**9}}, "10000"),
        ({"domain_classifier": {"seed": 2**64}}, "18446744073709551616"),
        ({"seed": -(2**63) - 1}, "-9223372036854775808"),
    ],
)
def test_the_bound_is_said(given, bound):
    assert bound in refused(EvaluationSettings, given)


@pytest.mark.parametrize("seed", [0, -1, -(2**63), 2**63, 2**64 - 1])
def test_every_seed_that_generators_take_is_a_seed(seed):
    assert EvaluationSettings(seed=seed).rules(0).seed == seed
    if seed >= 0:
        assert StudyRecipe(paper="tahvili2025", seeds=[seed], grids={"a": {"experiments": ["b"]}}).seeds == (seed,)


@pytest.mark.parametrize("name", ["parzen_samples", "path_samples", "memorisation_samples", "bootstrap"])
def test_nothing_is_still_an_amount_of_what_can_be_left_out(name):
    assert getattr(EvaluationSettings(**{name: 0}), name) == 0


@pytest.mark.parametrize("key", ["__class__", "__dict__", "_x", "", "seed.x", "a\nb", "sëed", 1, True, None, (1, 2)])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_unknown_key_is_refused_whatever_it_is_called(model, key):
    assert f"unknown key {str(key)!r}" in refused(model, {key: 1})


@pytest.mark.parametrize("paper", ["0\u0660\u0660", "000\n", "0 0", "-00", ""])
def test_a_paper_is_a_citation_key(paper):
    assert "mine.paper" in refused(Recipe, {"paper": paper})


@pytest.mark.parametrize(
    "given",
    [
        {LONG: 1}, {"system": LONG, "paper": "tahvili2025", "dataset": "a", "training": {"steps": 1}}, {"paper": LONG},
        {"evaluation": {"weights": LONG}}, {"training": LONG}, {"training": [LONG]}, {"overrides": {LONG: 1}},
        {"evaluation": {LONG: {LONG: 1}}}, {"seed": {LONG: LONG}},
    ],
)  # fmt: skip
def test_what_was_given_is_cut_in_messages(given):
    assert len(refused(Recipe, given)) < 2500


def test_names_and_what_libraries_say_are_cut():
    assert len(did_you_mean(LONG, [LONG, "b"])) < 400
    assert len(quoted(LONG)) == 120
    assert quoted("short") == "'short'"
    assert len(one_line_error(ValueError(LONG))) < 700
    with pytest.raises(DataError) as error:
        parse_declaration("mine", {"kind": LONG})
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("size", [10**6, 0, -1])
def test_a_declared_size_has_a_bound(size):
    with pytest.raises(DataError, match="size"):
        parse_declaration("synthetic_noto", {"kind": "emoji_font", "train": 1, "test": 1, "size": size})


# ---- settings of systems ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", systems.names())
def test_every_number_of_every_system_has_a_bound(name):
    model = systems.settings_model(name)
    for setting in [field for field in model.model_fields if is_number(model, field)]:
        for value in (10**29, 1e300):
            with pytest.raises(RecipeError, match=f"setting '{setting}' of system '{name}'.*got (10|1e)"):
                systems.resolve(name, {setting: value})


@pytest.mark.parametrize(
    ("name", "setting", "value", "says"),
    [
        ("wgan", "critic_steps", 10**6, "at most 1000, got 1000000"),
        ("mix_wgan", "components", 10**6, "at most 1000"),
        ("hybrid", "decay_every_epochs", 1e-320, "at least 1e-30"),
        ("hybrid", "r1", 1e300, "at most 1000000000, got 1e[+]300"),
    ],
)
def test_settings_that_would_take_for_ever_are_refused(name, setting, value, says):
    with pytest.raises(RecipeError, match=says):
        systems.resolve(name, {setting: value})
    assert systems.resolve("hybrid", {"r1": 0.0})["r1"] == 0.0


def test_weights_are_counted_before_they_are_drawn(monkeypatch):
    monkeypatch.setattr(allocations, "available_bytes", lambda: 3_000_000)
    systems.build("dcgan", ImageSpec(3, 32), {"width": 8, "latent_dim": 8}, seed=0)
    with pytest.raises(MemoryShortError, match="'dcgan': it needs more than the 0.0 GB that are available; lower"):
        systems.build("dcgan", ImageSpec(3, 32), {"width": 64}, seed=0)
