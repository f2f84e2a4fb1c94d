"""Truncated latents and ways between latents."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from helpers.tiny_game import TinyGenerator, real_batch, tiny_game
from papergan.errors import RecipeError
from papergan.game.discriminator_input import Labelled
from papergan.game.game import DiscriminatorOutput, Match
from papergan.game.priors import Gaussian, Prior, Uniform, WithChoice, WithDropoutNoise, slerp
from papergan.game.sampler import CHUNK, Sampler
from papergan.game.schedules import Progress
from papergan.game.sharding import Shard, use_shard
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0])
def test_a_truncated_gaussian_is_the_gaussian_between_the_thresholds(threshold):
    torch.manual_seed(0)
    (z,) = Gaussian(100).truncated(2000, Progress(), threshold)
    plain = torch.randn(2_000_000)
    kept = plain[plain.abs() <= threshold]
    assert float(z.abs().max()) <= threshold
    assert float(z.std()) == pytest.approx(float(kept.std()), rel=0.01)
    for quantile in (0.1, 0.3, 0.7):
        assert float(z.quantile(quantile)) == pytest.approx(float(kept.quantile(quantile)), abs=0.01 * threshold)


def test_a_truncated_uniform():
    torch.manual_seed(0)
    (z,) = Uniform(50).truncated(1000, Progress(), 0.4)
    assert 0.39 < float(z.abs().max()) <= 0.4
    assert 0.99 < float(Uniform(50).truncated(1000, Progress(), 5.0)[0].abs().max()) <= 1
    (wide,), (positive,) = Uniform(50, 3.0)(1000, Progress()), Uniform(50, positive=True)(1000, Progress())
    assert 2.97 < float(wide.max()) <= 3
    assert -3 <= float(wide.min()) < -2.97
    assert 0 <= float(positive.min()) < 0.01 < 0.99 < float(positive.max()) <= 1
    assert float(Uniform(50, 3.0).truncated(1000, Progress(), 1.5)[0].abs().max()) <= 1.5


def test_a_prior_that_cannot_be_truncated_says_so():
    class Other(Prior):
        def forward(self, count, progress):
            return (torch.zeros(count, self.latent_dim),)

    with pytest.raises(RecipeError, match="Other cannot be truncated"):
        Other(3).truncated(1, Progress(), 1.0)


def test_slerp_by_hand():
    a, b = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    for t in (0.0, 0.25, 0.5, 1.0):
        expected = torch.tensor([[math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)]]).double()
        torch.testing.assert_close(slerp(a, b, torch.tensor([t])), expected)


def test_slerp_keeps_the_length_and_goes_at_one_speed():
    torch.manual_seed(0)
    a, b = torch.randn(2, 1, 64).double()
    a, b = 8 * a / a.norm(), 8 * b / b.norm()
    way = torch.cat([slerp(a, b, torch.tensor([t])) for t in torch.linspace(0, 1, 11, dtype=torch.float64)])
    torch.testing.assert_close(way.norm(dim=1), torch.full((11,), 8.0).double())
    steps = (way[1:] - way[:-1]).norm(dim=1)
    torch.testing.assert_close(steps, steps[:1].expand(10))


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_slerp_of_parallel_and_opposite_latents_is_a_straight_line(factor):
    a = torch.tensor([[3.0, 4.0]]).double()
    half = slerp(a, factor * a, torch.tensor([0.5]))
    torch.testing.assert_close(half, (1 + factor) / 2 * a)


def test_a_uniform_prior_goes_straight():
    a, b = torch.zeros(2, 3), torch.ones(2, 3)
    assert Uniform(3).between(a, b, torch.tensor([0.25, 0.5])).tolist() == [[0.25] * 3, [0.5] * 3]


class TestDropoutNoise:
    START = torch.cat([torch.full((2, 3), -1.0), torch.rand(2, 1000, generator=torch.Generator().manual_seed(0))], 1)
    END = torch.cat([torch.full((2, 3), 1.0), torch.rand(2, 1000, generator=torch.Generator().manual_seed(1))], 1)

    @pytest.mark.parametrize("interpolation", [slerp, lambda a, b, t: torch.lerp(a, b, t[:, None])])
    def test_noise_stays_uniform_by_every_interpolation(self, interpolation):
        prior = WithDropoutNoise(Uniform(3), 1000)
        middle = prior.between_by(interpolation, self.START, self.END, torch.full((2,), 0.5))
        torch.testing.assert_close(middle[:, :3], torch.zeros(2, 3))
        assert [float((middle[:, 3:] < at).float().mean()) for at in (0.25, 0.5)] == pytest.approx(
            [0.25, 0.5], abs=0.03
        )
        assert torch.equal(middle[:, 3:503], self.END[:, 3:503])
        assert torch.equal(middle[:, 503:], self.START[:, 503:])

    @pytest.mark.parametrize("choices", [0, 4])
    def test_on_a_path_whose_length_is_measured_no_mask_changes(self, choices):
        prior = WithDropoutNoise(Uniform(3), 1000)
        path = (WithChoice(prior, choices) if choices else prior).path(self.START, self.END, torch.full((2,), 0.75))
        torch.testing.assert_close(path, torch.cat([torch.full((2, 3), 0.5), self.START[:, 3:]], 1))


class TestSampler:
    def test_truncated_samples_are_a_function_of_seed_and_threshold(self):
        sampler = Sampler(Gaussian(5), TinyGenerator())
        wide, narrow, again = (torch.cat(list(sampler.stream(20, seed=1, truncation=t))) for t in (None, 0.1, 0.1))
        assert torch.equal(narrow, again)
        assert float(narrow.var(0).mean()) < float(wide.var(0).mean()) / 10

    def test_a_way_begins_and_ends_at_latents_of_the_prior(self):
        sampler = Sampler(Gaussian(5), TinyGenerator())
        sampler.train()
        images = sampler.interpolate(3, 4, seed=0).view(3, 4, 1, 4, 4)
        assert sampler.training
        ends = [sampler.latents(3, 0, f"way {which}", progress=Progress())[0] for which in ("start", "end")]
        sampler.eval()
        for place, end in ((0, ends[0]), (3, ends[1])):
            torch.testing.assert_close(images[:, place], sampler.generator(end))
        assert torch.equal(sampler.interpolate(3, 4, seed=0).view(3, 4, 1, 4, 4), images)


LABELS = torch.tensor([2, 0, 1, 1, 2, 0, 0, 2])


class LabelledTinyGenerator(TinyGenerator):
    def forward(self, latent, classes):
        return super().forward(latent) * 0.5 + (classes.argmax(1) - 1)[:, None, None, None] / 2


class Judge(torch.nn.Module):
    """Keeps the classes that it is shown."""

    def __init__(self):
        super().__init__()
        self.first, self.shown = torch.nn.Linear(16, 1), []

    def forward(self, images, classes):
        self.shown.append(classes.argmax(1))
        return DiscriminatorOutput(self.first(images.flatten(1)).squeeze(1))


def labelled_game(from_batch: bool):
    prior = WithChoice(Gaussian(5), 3, from_batch=from_batch)
    match = Match(discriminator_input=Labelled())
    return tiny_game(generator=LabelledTinyGenerator(), discriminator=Judge(), prior=prior, match=match)


def context_of(game, turn=0, fakes_per_real=1):
    turn = dataclasses.replace(game.turns[turn], fakes_per_real=fakes_per_real)
    return StepContext(game, turn, real_batch() | {"label": LABELS}, Progress())


def test_fakes_have_the_classes_of_the_reals_they_are_compared_with_where_the_prior_sees_the_batch():
    (_, classes) = context_of(labelled_game(True)).latent(Match())
    assert torch.equal(classes.argmax(1), LABELS)
    (z, classes) = context_of(labelled_game(True), fakes_per_real=2).latent(Match())
    assert (len(z), classes.argmax(1).tolist()) == (16, LABELS.repeat_interleave(2).tolist())
    drawn = [context_of(labelled_game(False)).latent(Match())[1].argmax(1) for _ in range(3)]
    assert any(not torch.equal(one, LABELS) for one in drawn)


def test_a_training_step_shows_the_discriminator_the_same_classes_on_both_sides():
    game = labelled_game(True)
    training_step(game, [real_batch() | {"label": LABELS}], Progress())
    shown = game.networks["discriminator"].shown
    assert len(shown) == 3  # both sides in the discriminator's turn, fakes in the generator's
    assert all(torch.equal(one, LABELS) for one in shown)


def test_each_rank_takes_the_classes_of_its_own_rows_and_the_latents_of_the_whole_draw():
    prior = WithChoice(Gaussian(5), 3, from_batch=True)
    torch.manual_seed(1)
    whole = prior.for_batch({"label": LABELS}, 8, Progress())
    parts = []
    for rank in range(2):
        torch.manual_seed(1)
        with use_shard(Shard(rank, 2)):
            parts.append(prior.for_batch({"label": LABELS[4 * rank : 4 * rank + 4]}, 4, Progress()))
    assert all(torch.equal(torch.cat(both), one) for both, one in zip(zip(*parts, strict=True), whole, strict=True))


def test_where_there_is_no_batch_classes_are_drawn_evenly():
    torch.manual_seed(0)
    counts = WithChoice(Gaussian(2), 3, from_batch=True)(9000, Progress())[1].sum(0)
    assert counts.tolist() == pytest.approx([3000] * 3, abs=200)


def test_images_of_given_classes_differ_from_those_drawn_in_their_class_alone():
    sampler = labelled_game(False).sampler(averaged=False)
    choices = torch.tensor([2, 0, 1])
    given = list(sampler.stream(CHUNK + 4, seed=3, choices=choices))
    drawn = sampler.choices(CHUNK + 4, seed=3)
    own = torch.cat(list(sampler.stream(CHUNK + 4, seed=3)))
    assert torch.equal(own, torch.cat(list(sampler.stream(CHUNK + 4, seed=3, choices=drawn))))
    wanted = choices[torch.arange(CHUNK + 4) % 3]
    shift = ((wanted - drawn) / 2)[:, None, None, None]
    torch.testing.assert_close(torch.cat(given), own + shift)


def test_a_prior_without_a_choice_has_none():
    sampler = Sampler(Gaussian(5), TinyGenerator())
    assert sampler.choices(4, seed=0) is None
    with pytest.raises(RecipeError, match="^Gaussian draws neither classes nor members; leave labels out$"):
        next(sampler.stream(2, seed=0, choices=torch.tensor([1])))


def test_noise_for_dropout_is_not_truncated_and_taken_over_one_after_another():
    prior = WithDropoutNoise(Uniform(3, positive=True), 4)
    assert prior.latent_dim == 7
    torch.manual_seed(0)
    (latent,) = prior(1000, Progress())
    torch.manual_seed(0)
    (truncated,) = prior.truncated(1000, Progress(), 0.25)
    assert latent.shape == (1000, 7)
    assert 0.0 <= float(latent.min()) < 0.01 < 0.99 < float(latent.max()) < 1.0
    torch.testing.assert_close(truncated, torch.cat([0.25 * latent[:, :3], latent[:, 3:]], dim=1))
    between = prior.between(latent[:3], latent[3:6], torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(between[0], latent[0])
    torch.testing.assert_close(between[1, :3], (latent[1, :3] + latent[4, :3]) / 2)
    assert torch.equal(between[1, 3:], torch.cat([latent[4, 3:5], latent[1, 5:]]))
    torch.testing.assert_close(between[2], latent[5])
