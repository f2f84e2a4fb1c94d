"""The moving average, the sampler, and schedules."""

from __future__ import annotations

import pytest
import torch

from helpers.tiny_game import TinyGenerator, real_batch, tiny_game
from papergan.game.ema import EMA
from papergan.game.priors import Gaussian, Uniform
from papergan.game.sampler import CHUNK, Sampler
from papergan.game.schedules import EveryNSteps, HalfLife, LinearDecay, PiecewiseConstant, Progress, StepDecay
from papergan.game.training_step import training_step


def test_average_follows_eq_3_of_tahvili2025(game):
    expected = game.networks["generator"].linear.weight.detach().clone()
    for step in range(4):
        training_step(game, [real_batch(seed=step)], Progress(step))
        expected = 0.9 * expected + 0.1 * game.networks["generator"].linear.weight.detach()
    torch.testing.assert_close(game.sampler().generator.linear.weight, expected)


def test_average_copies_batch_norm_statistics(game):
    training_step(game, [real_batch()], Progress())
    moving, averaged = game.networks["generator"].norm, game.sampler().generator.norm
    assert torch.equal(averaged.running_mean, moving.running_mean)
    assert not torch.equal(averaged.weight, moving.weight)


def test_a_decay_may_grow():
    game = tiny_game(average=EMA(PiecewiseConstant(0.0, ((1, 0.99),))))
    training_step(game, [real_batch()], Progress(0))
    assert torch.equal(game.sampler().generator.linear.weight, game.networks["generator"].linear.weight)


def test_a_game_without_average_publishes_what_moves():
    game = tiny_game(average=None)
    assert game.sampler().generator is game.networks["generator"]


@pytest.mark.parametrize("decay", [1.0, -0.1, 2.0])
def test_impossible_decays_are_refused(decay):
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        EMA(decay)


def test_samples_depend_on_weights_seed_and_index_only(game):
    sampler = game.sampler()
    long = torch.cat(list(sampler.stream(CHUNK + 30, seed=5)))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    short = torch.cat(list(sampler.stream(20, seed=5)))
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(long[:20], short)
    assert not torch.allclose(short, torch.cat(list(sampler.stream(20, seed=6))))
    assert long.shape == (CHUNK + 30, 1, 4, 4)
    assert long.abs().max() <= 1


def test_sampling_leaves_training_mode_and_statistics_alone():
    sampler = Sampler(Gaussian(5), TinyGenerator()).train()
    before = sampler.generator.norm.running_mean.clone()
    next(sampler.stream(10, seed=0))
    assert sampler.training
    assert torch.equal(before, sampler.generator.norm.running_mean)


def test_batch_norm_is_re_estimated_under_the_present_weights():
    """Against the mean and variance of the layer's input over many fresh latents, computed here."""
    torch.manual_seed(0)
    sampler = Sampler(Gaussian(5), TinyGenerator())
    sampler.generator.norm.running_mean.fill_(100.0)
    sampler.estimate_batch_norm(batches=200, batch_size=64, seed=1)
    linear = sampler.generator.linear
    torch.testing.assert_close(sampler.generator.norm.running_mean, linear.bias, atol=0.02, rtol=0.05)
    torch.testing.assert_close(sampler.generator.norm.running_var, linear.weight.square().sum(1), atol=0.02, rtol=0.1)
    assert sampler.generator.norm.momentum == 0.1


def test_priors_draw_what_they_say():
    torch.manual_seed(0)
    (normal,), (uniform,) = Gaussian(3)(20_000, Progress()), Uniform(3)(20_000, Progress())
    assert normal.shape == (20_000, 3)
    assert normal.std().item() == pytest.approx(1.0, abs=0.02)
    assert uniform.abs().max() <= 1
    assert uniform.var().item() == pytest.approx(1 / 3, abs=0.01)
    with pytest.raises(ValueError, match="latent_dim"):
        Gaussian(0)


def test_schedules():
    decay = LinearDecay(1.0, 10, 20)
    assert [decay(Progress(step)) for step in (0, 10, 15, 20, 99)] == pytest.approx([1, 1, 0.5, 0, 0])
    steps = StepDecay(8.0, every_epochs=200, factor=0.5)
    assert [steps(Progress(epoch=epoch)) for epoch in (0, 199.99, 200, 999)] == [8, 8, 4, 0.5]
    assert [EveryNSteps(16)(Progress(step)) for step in (0, 1, 16)] == [True, False, True]
    with pytest.raises(ValueError, match="at least 1"):
        EveryNSteps(0)


class TestHalfLife:
    @pytest.mark.parametrize("batch", [32, 500])
    def test_after_so_many_images_half_of_the_early_weights_is_left_whatever_the_batch(self, batch):
        decay = HalfLife(8000)
        left = 1.0
        for step in range(1, 8000 // batch + 1):
            left *= decay(Progress(step, step * batch))
        assert left == pytest.approx(0.5)

    def test_the_ramp_is_a_share_of_what_was_shown(self):
        decay = HalfLife(10_000, ramp=0.05)
        assert decay(Progress(100, 6400)) == pytest.approx(0.5 ** (64 / 320))  # 5 % of 6 400
        assert decay(Progress(10_000, 640_000)) == pytest.approx(0.5 ** (64 / 10_000))  # 32 000 are more
        assert decay(Progress(0, 0)) == 0.0

    def test_the_average_of_a_game_follows_it(self):
        game = tiny_game(average=EMA(HalfLife(24, ramp=0.5)))
        expected = None
        for step in range(4):
            training_step(game, [real_batch(seed=step)], Progress(step, 8 * step))
            now = game.networks["generator"].linear.weight.detach().clone()
            decay = 0.5 ** (8 / min(24, 0.5 * 8 * step)) if step else 0.0
            expected = now if expected is None else decay * expected + (1 - decay) * now
        torch.testing.assert_close(game.sampler().generator.linear.weight, expected)

    @pytest.mark.parametrize("wrong", [(0.0,), (-1.0,), (100.0, 0.0), (float("nan"),)])
    def test_impossible_half_lives_are_refused(self, wrong):
        with pytest.raises(ValueError, match="must be above 0"):
            HalfLife(*wrong)


def test_batch_norm_is_estimated_from_the_same_latents_on_any_device():
    drawn = []

    class Noted(Gaussian):
        def forward(self, count, progress):
            drawn.append(super().forward(count, progress)[0])
            return (drawn[-1],)

    class Given(torch.nn.BatchNorm1d):
        def forward(self, given):  # a meta tensor has no statistics
            assert given.device == self.running_mean.device
            return given

    def latents(device: str) -> list[torch.Tensor]:
        drawn.clear()
        sampler = Sampler(Noted(3), torch.nn.Sequential(torch.nn.Linear(3, 3), Given(3)).to(device))
        sampler.estimate_batch_norm(batches=3, batch_size=4, seed=5)
        return list(drawn)

    for here, there in zip(latents("cpu"), latents("meta"), strict=True):
        assert torch.equal(here, there)
