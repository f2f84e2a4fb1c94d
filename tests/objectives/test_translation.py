"""Terms of translations by hand, the pool of earlier images, and what a local discriminator sees."""

from types import SimpleNamespace

import pytest
import torch

from helpers.small_systems import small, spec, with_input
from papergan import systems
from papergan.game.game import Match
from papergan.game.schedules import LinearEpochDecay, Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.networks.image_to_image.translation import UNet
from papergan.networks.layers.drawing import Dropout
from papergan.objectives.image_pool import ImagePool
from papergan.objectives.inpainting import HoleDistance, around
from papergan.objectives.translation import CycleConsistency, IdentityMapping, PairDistance, PairFeatureDistance


def context(name, turn=0):
    images = spec(name, size=16)
    game = systems.build(name, images, small(name), seed=0)
    batch = with_input({"image": torch.rand(4, 3, 16, 16) * 2 - 1, "label": torch.arange(4)}, images)
    return StepContext(game, game.turns[turn], batch, Progress())


def test_distances_of_pairs():
    here = context("pix2pix")
    difference = here.fake(here.game.showcase) - here.batch["image"]
    assert torch.equal(PairDistance(match=here.game.showcase)(here), difference.abs().mean())
    assert torch.equal(PairDistance("l2", match=here.game.showcase)(here), difference.square().mean())


def test_a_cycle_goes_there_and_back_and_identity_leaves_the_target_alone():
    here = context("cyclegan")
    there, back = (here.network(f"generator.{name}") for name in ("a_to_b", "b_to_a"))
    match = Match("generator.a_to_b", "discriminator_b")
    given, image = here.batch["input"], here.batch["image"]
    cycle = CycleConsistency("generator.b_to_a", match=match)(here)
    torch.testing.assert_close(cycle, (back(there(given)) - given).abs().mean())
    torch.testing.assert_close(IdentityMapping(match=match)(here), (there(image) - image).abs().mean())


def test_both_discriminators_of_a_cyclegan_see_their_own_domain():
    here = context("cyclegan")
    matches = {term.match.discriminator: term.match for term in here.game.turns[1].objective}
    assert torch.equal(here.real(matches["discriminator_a"]), here.batch["input"])
    assert torch.equal(here.real(matches["discriminator_b"]), here.batch["image"])


def test_a_pool_fills_up_then_shows_some_of_its_own_in_half_of_the_cases():
    torch.manual_seed(0)
    pool = ImagePool(50, 1, 1)
    first = torch.arange(50.0)[:, None, None, None]
    assert torch.equal(pool.exchanged(first), first)
    shown, old = [], 0
    for number in range(50, 2050):
        (one,) = pool.exchanged(torch.full((1, 1, 1, 1), float(number)))
        old += float(one) != number
        shown.append(float(one))
    assert abs(old - 1000) < 100
    assert len(set(shown)) == len(shown)  # what is shown from the pool leaves it
    kept = sorted({*range(2050)} - {*shown} - {*range(50)} | {n for n in range(50) if n not in shown})
    assert sorted(pool.images.flatten().tolist()) == kept


def test_a_pool_goes_on_from_its_state():
    pools = [ImagePool(3, 1, 2) for _ in range(2)]
    images = torch.rand(5, 1, 2, 2)
    torch.manual_seed(0)
    pools[0].exchanged(images)
    pools[1].load_state_dict(pools[0].state_dict())
    for pool in pools:
        torch.manual_seed(1)
        pool.shown = pool.exchanged(-images)
    assert torch.equal(pools[0].shown, pools[1].shown)
    assert pools[1].filled == 3


def test_the_part_around_a_hole_and_where_it_would_leave_the_image():
    images = torch.arange(100.0).view(1, 1, 10, 10).repeat(2, 1, 1, 1)
    mask = torch.zeros(2, 1, 10, 10)
    mask[0, 0, 3:5, 5:7] = 1
    mask[1, 0, 0:2, 8:10] = 1
    found = around(images, mask, 4)
    assert torch.equal(found[0, 0], images[0, 0, 2:6, 4:8])
    assert torch.equal(found[1, 0], images[1, 0, 0:4, 6:10])


def test_only_the_hole_is_the_generators():
    images = spec("inpainting_gan", size=16)
    game = systems.build("inpainting_gan", images, small("inpainting_gan"), seed=0)
    given = torch.rand(2, 4, 16, 16) * 2 - 1
    given[:, 3] = -1
    given[:, 3, 4:8, 4:8] = 1
    made = game.networks["generator"](given)
    hole = torch.zeros(16, 16, dtype=torch.bool)
    hole[4:8, 4:8] = True
    assert torch.equal(made[:, :, ~hole], given[:, :3, ~hole])
    assert not torch.equal(made[:, :, hole], given[:, :3, hole])


def test_srgan_learns_by_the_squared_error_alone_at_first():
    images = spec("srgan", size=16)
    game = systems.build("srgan", images, small("srgan") | {"pretraining_steps": 2}, seed=0)
    batch = with_input({"image": torch.rand(4, 3, 16, 16) * 2 - 1, "label": torch.arange(4)}, images)
    reports = [training_step(game, [batch], Progress(step)) for step in range(4)]
    assert [sorted(key for key in report if "norm" not in key) for report in reports] == [
        *[["generator.pair_distance"]] * 2,
        *[["discriminator.discriminator_loss", "generator.generator_loss", "generator.pair_distance"]] * 2,
    ]


def test_a_rate_is_constant_and_then_falls_to_nothing():
    rate = LinearEpochDecay(0.2, 100.0, 100.0)
    assert [rate(Progress(epoch=epoch)) for epoch in (0, 100, 150, 200, 300)] == [0.2, 0.2, 0.1, 0.0, 0.0]


@pytest.mark.parametrize(("depth", "expected"), [(8, [1, 1, 1, 0, 0, 0, 0, 0]), (4, [1, 1, 1, 0]), (2, [1, 0])])
def test_the_three_innermost_enlargements_of_a_u_net_have_dropout_but_never_the_last(depth, expected):
    network = UNet(3, 3, 4, depth, dropout=0.5, kind="batch")
    assert [sum(isinstance(layer, Dropout) for layer in stage) for stage in network.up] == expected


def test_the_distance_of_features_of_pairs_is_the_mean_over_layers_and_reals_are_constants():
    given = [torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 1, requires_grad=True)]
    made = [torch.full((2, 3), 2.0, requires_grad=True), torch.full((2, 1), -4.0, requires_grad=True)]
    here = SimpleNamespace(
        discriminated_real=lambda match: SimpleNamespace(features=given),
        discriminated_fake=lambda match: SimpleNamespace(features=made),
    )
    value = PairFeatureDistance()(here)
    value.backward()
    assert value.item() == pytest.approx((2 + 4) / 2)
    assert [one.grad for one in given] == [None, None]


def test_without_a_hole_the_distance_is_nothing():
    here = SimpleNamespace(
        batch={"image": torch.ones(2, 1, 4, 4)},
        latent=lambda match: (-torch.ones(2, 2, 4, 4),),
        fake=lambda match: torch.zeros(2, 1, 4, 4),
    )
    assert float(HoleDistance()(here)) == 0.0
