"""The games of the sound study: who moves, by what losses, from which bits, and that the networks learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from papergan.config.sound_study import SoundStudyRecipe, SoundTrial, trials_of
from papergan.errors import RecipeError
from papergan.game.game import DiscriminatorOutput, Game, Match
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.studies.sound.game import build, feature_weight

LENGTH, BANDS, HOP = 1024, 8, 16
SMALL = {
    "paper": "donahue2019", "seeds": [0, 1],
    "sounds": {"length": LENGTH, "rate": 4000, "train": 8, "test": 8},
    "mel": {"fft": 64, "hop": HOP, "bands": BANDS},
    "systems": {
        "wavegan": {"system": "wavegan", "latent_dim": 5, "width": 2, "critic_steps": 2, "batch_size": 4},
        "melgan": {
            "system": "melgan", "width": 2, "ratios": [4, 4], "residual_layers": 2, "discriminator_width": 2,
            "segment": LENGTH, "batch_size": 4,
        },
    },
}  # fmt: skip
SCALES = ["discriminator_0", "discriminator_1", "discriminator_2"]


def trial(place: str, seed: int = 0, **changes) -> SoundTrial:
    systems = {name: {"steps": 1, "every_steps": 1} | one for name, one in SMALL["systems"].items()}
    systems[place] = systems[place] | changes
    recipe = SoundStudyRecipe.model_validate(SMALL | {"systems": systems})
    return next(one for one in trials_of(recipe) if (one.place, one.seed) == (place, seed))


def batches(count: int = 2, seed: int = 0) -> list[dict[str, Tensor]]:
    torch.manual_seed(seed)
    return [
        {"sound": torch.rand(4, 1, LENGTH) * 2 - 1, "mel": torch.randn(4, BANDS, LENGTH // HOP)} for _ in range(count)
    ]  # fmt: skip


def context(game: Game, player: str) -> StepContext:
    turn = next(turn for turn in game.turns if turn.player == player)
    return StepContext(game, turn, batches(1)[0], Progress())


def weights(game: Game) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in game.networks.state_dict().items()}


@pytest.mark.parametrize(("place", "networks"), [("wavegan", ["discriminator"]), ("melgan", SCALES)])
def test_every_network_moves_and_losses_are_finite(place, networks):
    game = build(trial(place))
    before = weights(game)
    for step in range(2):
        report = training_step(game, batches(game.batches_per_step), Progress(step, 4 * step))
        assert all(bool(value.isfinite()) for value in report.values())
    after = weights(game)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"generator", *networks}


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("place", ["wavegan", "melgan"])
def test_a_turn_moves_its_own_player_alone(place, player):
    game = build(trial(place))
    before = weights(game)
    game.turns = [turn for turn in game.turns if turn.player == player]
    training_step(game, batches(), Progress())
    after = weights(game)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(game.players[player].networks) - {"prior"}


@pytest.mark.parametrize("place", ["wavegan", "melgan"])
def test_a_seed_gives_the_same_bits_and_another_one_others(place):
    def trained(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(99 + seed)  # the ambient state has no part in the weights
        game = build(trial(place, seed))
        given = batches(game.batches_per_step, seed=7)
        torch.manual_seed(3)
        training_step(game, given, Progress())
        return weights(game)

    first, again, other = trained(0), trained(0), trained(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_settings_of_the_papers():
    for place, batch_size in (("wavegan", 64), ("melgan", 16)):
        defaults = {"system": place, "steps": 1, "every_steps": 1}
        recipe = SoundStudyRecipe.model_validate(
            SMALL | {"sounds": {"train": 8, "test": 8}, "mel": {}, "systems": {place: defaults}}
        )
        (one,) = trials_of(recipe.model_copy(update={"seeds": (0,)}))
        assert one.settings.batch_size == batch_size
        game = build(one)
        for optimiser in game.optimisers.values():
            (group,) = optimiser.param_groups
            assert (group["lr"], group["betas"]) == (1e-4, (0.5, 0.9))
        assert game.batches_per_step == (5 if place == "wavegan" else 1)


class LinearCritic(nn.Module):
    """Half the sum of a sound, whose slope is the same everywhere."""

    def forward(self, sounds: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(0.5 * sounds.flatten(1).sum(1))


def test_the_critics_loss_is_wgan_gp():
    """E f(G(z)) - E f(x) + 10 (||slope|| - 1)^2, of a linear critic."""
    game = build(trial("wavegan"))
    game.networks["discriminator"] = LinearCritic()
    seen = context(game, "discriminator")
    loss, penalty = (term.weight * term(seen) for term in seen.turn.objective)
    match = seen.turn.objective[0].match
    fake, real = (0.5 * one.flatten(1).sum(1).mean() for one in (seen.fake(match), seen.real(match)))
    assert loss.item() == pytest.approx((fake - real).item(), rel=1e-5)
    assert penalty.item() == pytest.approx(10 * (0.5 * LENGTH**0.5 - 1) ** 2, rel=1e-5)
    fooled = context(game, "generator")
    (term,) = fooled.turn.objective
    assert term(fooled).item() == pytest.approx(-0.5 * fooled.fake(match).flatten(1).sum(1).mean().item(), rel=1e-5)


def test_the_prior_of_wavegan_and_its_sampler():
    game = build(trial("wavegan"))
    (latents,) = game.networks["prior"](2000, Progress())
    assert latents.shape == (2000, 5)
    assert latents.abs().max() <= 1
    assert latents.std().item() == pytest.approx(3**-0.5, abs=0.02)
    sounds = torch.cat(list(game.sampler().stream(3, seed=4)))
    assert sounds.shape == (3, 1, LENGTH)
    assert torch.equal(sounds, torch.cat(list(game.sampler().stream(3, seed=4))))


def test_melgan_is_trained_by_hinge_losses_of_all_scales_and_feature_matching():
    """Against sums written out: scripts/train.py of the authors has these weights, lambda_feat 10."""
    game = build(trial("melgan"))
    batch = batches(1)[0]
    assert [game.networks[name].scale for name in SCALES] == [0, 1, 2]
    with torch.no_grad():
        made = game.networks["generator"](batch["mel"])
        outputs = [[game.networks[name](sounds) for sounds in (batch["sound"], made)] for name in SCALES]
    hinge = sum(torch.relu(1 - r.score).mean() + torch.relu(1 + f.score).mean() for r, f in outputs)
    fooled = -sum(f.score.mean() for _, f in outputs)
    matched = 0.0
    for real, fake in outputs:
        assert len(real.features) == 6
        for given, generated in zip(real.features, fake.features, strict=True):
            matched += 10 * (4 / 5) * (1 / 3) * (given - generated).abs().mean()
    for player, wanted in (("discriminator", hinge), ("generator", fooled + matched)):
        seen = context(game, player)
        total = sum(term.weight * term(seen) for term in seen.turn.objective)
        assert total.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert feature_weight(10.0, 3) == pytest.approx(16.0)


def test_melgan_without_feature_matching_or_with_one_scale():
    game = build(trial("melgan", feature_matching=0.0, discriminators=1))
    assert [turn.names for turn in game.turns] == [
        ("discriminator.discriminator_loss",), ("generator.generator_loss",)
    ]  # fmt: skip
    assert game.players["discriminator"].networks == ("discriminator_0",)


def test_melgan_makes_a_sound_of_every_mel_of_the_batch():
    game = build(trial("melgan"))
    seen = context(game, "generator")
    for name in SCALES:
        fake = seen.fake(Match(discriminator=name, real="sound"))
        assert fake is seen.fake(game.showcase)  # made once for all scales
        assert torch.equal(fake, game.networks["generator"](seen.batch["mel"]))


def test_segments_that_are_too_short_for_the_dilations_are_refused():
    message = "64 frames of the spectrogram, and 183 are needed; give 2928"
    with pytest.raises(RecipeError, match=message):
        build(trial("melgan", residual_layers=7))
    build(trial("melgan", residual_layers=5))


def spectrum(sounds: Tensor) -> Tensor:
    window = torch.hann_window(64)
    return torch.stft(sounds[:, 0], 64, 16, window=window, return_complex=True).abs().add(1e-2).log()


def test_melgan_learns_the_spectra_of_a_few_sounds():
    """Noise whose loudness changes: log spectra of what is generated come closer to theirs, from 2.8 apart to 1.7."""
    game = build(trial("melgan", width=4, learning_rate=1e-3))
    torch.manual_seed(5)
    loudness = torch.rand(4, 1, 16).repeat_interleave(LENGTH // 16, 2)
    sound = (torch.randn(4, 1, LENGTH) * 0.3 * loudness).clamp(-1, 1)
    mel = spectrum(sound)[:, :BANDS, : LENGTH // HOP]

    def distance() -> float:
        with torch.no_grad():
            return (spectrum(game.networks["generator"](mel)) - spectrum(sound)).abs().mean().item()

    before = distance()
    for step in range(40):
        training_step(game, [{"sound": sound, "mel": mel}], Progress(step, 4 * step))
    assert distance() < 0.75 * before


def test_the_critic_of_wavegan_learns_to_tell_tones_from_what_is_generated():
    game = build(trial("wavegan", width=4, learning_rate=1e-3, critic_steps=5))
    times = torch.arange(LENGTH) / 8.0
    margins = []
    for step in range(12):
        torch.manual_seed(step)
        given = [
            {"sound": torch.sin(times * (0.5 + torch.rand(4, 1, 1))) * 0.8} for _ in range(game.batches_per_step)
        ]  # fmt: skip
        report = training_step(game, given, Progress(step, 4 * step))
        margins.append(-report["discriminator.discriminator_loss"].item())
    assert sum(margins[-3:]) / 3 > 10 * abs(margins[0])
    assert sum(margins[-3:]) / 3 > 0.2
