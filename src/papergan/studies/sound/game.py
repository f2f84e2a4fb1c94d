"""The games of the sound study: WaveGAN generates waveforms, MelGAN restores them from mel spectrograms.

[code] marks what was read in the authors' code: for WaveGAN train_wavegan.py and wavegan.py
(github.com/chrisdonahue/wavegan), for MelGAN scripts/train.py and mel2wav/modules.py
(github.com/descriptinc/melgan-neurips). The papers' authors, venues and equation numbers are [memory].

WaveGAN: Donahue, McAuley and Puckette 2019, ICLR, arXiv:1802.04208. Two players on waveforms.
Reproduced [code]: 100 latents ~ U(-1, 1); WGAN-GP with weight 10, five critic steps per generator step, each on another
batch; Adam 1e-4 (0.5, 0.9) for both; batches of 64; phase shuffle of 2 samples, one shift for a whole batch, drawn
separately for each layer and each pass of the critic, so also for real, generated and mixed waveforms.
Deviations: lengths other than 16384 have more or fewer layers, see `WaveGANGenerator`; phase shuffle is off when the
critic is evaluated, which the code never does. There is no post-processing filter, which is off in the code's defaults
too.

MelGAN: Kumar, Kumar, de Boissiere, Gestin, Teoh, Sotelo, de Brebisson, Bengio and Courville 2019, NeurIPS,
arXiv:1910.06711. One generator against a discriminator per scale; the discriminators are one player.
Reproduced [code]: hinge losses of all windows of a waveform, summed over scales; feature matching, eq. 4, over all
layers but the logits, each with the weight 10 * 4 / (layers + 1) / scales; Adam 1e-4 (0.5, 0.9) for both; batches of
16 segments of 8192 samples; one step each, the discriminators first, on the same generated waveforms.
Deviations: the real side of feature matching comes from the discriminators after their step, like the generated side;
theirs is from before it. Narrow discriminators have fewer maps, see `MelGANDiscriminator`. Mel spectrograms and the
choice of segments are part of the data; the code also scales each file to a peak of 0.95 and then by a number from
U(0.3, 1), and takes log10 of mels clipped at 1e-5.

Recipes with narrower networks, shorter sounds or another rate than 16 kHz (WaveGAN) and 22.05 kHz (MelGAN) say so.
Deterministic on a GPU (not tried on one): WaveGAN. MelGAN's reflection padding has no such kernel in torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from papergan.config.sound_study import MelGANSettings, SoundTrial, WaveGANSettings
from papergan.errors import RecipeError
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Prior, Uniform
from papergan.game.schedules import Progress
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Term
from papergan.game.two_player import two_player
from papergan.networks.sound.melgan import LAYERS, MelGANDiscriminator, MelGANGenerator, least_frames
from papergan.networks.sound.wavegan import WaveGANDiscriminator, WaveGANGenerator
from papergan.objectives.adversarial import Hinge, Wasserstein
from papergan.objectives.gradient_penalties import GradientPenalty
from papergan.objectives.translation import PairFeatureDistance
from papergan.randomness import seeded

BETAS = (0.5, 0.9)


class MelOfBatch(Prior):
    """The mel spectrograms of the batch, its `mel`, [B, bands, T]; there is no draw outside a training step."""

    def for_batch(self, batch: Mapping[str, Tensor], count: int, progress: Progress) -> tuple[Tensor, ...]:
        return (batch["mel"],)


def build(trial: SoundTrial) -> Game:
    """Build the game of a trial, with weights drawn from its seed.

    Batches have `sound`, float [B, 1, L] in [-1, 1], for MelGAN segments; for MelGAN also their log mel spectrograms,
    `mel`, [B, bands, L / hop]. `Game.sampler` works for WaveGAN only: MelGAN's generator needs mel spectrograms.
    Raises RecipeError if the segments of MelGAN are too short for its dilations.
    """
    settings = trial.settings
    if isinstance(settings, WaveGANSettings):
        return _wavegan(trial, settings)
    return _melgan(trial, settings)


def _wavegan(trial: SoundTrial, settings: WaveGANSettings) -> Game:
    length, match = trial.recipe.sounds.length, Match(real="sound")
    with seeded(trial.seed, "weights"):
        generator = WaveGANGenerator(length, settings.latent_dim, settings.width)
        discriminator = WaveGANDiscriminator(length, settings.width, settings.phase_shuffle)
    optimiser = adam(settings.learning_rate, BETAS)
    return two_player(
        generator=generator,
        discriminator=discriminator,
        prior=Uniform(settings.latent_dim),
        loss=Wasserstein(),
        generator_optimiser=optimiser,
        discriminator_optimiser=optimiser,
        discriminator_terms=[GradientPenalty(weight=settings.gradient_penalty, match=match)],
        discriminator_steps=settings.critic_steps,
        match=match,
    )


def _melgan(trial: SoundTrial, settings: MelGANSettings) -> Game:
    _check_segment(trial, settings)
    names = [f"discriminator_{scale}" for scale in range(settings.discriminators)]
    with seeded(trial.seed, "weights"):
        generator = MelGANGenerator(
            trial.recipe.mel.bands, settings.width, settings.ratios, settings.residual_layers
        )  # fmt: skip
        discriminators = {
            name: MelGANDiscriminator(settings.discriminator_width, scale=scale) for scale, name in enumerate(names)
        }
    matches, loss = [Match(discriminator=name, real="sound") for name in names], Hinge()
    terms: list[Term] = [GeneratorLoss(loss, match=match) for match in matches]
    if settings.feature_matching:
        weight = feature_weight(settings.feature_matching, settings.discriminators)
        terms += [PairFeatureDistance(weight=weight, match=match) for match in matches]
    optimiser = adam(settings.learning_rate, BETAS)
    networks: dict[str, nn.Module] = {"prior": MelOfBatch(trial.recipe.mel.bands), "generator": generator}
    return Game(
        networks=nn.ModuleDict(networks | discriminators),
        players={
            "discriminator": Player(tuple(names), optimiser),
            "generator": Player(("generator",), optimiser),
        },
        turns=(
            Turn("discriminator", tuple(DiscriminatorLoss(loss, match=match) for match in matches)),
            Turn("generator", tuple(terms)),
        ),
        showcase=matches[0],
    )


def feature_weight(weight: float, discriminators: int, layers: int = LAYERS) -> float:
    """The weight of a discriminator's mean distance over its layers + 2 maps, each of weight 4 / (layers + 1) / N.

    N: the number of discriminators. Source: MelGAN's scripts/train.py, where `weight` is 10.
    """
    return weight * 4.0 / (layers + 1) / discriminators * (layers + 2)


def _check_segment(trial: SoundTrial, settings: MelGANSettings) -> None:
    frames = settings.segment // trial.recipe.mel.hop
    least = least_frames(settings.ratios, settings.residual_layers)
    if frames < least:
        fewer = ", or fewer residual_layers" if least > least_frames(settings.ratios, 1) else ""
        raise RecipeError(
            f"systems.{trial.place}.segment: {settings.segment} samples are {frames} frames of the spectrogram, and "
            f"{least} are needed; give {least * trial.recipe.mel.hop} or more{fewer}"
        )
