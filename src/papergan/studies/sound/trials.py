"""Trials of the sound study: WaveGAN and MelGAN trained on sounds, and scored by a classifier of these sounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from papergan.config.sound_study import MelGANSettings, SoundResult, SoundTrial, WaveGANSettings
from papergan.datasets.trial_results import FileTrialStore
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.randomness import seed_for
from papergan.sound.classifier import SoundClassifier, features_and_logits, load_classifier
from papergan.sound.mel import MelSpectrogram, log_mel_distance
from papergan.sound.scores import sound_scores
from papergan.sound.sounds import SoundSet, SoundSplits, to_model_range, to_samples
from papergan.studies.resumable import ResumableTrainer, ResumableTraining
from papergan.studies.sound.game import build
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row
from papergan.weights import Weights

CHUNK = 100  # sounds generated at once
SHOWN = 20  # sounds kept in the result
LOG_MEL_L1, CLASS_ACCURACY = "log_mel_l1", "class_accuracy"


class SoundTrainer(ResumableTrainer[SoundTrial, SoundResult]):
    """Trains on sounds. classifier: of the same sounds, from `train_classifier`."""

    def __init__(self, trials: FileTrialStore[SoundResult], sounds: SoundSplits, classifier: Weights) -> None:
        super().__init__(trials)
        self.sounds, self.classifier = sounds, classifier

    def training(
        self, trial: SoundTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None
    ) -> SoundTraining:
        kind = WaveGANTraining if isinstance(trial.settings, WaveGANSettings) else MelGANTraining
        return kind(trial, self.sounds, load_classifier(self.classifier), report, checkpoints)

    def data_digest(self, trial: SoundTrial) -> str:
        return self.sounds.digest


class SoundTraining(ResumableTraining[SoundTrial, SoundResult]):
    """A game on sounds, whose generator is measured at intervals."""

    record = SoundResult

    def __init__(
        self, trial: SoundTrial, sounds: SoundSplits, classifier: SoundClassifier, report: Callable[[Row], None],
        checkpoints: CheckpointStore | None,
    ) -> None:  # fmt: skip
        self.sounds, self.classifier = sounds, classifier
        super().__init__(build(trial), trial, trial.steps, trial.settings.every_steps, report, checkpoints)

    def measure(self) -> Row:
        return self.scores(self.trial.recipe.monitored_samples)

    def result(self) -> SoundResult:
        scores = self.scores(self.trial.recipe.samples)
        shown = {"sounds": self.generated(SHOWN).contiguous()}
        weights = self.game.networks["generator"].state_dict()
        shown |= {f"generator.{name}": tensor.clone() for name, tensor in weights.items()}
        return SoundResult(scores=scores, tensors=shown)

    @abstractmethod
    def scores(self, count: int) -> Row:
        """Scores of `count` sounds of the generator. Raises NotFiniteError."""

    @abstractmethod
    def generated(self, count: int) -> Tensor:
        """The first `count` generated sounds, for scoring, int16 [count, L]. Raises NotFiniteError."""

    def drawn(self, step: int, index: int) -> tuple[Tensor, torch.Generator]:
        """Sounds of a batch, int16 [B, L], drawn uniformly with replacement; and the generator for further draws."""
        draw = torch.Generator().manual_seed(seed_for(self.trial.seed, "batch", step, index))
        rows = torch.randint(len(self.sounds.train), (self.trial.settings.batch_size,), generator=draw)
        return self.sounds.train.samples[rows], draw


class WaveGANTraining(SoundTraining):
    """WaveGAN, whose sounds are scored by the classifier's predictions."""

    def training_values(self, step: int) -> dict[str, Tensor]:
        settings = self.trial.settings
        assert isinstance(settings, WaveGANSettings)
        batches = [{"sound": to_model_range(self.drawn(step, index)[0])} for index in range(settings.critic_steps)]
        return training_step(self.game, batches, Progress(step, step * settings.batch_size), self.guard)

    def generated(self, count: int) -> Tensor:
        return to_samples(torch.cat(list(self.game.sampler().stream(count, seed=self.trial.seed))))

    def scores(self, count: int) -> Row:
        return sound_scores(self.classifier, self.generated(count), self.sounds.test, self._known)

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor]:
        """Features and logits of the real test sounds."""
        return features_and_logits(self.classifier, self.sounds.test.samples)


class MelGANTraining(SoundTraining):
    """MelGAN, whose sounds are compared with those that the mel spectrograms were computed from."""

    def __init__(
        self, trial: SoundTrial, sounds: SoundSplits, classifier: SoundClassifier, report: Callable[[Row], None],
        checkpoints: CheckpointStore | None,
    ) -> None:  # fmt: skip
        mel = trial.recipe.mel
        self.mel = MelSpectrogram(sounds.train.rate, mel.fft, mel.hop, mel.bands)
        super().__init__(trial, sounds, classifier, report, checkpoints)

    def training_values(self, step: int) -> dict[str, Tensor]:
        settings = self.trial.settings
        assert isinstance(settings, MelGANSettings)
        whole, draw = self.drawn(step, 0)
        spare = whole.shape[1] - settings.segment
        starts = torch.randint(spare + 1, (len(whole), 1), generator=draw)
        segments = whole.gather(1, starts + torch.arange(settings.segment))
        sound = to_model_range(segments)
        batch = {"sound": sound, "mel": self.mel(sound)}
        return training_step(self.game, [batch], Progress(step, step * settings.batch_size), self.guard)

    def generated(self, count: int) -> Tensor:
        return restored(self.game, self.mel, self.sounds.test.samples[:count])

    def scores(self, count: int) -> Row:
        return restoration_scores(self.generated(count), self.sounds.test, self.mel, self.classifier)


@torch.no_grad()
def restored(game: Game, mel: MelSpectrogram, samples: Tensor) -> Tensor:
    """Sounds restored from their mel spectrograms by the generator: int16 [N, L] -> int16 [N, L]."""
    generator = game.networks["generator"]
    was_training = generator.training
    generator.eval()
    try:
        return torch.cat([to_samples(generator(mel(to_model_range(part)))) for part in torch.split(samples, CHUNK)])
    finally:
        generator.train(was_training)


@torch.no_grad()
def restoration_scores(sounds: Tensor, real: SoundSet, mel: MelSpectrogram, classifier: SoundClassifier) -> Row:
    """How far restored sounds, int16 [N, L], are from the first N of `real`.

    log_mel_l1: the mean absolute difference of their log mel spectrograms, in natural logarithms. class_accuracy: the
    share that the classifier assigns to the original class.
    """
    distance = 0.0
    for made, truth in zip(torch.split(sounds, CHUNK), torch.split(real.samples[: len(sounds)], CHUNK), strict=True):
        distance += len(made) * log_mel_distance(mel(to_model_range(made)), mel(to_model_range(truth)))
    _, logits = features_and_logits(classifier, sounds)
    right = (logits.argmax(1) == real.labels[: len(sounds)]).double().mean()
    return {LOG_MEL_L1: distance / len(sounds), CLASS_ACCURACY: float(right)}
