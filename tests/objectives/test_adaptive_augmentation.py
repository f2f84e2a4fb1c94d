"""ADA: what each transformation does, that it is linear in the images, and how the controller moves p."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.small_systems import small, spec, system_of
from helpers.tiny_game import real_batch, tiny_game
from helpers.training_run import digest
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import Interrupted, RecipeError
from papergan.game.schedules import LinearDecay, Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.objectives.adaptive_augmentation.matrices import GEOMETRY, Draws, product, recoloured
from papergan.objectives.adaptive_augmentation.probability import AugmentationProbability, ScheduledProbability
from papergan.objectives.adaptive_augmentation.resampling import _about, down, mirrored, resampled, up
from papergan.objectives.adaptive_augmentation.transformations import GROUPS, AdaptiveAugment
from papergan.objectives.gradient_penalties import lazy_penalties
from papergan.objectives.mixture import MixturePayoff
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer


def images(count=32, size=16, channels=3):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def augmented(pipeline, x, p=1.0):
    torch.manual_seed(1)
    return AdaptiveAugment(AugmentationProbability(initial=p), pipeline)(x)


def test_the_filter_up_and_down_again_changes_nothing():
    torch.testing.assert_close(down(up(images())), images(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("pipeline", ["bgc", "b", "g", "c", *GROUPS["g"], *GROUPS["c"]])
@pytest.mark.parametrize("channels", [1, 3])
def test_at_probability_zero_every_transformation_is_the_identity(pipeline, channels):
    x = images(8, channels=channels)
    torch.testing.assert_close(augmented(pipeline, x, p=0.0), x, atol=1e-4, rtol=0)


def test_half_of_all_images_are_flipped():
    x = images(200)
    after = augmented("flip", x)
    flipped = [torch.equal(a, b.flip(2)) for a, b in zip(after, x, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(after, x, strict=True)]
    assert all(a or b for a, b in zip(flipped, same, strict=True))
    assert 70 < sum(flipped) < 130


def test_quarter_turns_are_turns_by_90_degrees_and_all_four_are_drawn():
    x = images(100)
    after = augmented("quarter_turns", x)
    turns = [
        [turn for turn in range(4) if torch.allclose(a, b.rot90(turn, (1, 2)), atol=1e-5)]
        for a, b in zip(after, x, strict=True)
    ]
    assert {turn for (turn,) in turns} == {0, 1, 2, 3}


def test_whole_pixels_shift_by_at_most_an_eighth():
    x = images(100)
    after = augmented("whole_pixels", x)
    found = set()
    for a, b in zip(after, x, strict=True):
        shifts = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.allclose(b.roll((down, right), (1, 2))[:, 2:-2, 2:-2], a[:, 2:-2, 2:-2], atol=1e-5)
        ]
        assert len(shifts) == 1
        found |= set(shifts)
    assert {down for down, _ in found} == {right for _, right in found} == set(range(-2, 3))


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_images_are_mirrored_as_torch_does_but_with_a_derivative_that_is_deterministic(size):
    x, margin = images(2, size=size).requires_grad_(), size // 2
    ours, theirs = mirrored(x, margin), torch.nn.functional.pad(x, (margin,) * 4, mode="reflect")
    assert torch.equal(ours, theirs)
    weights = torch.randn_like(ours)
    slopes = [torch.autograd.grad((one * weights).sum(), x)[0] for one in (ours, theirs)]
    torch.testing.assert_close(*slopes)


class NoTorchPadding(TorchDispatchMode):
    """Fails where torch mirrors: a GPU has no deterministic kernel for the derivative."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert "pad" not in func.name(), func
        return func(*args, **(kwargs or {}))


def test_torch_mirrors_nothing():
    with NoTorchPadding():
        augmented("bgc", images(2))


