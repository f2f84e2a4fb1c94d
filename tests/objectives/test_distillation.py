"""Distillation: formulas, who moves, what the discriminator is shown, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from helpers.small_systems import GIVEN, VARIANTS, each_system, small, spec, system_of
from helpers.tiny_game import TinyDiscriminator, real_batch, tiny_game
from papergan import systems
from papergan.compression.teacher import give_teacher, teacher_network
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.errors import RecipeError
from papergan.game.game import DiscriminatorOutput, Match
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.inference.model_folder import StoredModel
from papergan.inference.model_library import ModelLibrary
from papergan.inference.store import stored_model
from papergan.objectives.distillation import Distillation, Teacher, TeacherFeatureDistance, teacher_of
from papergan.objectives.fixed_features import with_stand_ins
from papergan.pipelines.experiment.nodes.model import build_model

WIDE, NARROW = {"width": 8, "latent_dim": 4}, {"width": 4, "latent_dim": 4}
ALL = {"pixels": 2.0, "features": 0.5, "adversarial": "teacher"}
IMAGES = spec("dcgan", size=16)


def trained(overrides=None, system="dcgan", seed=7, images=IMAGES) -> StoredModel:
    game = systems.build(system, images, overrides or WIDE, seed=seed)
    game.sampler().estimate_batch_norm(batches=2, batch_size=16, seed=0)
    return stored_model(
        game, game.sampler().state_dict(), system=system, overrides=overrides or WIDE, image=images, classes=[],
        progress=Progress(5, 20, 0.5), weights="raw", about={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def teacher() -> StoredModel:
    return trained()


def student(distillation, system="dcgan", **more):
    return systems.build(system, IMAGES, {**NARROW, **more, "distillation": distillation}, seed=0)


def terms_of(game):
    return {term.name: term for turn in game.turns for term in turn.objective}


def test_the_distances_are_those_of_the_formulas(teacher):
    game = student(ALL)
    give_teacher(game, teacher)
    turn, terms = game.turns[-1], terms_of(game)
    context = StepContext(game, turn, IMAGES.random_batch(6), Progress())
    match = terms["teacher_distance"].match
    ours, (latent,) = context.fake(match), context.latent(match)
    theirs = teacher_network(teacher, game)(latent)
    assert terms["teacher_distance"](context).item() == pytest.approx((ours - theirs).abs().mean().item(), rel=1e-5)
    discriminator = game.networks["discriminator"].eval()  # batch statistics would be of other batches
    parts = [
        (one - other).abs().mean()
        for one, other in zip(discriminator(ours).features, discriminator(theirs).features, strict=True)
    ]
    context = StepContext(game, turn, context.batch, Progress())
    context.cached("latent", match.source, compute=lambda: (latent,))
    assert terms["teacher_feature_distance"](context).item() == pytest.approx(
        (sum(parts) / len(parts)).item(), rel=1e-5
    )


def test_a_student_comes_closer_and_the_teacher_does_not_move(teacher):
    game = student({"pixels": 100.0}, learning_rate=0.002)
    give_teacher(game, teacher)
    network = teacher_of(game)._network
    before = {name: t.clone() for name, t in network.state_dict().items()}
    torch.manual_seed(0)
    found = [
        float(training_step(game, [IMAGES.random_batch(16)], Progress(step))["generator.teacher_distance"])
        for step in range(30)
    ]
    assert found[-1] < 0.7 * found[0]
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert not any("teacher" in name for name in game.state_dict()["networks"])


def test_the_discriminator_is_shown_the_teachers_images_of_the_same_latents_in_the_place_of_real_ones(teacher):
    game = student(ALL)
    give_teacher(game, teacher)
    match = terms_of(game)["discriminator_loss"].match
    context = StepContext(game, game.turns[0], IMAGES.random_batch(4), Progress())
    (shown,) = context.input_real(match)
    assert torch.allclose(shown, teacher_network(teacher, game)(*context.latent(match)))
    assert game.showcase.discriminator_input is None  # real images are what its accuracy is of


@pytest.mark.parametrize("adversarial", ["data", "teacher"])
@pytest.mark.parametrize(
    ("system", "more"),
    [
        ("dcgan", {"labels": "maps"}), ("dcgan", {"packing": 2}), ("wgan_gp_conv", {}),
        ("dcgan", {"adaptive_augmentation": "bg"}),
    ],
)  # fmt: skip
def test_every_kind_of_discriminator_input_is_taught(system, more, adversarial):
    overrides = {"latent_dim": 4, **({"width": 4} if system == "dcgan" else {}), **more}
    given = {**overrides, "distillation": {**ALL, "adversarial": adversarial}}
    game = with_stand_ins(systems.build(system, IMAGES, given, seed=0))
    values = training_step(game, [IMAGES.random_batch(8)] * game.batches_per_step, Progress())
    assert values["generator.teacher_distance"] == pytest.approx(0.0, abs=1e-6)  # its own stand-in
    assert all(torch.isfinite(value) for value in values.values())


UNTAUGHT = (*GIVEN, "cgan", "gmmn", "maxout_gan")  # translators, and those that are refused


@pytest.mark.parametrize(
    "name",
    [one for one in each_system("stylegan2_labels", "mocogan_labels", "dcgan_ada", "hybrid_without_r1")
     if getattr(one, "values", (one,))[0] not in UNTAUGHT],
)  # fmt: skip
def test_no_image_of_the_data_is_trained_on_against_a_teacher(name):
    system, overrides = {
        "dcgan_ada": ("dcgan", {"adaptive_augmentation": "bg"}), "hybrid_without_r1": ("hybrid", {"r1": 0.0}),
    }.get(name, (system_of(name), {}))  # fmt: skip
    game = against_its_own(system, {**small(name if name in VARIANTS else system), **overrides})
    batch = spec(system, size=16).random_batch(6)
    batches = [{**batch, "image": torch.full_like(batch["image"], torch.nan)}] * game.batches_per_step
    values = training_step(game, batches, Progress())
    assert all(torch.isfinite(value) for value in values.values()), values
    states = {**game.networks.state_dict(), **{f"{key}.{n}": t for key, one in game.controllers.items()
                                               for n, t in one.state_dict().items()}}  # fmt: skip
    assert [key for key, tensor in states.items() if not torch.isfinite(tensor).all()] == []


def against_its_own(system, overrides):
    """A game against a teacher, in whose place its own generator is."""
    given = {**overrides, "distillation": {"adversarial": "teacher"}}
    return with_stand_ins(systems.build(system, spec(system, size=16), given, seed=0))


def test_classes_of_the_real_side_are_those_that_the_teacher_was_asked_for():
    game = against_its_own("acgan", small("acgan"))
    term = terms_of(game)["real_class_loss"]
    context = StepContext(game, game.turns[0], spec("acgan", size=16).random_batch(12), Progress())
    asked = context.latent(term.match)[1].argmax(1)
    assert context.labels(term.match).tolist() == asked.tolist() != context.batch["label"].tolist()
    logits = context.discriminated_real(term.match).features[-1].float()
    assert term(context).item() == pytest.approx(cross_entropy(logits, asked).item())


def test_several_fakes_for_each_real_image_have_one_image_of_the_teacher():
    game = against_its_own("hybrid_fast", small("hybrid_fast"))
    turn = next(turn for turn in game.turns if turn.fakes_per_real == 2)
    context = StepContext(game, turn, spec("hybrid_fast", size=16).random_batch(6), Progress())
    shown, made = context.real(game.showcase), context.fake(game.showcase)
    assert (len(shown), len(made)) == (6, 12)


@pytest.mark.parametrize("system", ["ali", "bigan", "bigan_mlp"])
def test_an_encoder_learns_from_the_teachers_images(system):
    game = against_its_own(system, small(system))
    before = {name: tensor.clone() for name, tensor in game.networks["encoder"].named_parameters()}
    training_step(game, [spec(system, size=16).random_batch(8)] * game.batches_per_step, Progress())
    assert any(not torch.equal(tensor, before[name]) for name, tensor in game.networks["encoder"].named_parameters())


@pytest.mark.parametrize("adversarial", ["data", "teacher"])
def test_a_model_is_built_and_summed_up_without_its_teacher(tmp_path, adversarial):
    recipe = Recipe.parse("student", {
        "paper": "chang2020", "system": "dcgan", "dataset": "synthetic_shapes", "teacher": "none_here",
        "overrides": {**NARROW, "distillation": {"pixels": 1.0, "adversarial": adversarial}}, "training": {"steps": 1},
    })  # fmt: skip
    drawn = {"kind": "synthetic_shapes", "train": 20, "test": 10}
    library = ImageLibrary.declared({"synthetic_shapes": drawn}, Sources(tmp_path), tmp_path)
    initial, page = build_model(Experiment("student", recipe), library.load("synthetic_shapes"), ModelLibrary(tmp_path))
    assert "teacher" not in " ".join(initial.tensors)
    assert "teacher_distance" in page.html


def test_a_game_without_a_teacher_is_what_it_was():
    plain = systems.build("dcgan", IMAGES, NARROW, seed=0)
    off = systems.build("dcgan", IMAGES, {**NARROW, "distillation": None}, seed=0)
    for game in (plain, off):
        assert [turn.names for turn in game.turns] == [
            ("discriminator.discriminator_loss",),
            ("generator.generator_loss",),
        ]
    assert systems.resolve("dcgan", {"distillation": None}) == systems.resolve("dcgan", {})


@pytest.mark.parametrize(
    ("system", "overrides", "message"),
    [
        ("dcgan", {"distillation": {"pixels": 0.0}}, "the teacher has no part in it"),
        ("dcgan", {"distillation": {"pixel": 1.0}}, "pixels"),
        ("maxout_gan", {"distillation": {"adversarial": "teacher"}}, "the first weights of this system are set"),
        ("gmmn", {"autoencoder": True, "distillation": {"pixels": 1.0}}, "learns from a discriminator in every step"),
    ],
)
def test_what_cannot_be_taught_is_refused(system, overrides, message):
    with pytest.raises(RecipeError, match=message):
        systems.build(system, spec(system, size=32), overrides, seed=0)


def test_a_teacher_of_another_kind_is_refused():
    game = student({"pixels": 1.0})
    with pytest.raises(RecipeError, match=r"Uniform of 6 in \[-1, 1\], those of the student Uniform of 4 in"):
        teacher_network(trained({"width": 8, "latent_dim": 6}), game)
    with pytest.raises(RecipeError, match="Gaussian of 4, those of the student Uniform of 4"):
        teacher_network(trained({**WIDE, "prior": "gaussian"}), game)
    larger = systems.build("dcgan", replace(IMAGES, size=32), {**NARROW, "distillation": {}}, seed=0)
    with pytest.raises(RecipeError, match="16x16, those of the student"):
        teacher_network(trained(), larger)


@pytest.mark.parametrize(
    ("teacher", "system", "message"),
    [
        ("acgan", "dcgan", r"WithChoice of 4 \(Gaussian of 4\), those of the student WithChoice of 4 \(Uniform"),
        ("maxout_gan", "began_cs", r"Uniform of 4 in \[-1.73205, 1.73205\], those of the student Uniform"),
        ("deligan", "deligan", "a prior that is trained"),
    ],
)
def test_a_teacher_of_latents_in_another_range_or_of_a_trained_prior_is_refused(teacher, system, message):
    images = replace(IMAGES, size=32)
    ours = {"labels": "maps"} if system == "dcgan" else {}
    game = systems.build(system, images, {**ours, "latent_dim": 4, "distillation": {}}, seed=0)
    with pytest.raises(RecipeError, match=message):
        teacher_network(trained({"latent_dim": 4}, teacher, images=images), game)


def test_a_game_that_was_given_no_teacher_says_so():
    game = student({"pixels": 1.0})
    with pytest.raises(ValueError, match="was not given"):
        training_step(game, [IMAGES.random_batch(4)], Progress())


def test_settings_are_a_strict_model():
    assert Distillation(**ALL).adversarial == "teacher"
    assert systems.resolve("dcgan", {"distillation": {"features": 1.0}})["distillation"] == {
        "pixels": 1.0, "features": 1.0, "adversarial": "data",
    }  # fmt: skip


def test_the_distance_of_features_is_the_mean_over_layers():
    class TwoLayers(TinyDiscriminator):
        def forward(self, images):
            score, (features,), *_ = super().forward(images)
            return DiscriminatorOutput(score, (features, 2 * features))

    game, teacher = tiny_game(discriminator=TwoLayers()), Teacher()
    teacher.use(lambda latent: torch.zeros(len(latent), 1, 4, 4))
    context = StepContext(game, game.turns[-1], real_batch(), Progress())
    read = game.networks["discriminator"].first
    made, given = (torch.tanh(read(images.flatten(1))) for images in (context.fake(Match()), torch.zeros(8, 1, 4, 4)))
    apart = (made - given).abs().mean()
    torch.testing.assert_close(TeacherFeatureDistance(teacher)(context), (apart + 2 * apart) / 2)
