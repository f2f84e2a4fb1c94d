"""Recipes: strict, all faults at once, a fingerprint of what matters."""

from __future__ import annotations

import pytest

from papergan.config.experiment import Recipe
from papergan.config.training import TrainingRecipe
from papergan.errors import RecipeError

GOOD = {"paper": "tahvili2025", "system": "hybrid", "dataset": "cifar10", "training": {"epochs": 1000}}


def parse(**changes) -> Recipe:
    return Recipe.parse("hybrid_cifar10", GOOD | changes)


def test_defaults_of_the_system_are_part_of_the_settings():
    settings = parse(overrides={"width": 32}).settings()
    assert settings["width"] == 32
    assert settings["gradient_penalty"] == 10.0
    assert len(settings) > 15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sytem": "x"}, "hybrid_cifar10: unknown key 'sytem'; did you mean 'system'?"),
        ({"system": "hybird"}, "unknown system 'hybird'; did you mean 'hybrid'?"),
        ({"overrides": {"widht": 3}}, "no setting 'widht'; did you mean 'width'?"),
        ({"overrides": {"learning_rate": "1e-4"}}, "'learning_rate' of system 'hybrid': .*number.*got '1e-4'"),
        ({"overrides": {"width": -8}}, "'width'.*greater than or equal to 4"),
        ({"overrides": {"loss": "hinged"}}, "'loss'.*'hinge'"),
        ({"training": {"epochs": 1, "stpes": 2}}, "hybrid_cifar10.training: unknown key 'stpes'; did you mean 'steps'"),
        ({"training": {"epochs": 1, "steps": 2}}, "exactly one of epochs, steps and images"),
        ({"training": {}}, "exactly one of epochs, steps and images"),
        ({"training": {"epochs": float("nan")}}, "hybrid_cifar10.training.epochs"),
        ({"training": {"epochs": 1, "batch_size": 0}}, "hybrid_cifar10.training.batch_size"),
        ({"training": {"epochs": 1, "device": "gpu"}}, "hybrid_cifar10.training.device"),
        ({"evaluation": {"inception": False, "domain": False}}, "nothing would be measured"),
        ({"evaluation": {"num_samples": 3}}, "hybrid_cifar10.evaluation.num_samples"),
        ({"evaluation": {"parzen_validation": 9}}, "parzen_validation wants 9 images of validation, which has 0"),
        (
            {"evaluation": {"parzen_while_training": True, "parzen_samples": 9}},
            "parzen_while_training needs parzen_samples, and parzen_validation to choose by",
        ),
        (
            {"evaluation": {"parzen_while_training": True, "parzen_validation": 9}, "validation": 9},
            "parzen_while_training needs parzen_samples, and parzen_validation to choose by",
        ),
        (
            {
                "evaluation": {
                    "parzen_while_training": True,
                    "parzen_validation": 9,
                    "parzen_samples": 600,
                    "num_samples": 500,
                },
                "validation": 9,
            },
            "needs num_samples and final_num_samples of at least parzen_samples, 600: .* one of them is 500",
        ),
        (
            {
                "evaluation": {
                    "parzen_while_training": True,
                    "parzen_validation": 9,
                    "parzen_samples": 600,
                    "final_num_samples": 400,
                },
                "validation": 9,
            },
            "needs num_samples and final_num_samples of at least parzen_samples, 600: .* one of them is 400",
        ),
        ({"evaluation": {"parzen_bandwidths": [0.0]}}, "hybrid_cifar10.evaluation.parzen_bandwidths"),
        ({"evaluation": {"nas_samples": 9}}, "evaluation.nas_samples: .* system 'hybrid' is asked for none here"),
        ({"evaluation": {"nas_share": 1.0}}, "hybrid_cifar10.evaluation.nas_share"),
        ({"validation": 0}, "hybrid_cifar10.validation"),
        ({"paper": "zero"}, "hybrid_cifar10.paper"),
        ({"input": {"kind": "grey"}}, "system 'hybrid' makes images from latents: leave input out"),
        (
            {"system": "srgan", "overrides": {}},
            r"system 'srgan' translates images: give input, for example \{kind: downsampled, factor: 4\}",
        ),
        ({"system": "srgan", "overrides": {}, "input": {"kind": "smaller"}}, "hybrid_cifar10.input.*'downsampled'"),
        (
            {"system": "srgan", "overrides": {}, "input": {"kind": "downsampled", "factor": 3}},
            "hybrid_cifar10.input.downsampled.factor",
        ),
        (
            {"system": "inpainting_gan", "overrides": {"hole": 8}, "input": {"kind": "masked", "hole": 12}},
            "overrides.hole: the local discriminator sees 8 pixels, and input.hole is 12; set overrides.hole to 12",
        ),
    ],
)
def test_faults_are_named_with_their_place(changes, message):
    with pytest.raises(RecipeError, match=message):
        parse(**changes)


