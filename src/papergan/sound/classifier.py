"""The sound classifier, whose features and classes score generated sounds, and its training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from papergan.errors import DataError, EvaluationError
from papergan.extractors.feature_extractor import full_precision
from papergan.randomness import seed_for, seeded
from papergan.sound.mel import MelSpectrogram
from papergan.sound.settings import ClassifierSettings, MelSettings
from papergan.sound.sounds import SoundSet, to_model_range
from papergan.weights import Weights

KIND: Final = "sound classifier"
BATCH: Final = 64
LEARNING_RATE: Final = 3e-3
LEAST_GAIN: Final = 0.5  # a training sound is attenuated by up to 6 dB
SHIFT: Final = 0.02  # s; and is shifted by up to this time, earlier or later
_SOUNDS_AT_ONCE = 256


class SoundClassifier(nn.Module):
    """Log-mel spectrogram, then four convolutions whose averaged maps are the features; logits are linear in them.

    Each convolution is 3x3 with stride 2, batch norm and ReLU, with 1, 2, 4 and 4 times `width` maps; the spectrogram
    has its own batch norm. D = 4 width. classes: K names. rate: of the sounds, Hz. Source: design of this project.
    """

    def __init__(self, rate: int, classes: Sequence[str], mel: MelSettings, width: int) -> None:
        super().__init__()
        self.rate, self.classes, self.dimension = rate, tuple(classes), 4 * width
        self.mel = MelSpectrogram(rate, mel.fft, mel.hop, mel.bands)
        layers: list[nn.Module] = [nn.BatchNorm2d(1)]
        maps = 1
        for after in (width, 2 * width, 4 * width, 4 * width):
            layers += [nn.Conv2d(maps, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            maps = after
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Linear(self.dimension, len(self.classes))

    def forward(self, sounds: Tensor) -> Tensor:
        """Float [B, 1, L] in [-1, 1) -> logits [B, K]."""
        logits: Tensor = self.classify(self.features(sounds))
        return logits

    def features(self, sounds: Tensor) -> Tensor:
        """Float [B, 1, L] in [-1, 1) -> features [B, D], D = 4 width."""
        features: Tensor = self.layers(self.mel(sounds).unsqueeze(1)).mean((2, 3))
        return features


def train_classifier(
    train: SoundSet, mel: MelSettings, settings: ClassifierSettings, device: torch.device | str = "cpu"
) -> Weights:
    """The weights of a classifier of these sounds, for `load_classifier`; on a CPU the same every time.

    Adam with a learning rate that decays linearly to 0, in batches of 64; every sound is randomly shifted, attenuated
    and mixed with noise. Raises DataError for fewer than two sounds or classes.
    """
    if len(train) < 2 or len(train.classes) < 2:
        raise DataError(
            f"{train.name}: a classifier needs 2 sounds and 2 classes, got {len(train)} and {len(train.classes)}"
        )
    batch = min(BATCH, len(train))
    per_epoch = len(train) // batch
    epochs = max(settings.epochs, -(-settings.least_steps // per_epoch))
    steps = epochs * per_epoch
    draw = torch.Generator().manual_seed(seed_for(settings.seed, KIND, "batches"))
    with seeded(settings.seed, KIND, device=device), full_precision(device):
        network = SoundClassifier(train.rate, train.classes, mel, settings.width).to(device).train()
        optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
        for _ in range(epochs):
            order = torch.randperm(len(train), generator=draw)[: len(train) // batch * batch]
            for rows in torch.split(order, batch):
                sounds = _varied(to_model_range(train.samples[rows]), train.rate, draw, settings.noise_db).to(device)
                loss = functional.cross_entropy(network(sounds), train.labels[rows].to(device))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                falling.step()
    about = {
        "kind": KIND, "rate": str(train.rate), "classes": json.dumps(train.classes), "mel": mel.model_dump_json(),
        "width": str(settings.width), "training_digest": train.digest,
    }  # fmt: skip
    return Weights({name: one.detach().cpu().contiguous() for name, one in network.state_dict().items()}, about)


def load_classifier(weights: Weights, device: torch.device | str = "cpu") -> SoundClassifier:
    """The classifier from `train_classifier`, frozen and in eval mode. Raises EvaluationError for other weights."""
    about = weights.metadata
    if about.get("kind") != KIND:
        raise EvaluationError(
            f"these weights are of no {KIND} but {about.get('kind', 'something unnamed')!r}; train one"
        )
    try:
        classes = [str(one) for one in json.loads(about["classes"])]
        mel = MelSettings.model_validate_json(about["mel"])
        network = SoundClassifier(int(about["rate"]), classes, mel, int(about["width"]))
        network.load_state_dict(dict(weights.tensors))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise EvaluationError(
            f"the weights of the {KIND} do not fit its description ({error}); train it anew"
        ) from error
    return network.eval().requires_grad_(False).to(device)


@torch.no_grad()
def features_and_logits(classifier: SoundClassifier, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Features [N, D] and logits [N, K], float32 on the CPU, of sounds int16 [N, L], in small batches."""
    device = classifier.classify.weight.device
    features = [torch.empty(0, classifier.dimension)]
    logits = [torch.empty(0, len(classifier.classes))]
    with full_precision(device):
        for part in torch.split(samples, _SOUNDS_AT_ONCE):
            found = classifier.features(to_model_range(part).to(device))
            features.append(found.cpu())
            logits.append(classifier.classify(found).cpu())
    return torch.cat(features), torch.cat(logits)


def _varied(sounds: Tensor, rate: int, draw: torch.Generator, noise_db: tuple[float, float]) -> Tensor:
    """Sounds [B, 1, L], each scaled by LEAST_GAIN..1 and shifted by up to SHIFT, with silence where it was moved from.

    White noise is added, at a level drawn uniformly between two, in dB below full scale.
    """
    count, length = len(sounds), sounds.shape[-1]
    gain = LEAST_GAIN + (1 - LEAST_GAIN) * torch.rand(count, 1, 1, generator=draw)
    most = min(int(SHIFT * rate), length // 4)
    shift = torch.randint(-most, most + 1, (count, 1), generator=draw)
    places = torch.arange(length) - shift
    moved = sounds[:, 0].gather(1, places.clamp(0, length - 1)) * ((places >= 0) & (places < length))
    low, high = noise_db
    level = 10 ** ((low + (high - low) * torch.rand(count, 1, 1, generator=draw)) / 20)
    return gain * moved[:, None] + level * torch.randn(sounds.shape, generator=draw)
