"""Trained sound models: a generator that makes sounds from latents, and a vocoder that restores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

import papergan
from papergan.data.memory import check_memory
from papergan.errors import CheckpointError, RecipeError
from papergan.game.priors import Uniform
from papergan.game.sampler import CHUNK, START, Sampler
from papergan.inference.description import describe_plain
from papergan.inference.labels import check_count
from papergan.inference.model_folder import FORMAT, StoredModel
from papergan.inference.sound.card import sound_card
from papergan.inference.sound.sounds import Sounds
from papergan.messages import quoted
from papergan.networks.sound.melgan import MelGANGenerator, least_frames
from papergan.networks.sound.wavegan import WaveGANGenerator
from papergan.sound.mel import MelSpectrogram
from papergan.sound.sounds import to_model_range, to_samples
from papergan.weights import Weights

AT_ONCE = 100  # sounds per batch
_MAPS_AT_ONCE = 6  # maps in memory, as a multiple of those of the last layer, including its input and output
MOST_SAMPLES = 2**24  # of all sounds passed to a vocoder at once


class SoundModel(ABC):
    """A trained sound model, on the CPU. rate: Hz. metrics: its scores; {} if they were not stored.

    classes: of the sounds that it was trained on. digest: SHA-256 of its weights. task, use: for the model card, what
    it does and how it is called.
    Raises CheckpointError if the stored weights do not fit the system that they name.
    """

    task: ClassVar[str]
    use: ClassVar[str]

    @staticmethod
    @abstractmethod
    def network(settings: Mapping[str, Any], sound: Mapping[str, Any]) -> nn.Module:
        """The network with initial weights. settings: of the system. sound: "length", and "mel" with "bands"."""

    def __init__(self, stored: StoredModel) -> None:
        self.stored, config = stored, stored.config
        self.system, self.digest = str(config["system"]), str(config["digest"])
        self.rate, self.length = int(config["sound"]["rate"]), int(config["sound"]["length"])
        self.classes = tuple(config["classes"])
        self.metrics: dict[str, float] = dict(stored.about.get("metrics", {}))
        self.generator = self.network(config["settings"], config["sound"])
        try:
            self.generator.load_state_dict(stored.tensors.under("generator"))
        except RuntimeError as error:
            raise CheckpointError(
                f"the weights do not fit system {self.system!r} of this version of papergan: "
                f"{quoted(str(error).splitlines()[-1].strip())}; use version {config['papergan']}"
            ) from error
        self.generator.requires_grad_(False).eval()
        self.networks: nn.Module = self.generator  # everything that is moved to a device
        self.device = torch.device("cpu")

    def to(self, device: torch.device | str) -> Self:
        """Move the networks to a device."""
        self.device = torch.device(device)
        self.networks.to(self.device)
        return self

    def __repr__(self) -> str:
        what = f"generator of sounds, {self.length} samples at {self.rate} Hz"
        return describe_plain(self.stored, what, sum(one.numel() for one in self.generator.parameters()))


class SoundGenerator(SoundModel):
    """A trained WaveGAN. Sound i of a seed depends only on (seed, i).

    Neither the number of sounds nor the device changes it, except for rounding.
    """

    task = "unconditional sounds"
    use = 'g.sample(16, seed=0).save("sounds")'

    @staticmethod
    def network(settings: Mapping[str, Any], sound: Mapping[str, Any]) -> nn.Module:
        return WaveGANGenerator(int(sound["length"]), int(settings["latent_dim"]), int(settings["width"]))

    def __init__(self, stored: StoredModel) -> None:
        super().__init__(stored)
        prior = Uniform(int(self.stored.config["prior"]["latent_dim"]))
        self.networks = self.sampler = Sampler(prior, self.generator)
        self._on_cpu = self.sampler.drawing_on_cpu()

    def sample(self, n: int = 1, *, seed: int = 0) -> Sounds:
        """`n` sounds, all held in memory. Raises RecipeError for an invalid count, DataError if they do not fit."""
        check_count(n)
        check_memory(f"{n} sounds at once", 4 * n * self.length, "take fewer, or use stream()")
        return Sounds(torch.cat([part.samples for part in self.stream(n, seed=seed)]), self.rate)

    def stream(self, n: int, *, seed: int = 0, batch_size: int = 256) -> Iterator[Sounds]:
        """The same sounds in batches of at most `batch_size`. Raises RecipeError for an invalid count."""
        check_count(n)
        if batch_size < 1:
            raise RecipeError(f"expected batch_size >= 1, got {batch_size}")
        return self._stream(n, seed, batch_size)

    def _stream(self, n: int, seed: int, batch_size: int) -> Iterator[Sounds]:
        for chunk, start in enumerate(range(0, n, CHUNK)):
            (latents,) = self._on_cpu.latents(CHUNK, seed, "samples", chunk, progress=START)
            for place in range(0, min(CHUNK, n - start), batch_size):
                rows = latents[place : min(place + batch_size, n - start)]
                yield Sounds(to_samples(self.sampler.decode(rows.to(self.device)).cpu()), self.rate, start + place)


class Vocoder(SoundModel):
    """A trained MelGAN: from mel spectrograms to sounds. mel: the spectrogram that it was trained with."""

    task = "a vocoder: the waveform of a mel spectrogram"
    use = "g.restore(samples)  # int16 [N, L] at g.rate\ng.vocode(log_mel)    # as g.mel makes them"

    @staticmethod
    def network(settings: Mapping[str, Any], sound: Mapping[str, Any]) -> nn.Module:
        ratios, layers = tuple(settings["ratios"]), int(settings["residual_layers"])
        return MelGANGenerator(int(sound["mel"]["bands"]), int(settings["width"]), ratios, layers)

    def __init__(self, stored: StoredModel) -> None:
        super().__init__(stored)
        mel = stored.config["sound"]["mel"]
        self.mel = MelSpectrogram(self.rate, mel["fft"], mel["hop"], mel["bands"])
        self.networks = nn.ModuleList([self.generator, self.mel])
        settings = stored.config["settings"]
        if prod(settings["ratios"]) != self.mel.hop:
            raise CheckpointError(f"this model's ratios {settings['ratios']} are not those of a hop of {self.mel.hop}")
        self.least_frames = least_frames(settings["ratios"], settings["residual_layers"])
        self.least_samples = max(self.least_frames * self.mel.hop, self.mel.fft)
        self._bytes = 4 * _MAPS_AT_ONCE * int(settings["width"])  # of a sample, in the widest layer

    @torch.no_grad()
    def vocode(self, log_mel: Tensor) -> Sounds:
        """Sounds from log mel spectrograms, float [N, bands, T], as computed by `mel`. T: `least_frames` or more.

        Raises RecipeError for another shape, or numbers that are not finite, DataError if memory is insufficient.
        """
        bands, hop, least = self.mel.bands, self.mel.hop, self.least_frames
        if log_mel.dim() != 3 or log_mel.shape[1] != bands or log_mel.shape[2] < least or not len(log_mel):
            raise RecipeError(
                f"vocode: expected log mel spectrograms [N, {bands}, {least} or more], got {list(log_mel.shape)}"
            )
        if not bool(torch.isfinite(log_mel).all()):
            raise RecipeError("vocode: the spectrograms hold numbers that are not finite")
        _check_size(log_mel.shape[0] * log_mel.shape[2] * hop)
        at_once = min(len(log_mel), AT_ONCE) * log_mel.shape[2] * hop
        check_memory(f"a vocoder on {at_once:,} samples at once", at_once * self._bytes, "give fewer or shorter ones")
        parts = [self.generator(part.float().to(self.device)) for part in torch.split(log_mel, AT_ONCE)]
        return Sounds(to_samples(torch.cat([part.cpu() for part in parts])), self.rate)

    @torch.no_grad()
    def restore(self, samples: Tensor) -> Sounds:
        """Sounds from the mel spectrograms of these sounds, int16 [N, L] at `rate`: copy synthesis.

        L is cut to a multiple of the hop. Raises RecipeError for another dtype or shape, and for sounds too short.
        """
        hop, least = self.mel.hop, self.least_samples
        if samples.dtype != torch.int16 or samples.dim() != 2 or samples.shape[1] < least:
            raise RecipeError(
                f"restore: expected int16 [N, {least} or more], got {samples.dtype} {list(samples.shape)}"
            )
        _check_size(samples.numel())
        whole = samples[:, : samples.shape[1] // hop * hop]
        mels = [self.mel(to_model_range(part.to(self.device))) for part in torch.split(whole, AT_ONCE)]
        return self.vocode(torch.cat(mels))


KINDS: dict[str, type[SoundGenerator | Vocoder]] = {"wavegan": SoundGenerator, "melgan": Vocoder}


def sound_model(stored: StoredModel, device: torch.device | str = "cpu") -> SoundGenerator | Vocoder:
    """The sound model of a stored model.

    Raises CheckpointError for a system that this version does not know, and for an invalid configuration.
    """
    kind = kind_of(str(stored.config["system"]))
    try:
        model = kind(stored)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: from torch, for invalid sizes
        raise CheckpointError(f"the configuration of this model is damaged: {quoted(str(error)):.200}") from error
    return model.to(device)


def stored_sound_model(
    tensors: Mapping[str, Tensor], *, system: str, settings: Mapping[str, Any], sound: Mapping[str, Any],
    classes: tuple[str, ...], steps: int, about: Mapping[str, Any],
) -> StoredModel:  # fmt: skip
    """The stored form of a sound model, with its card.

    tensors: of its generator, "generator.NAME". settings: of the system. sound: rate, length and mel settings. about:
    any JSON: experiment, paper, dataset, data_digest, metrics, seed, versions.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    prior = {"kind": "Uniform", "latent_dim": settings["latent_dim"]} if "latent_dim" in settings else {}
    config = {
        "format": FORMAT, "papergan": papergan.__version__, "system": system, "settings": dict(settings), "image": {},
        "sound": dict(sound), "prior": prior, "classes": list(classes), "conditional": False,
        "progress": {"step": steps}, "weights": "raw", "encoder": False, "digest": Weights(kept).digest,
        "about": dict(about),
    }  # fmt: skip
    kind = kind_of(system)
    return StoredModel(Weights(kept), config, sound_card(config, kind.task, kind.use))


def kind_of(system: str) -> type[SoundGenerator | Vocoder]:
    """The model class of a system. Raises CheckpointError for a system that makes no sounds."""
    if system not in KINDS:
        raise CheckpointError(f"system {quoted(system)} makes no sounds in this version: {' or '.join(KINDS)}")
    return KINDS[system]


def _check_size(count: int) -> None:
    if count > MOST_SAMPLES:
        raise RecipeError(
            f"at most {MOST_SAMPLES:,} samples at once, got {count:,}; give fewer sounds, or shorter ones"
        )