class NoProducts(TorchDispatchMode):
    """Fails where torch calls a kernel of products, which TF32 may round."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.name().split("::")[1].split(".")[0] not in ("mm", "bmm", "addmm", "baddbmm"), func
        return func(*args, **(kwargs or {}))


def test_coordinates_and_matrices_of_colours_are_no_products_that_tf32_rounds():
    matrices = torch.eye(3).repeat(4, 1, 1)
    with NoProducts():
        augmented("bc", images(4, channels=1))
        _about(matrices, 0.1, 1.0, 1.0, 0.1)
    left, right = torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(product(left, right), left @ right)


def smooth(size=32):
    line = torch.linspace(-1, 1, size)
    return (torch.sin(3 * line)[:, None] * torch.cos(2 * line + 0.5)[None]).expand(1, 3, size, size)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_resampling_turns_about_the_centre_of_the_image(turns):
    angle = torch.tensor(turns * torch.pi / 2)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.tensor([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])[None]
    inner = slice(6, -6)
    torch.testing.assert_close(
        resampled(smooth(), matrix)[..., inner, inner], smooth().rot90(-turns, (2, 3))[..., inner, inner],
        atol=3e-3, rtol=0,
    )  # fmt: skip


def test_resampling_moves_by_half_a_pixel_as_the_mean_of_two_neighbours_of_a_smooth_image():
    matrix = torch.eye(3)[None].clone()
    matrix[0, 0, 2] = 1 / 32  # half a pixel of 32
    between = (smooth()[..., :-1] + smooth()[..., 1:]) / 2
    torch.testing.assert_close(
        resampled(smooth(), matrix)[..., 6:-6, 6:-7], between[..., 6:-6, 6:-6], atol=3e-3, rtol=0
    )


def matrices_of(name, p=1.0):
    torch.manual_seed(1)
    return GEOMETRY[name](Draws(images(4000), torch.tensor(p)))


@pytest.mark.parametrize(("name", "power"), [("scale", 1), ("stretch", -1)])
def test_scale_and_stretch_are_log_normal_and_a_stretch_keeps_the_area(name, power):
    found = matrices_of(name)
    across = found[:, 0, 0]
    assert across.log2().std() == pytest.approx(0.2, rel=0.1)
    diagonal = torch.stack([across, across**power, torch.ones(4000)], dim=1)
    torch.testing.assert_close(found, torch.diag_embed(diagonal))


@pytest.mark.parametrize("name", ["rotation", "second_rotation"])
def test_angles_are_uniform_over_a_whole_turn(name):
    found = matrices_of(name)
    angle = torch.atan2(found[:, 0, 1], found[:, 0, 0])
    assert (angle.sort().values - torch.linspace(-torch.pi, torch.pi, 4000)).abs().max() < 0.2
    torch.testing.assert_close(product(found, found.mT), torch.eye(3).expand(4000, 3, 3), atol=1e-5, rtol=0)


def test_shifts_are_normal_with_a_deviation_of_an_eighth_of_the_size():
    found = matrices_of("shift")
    assert found[:, :2, 2].std(dim=0).tolist() == pytest.approx([0.25, 0.25], rel=0.1)  # the image is 2 wide
    assert torch.equal(found[:, :, :2], torch.eye(3)[:, :2].expand(4000, 3, 2))
    assert abs(torch.corrcoef(found[:, :2, 2].T)[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("name", "share"),
    [("scale", 0.36), ("rotation", 0.2), ("stretch", 0.36), ("second_rotation", 0.2), ("shift", 0.36)],
)
def test_p_is_the_probability_of_each_and_of_both_rotations_together(name, share):
    moved = (matrices_of(name, p=0.36) != torch.eye(3)).flatten(1).any(dim=1)
    assert float(moved.float().mean()) == pytest.approx(share, abs=0.03)  # (1 - 0.2)^2 = 1 - 0.36


def test_colours_do_what_their_names_say():
    x = images(400)
    grey = x.mean(dim=1, keepdim=True)
    moved = augmented("brightness", x) - x
    assert (moved - moved[:, :1, :1, :1]).abs().max() < 1e-5
    assert moved[:, 0, 0, 0].std() == pytest.approx(0.2, abs=0.03)
    ratio = augmented("contrast", x) / x
    assert (ratio / ratio[:, :1, :1, :1] - 1).abs().max() < 1e-3
    assert ratio[:, 0, 0, 0].log2().std() == pytest.approx(0.5, abs=0.07)
    turned = augmented("luma_flip", x)
    mean = turned.mean(dim=1, keepdim=True)
    flipped = [torch.allclose(a, -b, atol=1e-5) for a, b in zip(mean, grey, strict=True)]
    assert all(flip or torch.allclose(a, b, atol=1e-5) for flip, a, b in zip(flipped, mean, grey, strict=True))
    assert 150 < sum(flipped) < 250
    torch.testing.assert_close(turned - mean, x - grey, atol=1e-5, rtol=0)


def test_hue_turns_about_grey_and_saturation_is_a_distance_from_it():
    x = images(400)
    grey = x.mean(dim=1, keepdim=True)
    colour, hue, saturated = (one - grey for one in (x, augmented("hue", x), augmented("saturation", x)))
    for one in (hue, saturated):
        torch.testing.assert_close(one.mean(dim=1), torch.zeros(400, 16, 16), atol=1e-5, rtol=0)
    distance = colour.square().sum(dim=1)
    torch.testing.assert_close(hue.square().sum(dim=1), distance, atol=1e-4, rtol=0)
    cosine = (hue * colour).flatten(1).sum(dim=1) / distance.flatten(1).sum(dim=1)
    assert float(cosine.mean()) == pytest.approx(0, abs=0.15)
    assert float(cosine.std()) == pytest.approx(0.5**0.5, abs=0.05)
    factor = saturated.flatten(1).norm(dim=1) / colour.flatten(1).norm(dim=1)
    torch.testing.assert_close(saturated, colour * factor[:, None, None, None], atol=1e-4, rtol=1e-4)
    assert float(factor.log2().std()) == pytest.approx(1, abs=0.15)


def test_cutout_sets_squares_of_half_the_size_to_grey():
    after = augmented("cutout", torch.ones(400, 3, 16, 16))
    holes = (after[:, 0] == 0).flatten(1).sum(dim=1)
    assert int(holes.max()) == 64
    assert int((holes == 64).sum()) > 60  # a quarter has its centre a quarter away from every border
    assert float(after.min()) == 0.0


def test_a_share_is_of_the_probability_of_one_transformation():
    x, probability = images(400), AugmentationProbability(initial=1.0)
    torch.manual_seed(0)
    after = AdaptiveAugment(probability, "brightness", {"brightness": 0.25})(x)
    assert 60 < int((after != x).flatten(1).any(dim=1).sum()) < 140


def test_it_is_linear_in_the_images_and_differentiable_twice():
    x = images(4).requires_grad_()
    weights = images(4, channels=3)[..., :]
    after = augmented("bg", x)
    (slope,) = torch.autograd.grad((after.square() * weights).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), x)
    assert second.abs().sum() > 0
    both = augmented("bg", x.detach() + 2 * images(4).flip(0))
    torch.testing.assert_close(both, after.detach() + 2 * augmented("bg", images(4).flip(0)), atol=1e-4, rtol=0)


def played(steps, logit, lazy_turns=(), **settings):
    """p after each step of a game whose discriminator gives all real images this logit."""
    game, found = tiny_game(lazy_turns=lazy_turns), []
    probability = AugmentationProbability(**settings)
    game.controllers = {"augmentation": probability}
    game.augment = AdaptiveAugment(probability, "bc")
    with torch.no_grad():
        for weight in game.networks["discriminator"].parameters():
            weight.zero_()
        list(game.networks["discriminator"].parameters())[-1].fill_(logit)
    for group in game.optimisers["discriminator"].param_groups:
        group["lr"] = 0.0
    for step in range(steps):
        report = training_step(game, [real_batch()], Progress(step, 0))
        found.append(float(report["augmentation.p"]))
    return found, game


def test_p_rises_by_its_speed_while_real_logits_are_positive_and_falls_otherwise():
    count = len(real_batch()["image"])
    up, _ = played(8, logit=2.0, interval=4, images=100.0 * count)
    assert up == pytest.approx([0, 0, 0, 0.04, 0.04, 0.04, 0.04, 0.08])
    down, _ = played(4, logit=-2.0, initial=0.5, interval=2, images=10.0 * count)
    assert down == pytest.approx([0.5, 0.3, 0.3, 0.1])
    assert played(4, logit=2.0, interval=1, images=float(count))[0][-1] == 1.0
    assert played(4, logit=-2.0, interval=1, images=float(count))[0][-1] == 0.0


def test_the_signs_of_an_interval_are_averaged_before_they_are_compared_with_the_target():
    game, probability = tiny_game(), AugmentationProbability(initial=0.5, interval=4, images=100.0)
    for positive, found in ((3, 0.34), (4, 0.5)):  # of four: a mean sign of 0.5 is below 0.6, in all four steps as well
        score = torch.tensor([1.0] * positive + [-1.0] * (4 - positive))
        output = SimpleNamespace(score=score)
        context = SimpleNamespace(turn=game.turns[0], game=game, discriminated_real=lambda match, one=output: one)
        for _ in range(4):
            probability.observe("discriminator", context)
        assert float(probability.p) == pytest.approx(found)


@pytest.mark.parametrize("interval", [1, 2])
def test_a_turn_of_lazy_regularisation_is_no_step_of_p(interval):
    count = len(real_batch()["image"])
    lazy, _ = played(8, 2.0, lazy_penalties(interval, r1=1.0), interval=4, images=100.0 * count)
    assert lazy == pytest.approx([0, 0, 0, 0.04, 0.04, 0.04, 0.04, 0.08])


def test_its_state_is_in_the_games_state():
    _, game = played(3, logit=2.0, interval=4, initial=0.25)
    _, other = played(0, logit=2.0, interval=4)
    other.load_state_dict(game.state_dict())
    controller = other.controllers["augmentation"]
    assert float(controller.p) == 0.25
    assert float(controller.steps) == 3.0


def test_a_training_that_was_stopped_goes_on_with_its_p(tmp_path):
    def train(folder, stop_after=None):
        game = systems.build("dcgan", ImageSpec(3, 16), small("dcgan") | {"adaptive_augmentation": "bgc"}, seed=0)
        controller, moves = game.controllers["augmentation"], iter(range(100))
        controller.images = 100.0  # p moves by 0.16 every four steps
        controller.p.fill_(0.5)
        pixels = torch.randint(256, (16, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        batches = Batches(pixels, torch.zeros(16, dtype=torch.int64), batch_size=4, seed=0, device="cpu", flip=False)
        stop = Callbacks(stop=lambda: 15 if next(moves) == stop_after else None)
        training = Trainer(
            game, batches, TrainSettings(steps=14, seed=0), CheckpointStore(tmp_path / folder, "x"), stop
        )
        try:
            training.run()
        except Interrupted:
            assert stop_after is not None
        return digest(training), float(controller.p)

    whole, p = train("whole")
    train("stopped", stop_after=5)
    resumed, again = train("stopped")
    assert again == p
    assert p != 0.5
    assert resumed == whole


def test_a_probability_may_follow_a_schedule():
    game = tiny_game()
    probability = ScheduledProbability(LinearDecay(0.0, 0, 10, final=0.5))
    game.controllers = {"augmentation": probability}
    game.augment = AdaptiveAugment(probability, "c")
    training_step(game, [real_batch()], Progress(4, 0))
    assert float(probability.p) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdaptiveAugment(AugmentationProbability(), "bgx"), "unknown transformation 'bgx'"),
        (lambda: AdaptiveAugment(AugmentationProbability(), "rotaton"), "did you mean 'rotation'"),
        (lambda: AugmentationProbability(target=1.0), "target in"),
        (lambda: AugmentationProbability(interval=0), "interval of 1 or more"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


REFUSED = {
    "cyclegan": "translates images", "dcgan_diffaugment": "augments images itself",
    "gmmn": "no discriminator is trained", "hybrid": "augments images itself",
    "hybrid_fast": "augments images itself", "inpainting_gan": "translates images",
    "pix2pix": "translates images", "r3gan": "augments images itself", "realness_gan": "a score is a vector",
    "srgan": "translates images",
}  # fmt: skip
"""Systems that ADA is nothing for, and why."""
OF_CLIPS = "mocogan"


@pytest.mark.parametrize("name", REFUSED)
def test_systems_that_cannot_have_it_refuse_it(name):
    with pytest.raises(RecipeError, match=REFUSED[name]):
        systems.build(name, spec(name), small(name) | {"adaptive_augmentation": "bgc"}, seed=0)


ITS_OWN = ["wgan_gp", "dcgan_labels", "gan", "began", "pacgan", "bigan", "projection_gan"]
ALL = sorted(set(systems.names()) - REFUSED.keys() - {OF_CLIPS} - set(ITS_OWN))


@pytest.mark.parametrize("name", ITS_OWN + [pytest.param(one, marks=pytest.mark.every_system) for one in ALL])
def test_every_other_system_has_it_by_one_setting(name):
    spec, settings = ImageSpec(3, 32, 4), small(name) | {"adaptive_augmentation": "bgc"}
    game = systems.build(system_of(name), spec, settings, seed=0)
    real = {"image": images(4, 32), "label": torch.arange(4)}
    report = training_step(game, [real] * game.batches_per_step, Progress(0, 0))
    assert "augmentation.p" in report
    assert "adaptive_augmentation" not in systems.resolve(system_of(name), small(name))  # fingerprints stay
    with pytest.raises(RecipeError, match="unknown transformation 'x'"):
        systems.build(system_of(name), spec, small(name) | {"adaptive_augmentation": "x"}, seed=0)


def test_a_pack_of_images_counts_as_all_of_them():
    moved = []
    for packing in (1, 4):
        settings = small("dcgan") | {"adaptive_augmentation": "b", "packing": packing}
        game = systems.build("dcgan", ImageSpec(3, 32), settings, seed=0)
        game.controllers["augmentation"].p.fill_(0.5)
        for step in range(4):
            training_step(game, [{"image": images(8, 32)}], Progress(step, 0))
        moved.append(abs(float(game.controllers["augmentation"].p) - 0.5))
    assert moved == pytest.approx([4 * 8 / 500_000] * 2)


@pytest.mark.parametrize("name", ["mix_wgan", "steingan", "wgan"])
def test_no_discriminator_is_shown_an_image_that_is_not_augmented(name):
    game, shown = systems.build(name, ImageSpec(3, 16), small(name) | {"adaptive_augmentation": "c"}, seed=0), []
    game.augment = lambda x: 0 * x + 7
    discriminator = game.networks["discriminator"]
    for one in getattr(discriminator, "members", [discriminator]):
        one.register_forward_pre_hook(lambda module, given: shown.append(float(given[0].detach().mean())))
    training_step(game, [{"image": images(6)}] * game.batches_per_step, Progress())
    assert set(shown) == {7.0}


def test_the_images_of_a_mixture_are_augmented_in_the_batch_s_order(monkeypatch):
    """Row n is of generator n mod 2, and its draws are those of row n."""
    game = systems.build("mix_wgan", ImageSpec(3, 16), small("mix_wgan") | {"adaptive_augmentation": "c"}, seed=0)
    generators, given = game.networks["generator"].members, []
    for value, member in enumerate(generators):
        monkeypatch.setattr(member, "forward", lambda z, value=value: torch.full((len(z), 3, 16, 16), float(value)))
    game.augment = lambda x: (given.append(x[:, 0, 0, 0].tolist()), x)[1]
    turn = next(turn for turn in game.turns if turn.player == "generator")
    payoff = next(term for term in turn.objective if isinstance(term, MixturePayoff))
    payoff(StepContext(game, turn, {"image": images(6)}, Progress()))
    assert [float(n % len(generators)) for n in range(6)] in given


def test_vectors_of_the_discrepancy_have_no_sign():
    with pytest.raises(RecipeError, match="adaptive_augmentation follows the signs.*a score is a vector"):
        systems.build("gan", ImageSpec(1, 12), small("gan") | {"loss": "mmd", "adaptive_augmentation": "b"}, seed=0)


@pytest.mark.parametrize(("positive", "found"), [(7, 0.4), (8, 0.5), (9, 0.6)])  # mean signs 0.4, 0.6 and 0.8
def test_the_default_target_is_the_paper_s(positive, found):
    game, probability = tiny_game(), AugmentationProbability(initial=0.5, interval=1, images=100.0)
    output = SimpleNamespace(score=torch.tensor([1.0] * positive + [-1.0] * (10 - positive)))
    context = SimpleNamespace(turn=game.turns[0], game=game, discriminated_real=lambda match: output)
    probability.observe("discriminator", context)
    assert float(probability.p) == pytest.approx(found)


def test_one_channel_becomes_the_mean_of_changed_grey():
    matrix = torch.tensor([[1.0, 0, 0, 0.3], [0, 2, 0, 0.6], [0, 0, 3, 0.9], [0, 0, 0, 1]])[None]
    x = images(1, channels=1)
    torch.testing.assert_close(recoloured(x, matrix), 2 * x + 0.6)
