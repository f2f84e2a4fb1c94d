"""Settings, trials and results of the sound study: WaveGAN (latents to sounds), MelGAN (spectrograms to sounds)."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from papergan.config.papers import PaperKey
from papergan.config.trials import SystemTrial, TensorRecord
from papergan.config.workers import WorkerSettings
from papergan.sound.settings import LEAST_LENGTH, MOST_LENGTH, ClassifierSettings, MelSettings, SoundData
from papergan.validation import BatchSize, Positive, SampleCount, Seeds, StrictModel

Width = Annotated[int, Field(ge=1, le=4096)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class WaveGANSettings(StrictModel):
    """WaveGAN (Donahue et al. 2019): sounds from latents.

    width: maps before the last layer. phase_shuffle: the largest shift of what the discriminator's layers see, in
    samples; 0 = none. critic_steps: of the discriminator for each step of the generator.
    """

    system: Literal["wavegan"] = "wavegan"
    latent_dim: Width = 100
    width: Width = 64
    phase_shuffle: Annotated[int, Field(ge=0, le=16)] = 2
    gradient_penalty: Annotated[float, Field(gt=0.0, le=1e6)] = 10.0
    critic_steps: Annotated[int, Field(ge=1, le=100)] = 5
    learning_rate: Rate = 1e-4
    batch_size: BatchSize = 64
    steps: Positive
    every_steps: Positive


class MelGANSettings(StrictModel):
    """MelGAN (Kumar et al. 2019): the waveform of a mel spectrogram.

    width: maps before the last layer of the generator. ratios: of its upsampling layers, whose product is the hop of
    the spectrograms. discriminators: how many, each on half of the scale of the one before.
    feature_matching: the weight of the L1 distance of the discriminators' features. segment: samples of a sound that a
    training step uses.
    """

    system: Literal["melgan"] = "melgan"
    width: Width = 32
    ratios: Annotated[tuple[Annotated[int, Field(ge=2, le=16)], ...], Field(min_length=1, strict=False)] = (8, 8, 2, 2)
    residual_layers: Annotated[int, Field(ge=1, le=8)] = 3
    discriminator_width: Width = 16
    discriminators: Annotated[int, Field(ge=1, le=4)] = 3
    feature_matching: Annotated[float, Field(ge=0.0, le=1e6)] = 10.0
    segment: Annotated[int, Field(ge=LEAST_LENGTH, le=MOST_LENGTH)] = 8192
    learning_rate: Rate = 1e-4
    batch_size: BatchSize = 16
    steps: Positive
    every_steps: Positive


System = Annotated[WaveGANSettings | MelGANSettings, Field(discriminator="system")]


class SoundStudyRecipe(StrictModel):
    """The sound study. systems: by their names in the table. samples: generated for the final scores.

    monitored_samples: generated for measurements during training. griffin_lim_iterations: of MelGAN's baseline.
    """

    paper: PaperKey
    description: str = ""
    seeds: Seeds = (0, 1, 2)
    sounds: SoundData
    mel: MelSettings = MelSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    systems: Annotated[dict[Name, System], Field(min_length=1)]
    samples: Annotated[SampleCount, Field(ge=2)] = 1000
    monitored_samples: Annotated[SampleCount, Field(ge=2)] = 200
    griffin_lim_iterations: Annotated[int, Field(ge=1, le=1000)] = 60
    workers: WorkerSettings = WorkerSettings()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mel.fft < self.mel.hop:
            raise ValueError(f"mel.fft: at least mel.hop, {self.mel.hop}, so that no sample is left out")
        self._check_window("sounds.length", self.sounds.length)
        for name, one in self.systems.items():
            if isinstance(one, WaveGANSettings):
                continue
            if prod(one.ratios) != self.mel.hop:
                raise ValueError(
                    f"systems.{name}.ratios: their product is mel.hop, {self.mel.hop}, got {prod(one.ratios)}"
                )
            if one.segment > self.sounds.length or one.segment % self.mel.hop:
                raise ValueError(
                    f"systems.{name}.segment: at most sounds.length, {self.sounds.length}, and a multiple of mel.hop, "
                    f"{self.mel.hop}; got {one.segment}"
                )
            self._check_window(f"systems.{name}.segment", one.segment)
        return self

    def _check_window(self, what: str, length: int) -> None:
        """Check the length: a spectrogram mirrors half of a window's excess over a hop at either end of a sound."""
        least = max((self.mel.fft - self.mel.hop + 1) // 2 + 1, self.mel.hop)
        if length < least:
            raise ValueError(f"{what}: at least {least} samples for mel.fft {self.mel.fft}, got {length}")


class SoundTrial(SystemTrial[SoundStudyRecipe]):
    """A system trained from one seed."""

    experiment = "sound_study"
    decides = frozenset({"mel", "classifier", "samples", "monitored_samples"})

    @property
    def settings(self) -> WaveGANSettings | MelGANSettings:
        """The system's entry in the recipe."""
        return self.recipe.systems[self.place]

    @property
    def grid(self) -> str:
        """The table that it belongs to: systems of one kind share one."""
        return self.settings.system

    @property
    def steps(self) -> int:
        return self.settings.steps


class SoundResult(TensorRecord):
    """The result of a trial.

    tensors: "sounds", int16 [n, L], to look at and to listen to; and the generator's weights, "generator.NAME".
    """

    what = "result of a sound study"


def trials_of(recipe: SoundStudyRecipe, data: str = "") -> list[SoundTrial]:
    """Every trial, those of the first seed first. data: the digest of the sounds."""
    return [SoundTrial(place, seed, recipe, data) for seed, place in product(recipe.seeds, recipe.systems)]