def test_all_faults_come_together_on_one_line():
    with pytest.raises(RecipeError) as error:
        parse(seed="one", training={"epochs": -1, "batch_size": "many"}, overrides={"widht": 3})
    message = str(error.value)
    assert "\n" not in message
    for place in ("seed", "training.epochs", "training.batch_size"):
        assert f"hybrid_cifar10.{place}" in message
    assert message.count("did you mean 'width'") == 1


def test_an_unknown_key_hides_nothing_else():
    with pytest.raises(RecipeError, match=r"'sede'; did you mean.*no setting 'widht'; did you mean 'width'\?$"):
        parse(sede=1, overrides={"widht": 3})
    with pytest.raises(RecipeError, match=r"unknown key 'epoch'; did.*batch_size: .*got 0.*no setting 'widht'"):
        parse(training={"epoch": 1, "batch_size": 0}, overrides={"widht": 3})


@pytest.mark.parametrize("given", [None, [], "text", 3])
def test_what_is_no_mapping_is_refused(given):
    with pytest.raises(RecipeError, match="hybrid_cifar10"):
        Recipe.parse("hybrid_cifar10", given)


def test_fingerprint_ignores_the_budget_and_how_one_looks():
    first = parse().fingerprint
    assert first == parse(training={"steps": 7}).fingerprint
    assert first == parse(training={"epochs": 1, "device": "cpu", "save_minutes": 1.0}).fingerprint
    assert first == parse(evaluation={"every_epochs": 1}, description="other").fingerprint
    assert first == parse(overrides={"width": 64}).fingerprint  # the default, said aloud


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"overrides": {"width": 32}},
        {"dataset": "synthetic_shapes"},
        {"train_limit": 1000},
        {"train_limit": 1000, "subset_seed": 0},
        {"training": {"epochs": 1000, "batch_size": 32}},
        {"training": {"epochs": 1000, "precision": "bfloat16"}},
    ],
)
def test_fingerprint_changes_with_what_determines_the_weights(changes):
    assert parse().fingerprint != parse(**changes).fingerprint


def test_which_images_are_drawn_is_part_of_the_fingerprint_and_nothing_without_a_limit():
    some = [parse(train_limit=1000, **more).fingerprint for more in ({}, {"subset_seed": 0}, {"subset_seed": 1})]
    assert len(set(some)) == 3
    with pytest.raises(RecipeError, match="subset_seed says how train_limit images are drawn"):
        parse(subset_seed=0)


def test_budget_in_epochs_counts_the_discriminators_batches():
    steps = TrainingRecipe(epochs=1000).total_steps(batches_per_epoch=781, batches_per_step=1)
    assert steps == 781_000
    assert TrainingRecipe(epochs=1.0).total_steps(batches_per_epoch=781, batches_per_step=5) == 157
    assert TrainingRecipe(steps=9).total_steps(batches_per_epoch=781, batches_per_step=5) == 9
    shown = TrainingRecipe(images=100_000, batch_size=32)
    assert shown.total_steps(batches_per_epoch=1562, batches_per_step=1) == 3125
    assert shown.total_steps(batches_per_epoch=1562, batches_per_step=5) == 625
    assert TrainingRecipe(images=1).total_steps(batches_per_epoch=781, batches_per_step=1) == 1


def test_batch_sizes_change_by_images_and_so_does_the_budget():
    growing = {"images": 1000, "batch_size": 64, "batch_sizes": {"128": 32, 192: 16}}
    recipe = parse(training=growing)
    assert recipe.training.batch_sizes == {128: 32, 192: 16}
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert recipe.training.total_steps(batches_per_epoch=781, batches_per_step=1) == 2 + 2 + 51  # 808 / 16, rounded up
    assert len({parse(training=growing | each).fingerprint for each in ({}, {"batch_sizes": {128: 32}})}) == 2
    plain = growing | {"batch_sizes": {}}
    assert parse(training=plain).fingerprint == parse(training={"images": 1000, "batch_size": 64}).fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None, "epochs": 2}, "give the budget as images or steps too, not as epochs"),
        ({"drop_last": False}, "in full batches: leave out drop_last=false"),
        ({"devices": 3, "batch_size": 6}, "3 devices cannot share a batch_size of 32 evenly"),
        ({"batch_sizes": {0: 32}}, "batch_sizes"),
        ({"batch_sizes": {128: 0}}, "batch_sizes"),
    ],
)
def test_batch_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(RecipeError, match=message):
        parse(training={"images": 1000, "batch_size": 64, "batch_sizes": {128: 32}} | changes)


def test_images_are_counted_in_full_batches():
    """A smaller batch at the end of every epoch would leave a run short of its budget."""
    with pytest.raises(RecipeError, match="images are counted in full batches: leave out drop_last=false, or give"):
        parse(training={"images": 1000, "batch_size": 64, "drop_last": False})


def test_what_is_left_to_train_on_is_another_experiment():
    plain, less = parse(), parse(validation=10_000)
    assert (plain.training_images(50_000), less.training_images(50_000)) == (50_000, 40_000)
    assert parse(validation=10_000, train_limit=300).training_images(50_000) == 300
    assert less.training_images(None) is None
    assert plain.fingerprint != less.fingerprint
    assert less.fingerprint != parse(train_limit=40_000).fingerprint
