"""A trained generator with its prior: samples, latents to images, interpolation, truncation, inversion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from papergan.data.memory import check_memory
from papergan.errors import CheckpointError, RecipeError
from papergan.game.priors import WithChoice, one_hot
from papergan.game.sampler import CHUNK, Sampler
from papergan.inference.description import describe
from papergan.inference.interpolation import latents_between
from papergan.inference.labels import Labels, Members, check_count, label_indices, member_indices
from papergan.inference.levels import at_level
from papergan.inference.model_folder import StoredModel, output_of, refuse_diverged
from papergan.inference.samples import Samples, images_as_given
from papergan.inference.store import restored, stored_progress, stored_spec
from papergan.inference.styles import StyleMethods
from papergan.inference.truncation import TruncatedSamplers

if TYPE_CHECKING:
    import numpy as np

    Array = Tensor | np.ndarray[Any, Any] | Sequence[float] | Sequence[Sequence[float]]


class Generator(StyleMethods):
    """A trained generator, ready to use. Sample i of a seed depends only on (seed, i).

    Neither the number of samples nor the batch size nor the device changes it, except for rounding.
    recipe, metrics, protocol: how it was trained and measured; {} if that was not stored. digest: SHA-256 of its
    weights.
    Raises CheckpointError if the stored weights do not fit the system that they name.
    """

    def __init__(self, stored: StoredModel, device: torch.device | str = "cpu") -> None:
        self.stored, config, about = stored, stored.config, stored.about
        refuse_diverged(config)
        if (output := output_of(config)) != "images":
            raise CheckpointError(f"this model, of system {config['system']!r}, makes {output}, and images are needed")
        self.system, self.digest = str(config["system"]), str(config["digest"])
        self.classes = tuple(map(str, config["classes"]))
        self.conditional = bool(config["conditional"])
        self.recipe, self.metrics, self.protocol = (dict(about.get(n, {})) for n in ("recipe", "metrics", "protocol"))
        self.image, self.progress = stored_spec(config), stored_progress(config)
        self.latent_dim = int(config["prior"]["latent_dim"])
        self.sampler, self.encoder = restored(stored, self.image)
        self._on_cpu = self.sampler.drawing_on_cpu()
        self._newest_chunk: tuple[tuple[int, int, float | None], tuple[Tensor, ...]] | None = None
        self.to(device)

    def to(self, device: torch.device | str) -> Generator:
        """Move the networks to a device."""
        self.device = torch.device(device)
        self.sampler.to(self.device)
        if self.encoder is not None:
            self.encoder.to(self.device)
        self._truncated = TruncatedSamplers(self.sampler, self.progress)
        return self

    def at_level(self, level: float) -> Generator:
        """The same at level n, images of 4 * 2^n pixels enlarged to full size, or n + alpha; see `levels.at_level`."""
        return Generator(at_level(self.stored, self.sampler.generator, level), self.device)

    @property
    def num_members(self) -> int:
        """The number of generators of a mixture, of which one makes each image; 0 if it is not a mixture."""
        prior = self._on_cpu.prior
        return prior.choices if isinstance(prior, WithChoice) and not self.conditional else 0

    def prepare(self, truncation: float | None, check: Callable[[], None] = lambda: None) -> None:
        """Re-estimate BatchNorm's statistics under a truncation, as its first use does; the newest 8 are kept.

        check: called after every batch of the estimate; it may raise, and the next call continues from there.
        Raises RecipeError as `stream` does for a truncation.
        """
        self._truncated.at(truncation, check)

    def sample(
        self, n: int = 1, *, seed: int = 0, labels: Labels = None, truncation: float | None = None,
        batch_size: int = 256,
    ) -> Samples:  # fmt: skip
        """`n` samples, see `stream`; all are held in memory.

        Raises DataError if they do not fit.
        """
        check_count(n)
        each = 9 * self.image.channels * self.image.size**2 + 8 * self.latent_dim  # float32, twice, and bytes
        check_memory(f"{n} samples at once", n * each, "take fewer, or use stream(), which holds one batch at a time")
        parts = self.stream(n, seed=seed, labels=labels, truncation=truncation, batch_size=batch_size)
        return Samples.join(list(parts))

    def stream(
        self, n: int, *, seed: int = 0, labels: Labels = None, truncation: float | None = None, batch_size: int = 256,
        first: int = 0,
    ) -> Iterator[Samples]:  # fmt: skip
        """Samples first to first + n - 1 of the stream of `seed`, in batches of at most `batch_size`.

        labels: a class by name or number, or several, which the samples take in turn; None = as the prior draws them.
        truncation: threshold of the latents (Brock et al. 2019, arXiv:1809.11096, section 3.1); BatchNorm's statistics
        are re-estimated under it; with styles psi, see `StyleGenerator`. None = no truncation.
        Raises RecipeError for an invalid count, a label that this generator does not know, more labels than samples, or
        a truncation that its prior does not support.
        """
        check_count(n)
        if first < 0 or batch_size < 1:
            raise RecipeError(f"expected first >= 0 and batch_size >= 1, got {first} and {batch_size}")
        chosen = self._labels(labels)
        if chosen is not None and len(chosen) > first + n:
            raise RecipeError(f"labels: {len(chosen)} of them for {n} samples; ask for as many samples")
        sampler = self._truncated.at(truncation)
        return self._stream(sampler, n, seed, chosen, truncation, batch_size, first)

    def _stream(
        self, sampler: Sampler, n: int, seed: int, chosen: Tensor | None, truncation: float | None, batch_size: int,
        first: int,
    ) -> Iterator[Samples]:  # fmt: skip
        for start in range(first, first + n, batch_size):
            stop = min(start + batch_size, first + n)
            latents = self._drawn(start, stop, seed, truncation)
            if chosen is not None:
                latents = self._on_cpu.with_choices(latents, chosen, start)
            yield self._decoded(sampler, latents, f"seed {seed}", start, truncation)

    def decode(
        self, latents: Array, *, labels: Labels = None, members: Members = None, truncation: float | None = None,
        batch_size: int = 256,
    ) -> Samples:  # fmt: skip
        """Images from given latents, float [N, Z] or [Z].

        labels: as for `sample`, in turn; required for a generator with classes. members: which generator of a mixture
        makes each, in turn; required for a mixture; `Samples.members` has those of samples.
        truncation: selects BatchNorm's statistics; the latents are used as given.
        Raises RecipeError for another shape, for numbers that are not finite, for labels and members that do not fit,
        and for a truncation as `stream` does.
        """
        z = self._checked(latents)
        chosen = self._choices("decode", labels, members)
        if chosen is not None:
            if len(chosen) > len(z):
                raise RecipeError(f"labels: {len(chosen)} of them for {len(z)} latents; give one for each")
            chosen = chosen[torch.arange(len(z)) % len(chosen)]
        return self._images_of(z, chosen, truncation, batch_size)

    def interpolate(
        self, a: Array, b: Array, *, steps: int = 9, mode: str = "prior", labels: Labels = None,
        members: Members = None, truncation: float | None = None,
    ) -> Samples:  # fmt: skip
        """Interpolated images between latents `a` and `b`, both ends included: `steps` for each pair, pair after pair.

        Only the latent changes, so neighbouring images are similar, or differ by a few dropout masks if the latent has
        noise for them. Classes and members of a mixture cannot be interpolated, and each pair keeps its own. labels,
        members: one for each pair, in turn, as for `decode`. a, b: [Z] or [N, Z]. mode: "slerp" (spherical), "linear",
        or "prior", as the prior defines it: slerp for Gaussian latents, else linear. truncation: as for `decode`; with
        latents from `sample(..., truncation=t)` both ends are those samples.
        Raises RecipeError as `decode` does, and if the two have different numbers of latents.
        """
        between = self.latents_between(a, b, steps=steps, mode=mode)
        chosen = self._choices("interpolate", labels, members)
        if chosen is not None:
            chosen = chosen[torch.arange(len(between) // steps) % len(chosen)].repeat_interleave(steps)
        return self._images_of(between, chosen, truncation)

    def latents_between(self, a: Array, b: Array, *, steps: int = 9, mode: str = "prior") -> Tensor:
        """The latents of `interpolate`, float32 [pairs * steps, Z]. Raises RecipeError as it does."""
        return latents_between(self._on_cpu.prior, self._checked(a), self._checked(b), steps=steps, mode=mode)

    @torch.no_grad()
    def invert(self, images: Array, *, batch_size: int = 256) -> Tensor:
        """Latents float32 [N, Z] of images, by the system's own encoder: the mean if it is stochastic.

        images: uint8 [N, H, W, C] or float [N, C, H, W] in [-1, 1], of the generator's size.
        Raises RecipeError if the system has no encoder, or for other images.
        """
        if self.encoder is None:
            raise RecipeError(f"system {self.system!r} has no encoder; those that invert images are ali, bigan and "
                              "bigan_mlp")  # fmt: skip
        given = torch.split(images_as_given(images, self.image), batch_size)
        return torch.cat([self.encoder.mean(part.float().to(self.device)).cpu() for part in given])

    def translate(self, images: Any, **how: Any) -> Samples:
        """Translate images, if this is a `Translator`; raises RecipeError for any other generator."""
        raise RecipeError(f"system {self.system!r} makes images from latents and translates none; use sample()")

    def __repr__(self) -> str:
        return describe(self)

    def _labels(self, labels: Labels) -> Tensor | None:
        if labels is not None and not self.conditional:
            raise RecipeError(f"labels: a generator of system {self.system!r} knows no classes; leave labels out")
        return label_indices(labels, self.classes, self.image.num_classes)

    def _choices(self, what: str, labels: Labels, members: Members) -> Tensor | None:
        """Indices of classes or of members that rows take in turn; None if the generator has neither."""
        classes, made_by = self._labels(labels), member_indices(members, self.num_members)
        if self.conditional and classes is None:
            raise RecipeError(f"{what}: this generator has classes; say which: labels=0, a name, or one for each")
        if self.num_members and made_by is None:
            raise RecipeError(f"{what}: this generator is a mixture of {self.num_members}; say which of them: "
                              "members=0, or those of samples, members=samples.members")  # fmt: skip
        return classes if self.conditional else made_by

    def _images_of(self, z: Tensor, chosen: Tensor | None, truncation: float | None, batch_size: int = 256) -> Samples:
        """Images from latents [N, Z] and the class or member of each, int64 [N]."""
        sampler = self._truncated.at(truncation)
        arguments = (z,) if chosen is None else (z, one_hot(chosen, self.num_members or self.image.num_classes))
        parts = zip(*(torch.split(part, batch_size) for part in arguments), strict=True)
        made = [self._decoded(sampler, one, "given latents", i * batch_size, truncation) for i, one in enumerate(parts)]
        return Samples.join(made)

    def _drawn(self, start: int, stop: int, seed: int, truncation: float | None) -> tuple[Tensor, ...]:
        """The generator's arguments for samples start to stop - 1 of this seed, on the CPU."""
        parts = []
        for chunk in range(start // CHUNK, -(-stop // CHUNK)):
            low, high = max(start - chunk * CHUNK, 0), min(stop - chunk * CHUNK, CHUNK)
            parts.append([part[low:high] for part in self._chunk(chunk, seed, truncation)])
        return tuple(torch.cat(rows) for rows in zip(*parts, strict=True))

    def _chunk(self, chunk: int, seed: int, truncation: float | None) -> tuple[Tensor, ...]:
        """The arguments of one chunk, on the CPU; the newest is cached, since several batches may lie in it."""
        key = (chunk, seed, truncation)
        if self._newest_chunk is None or self._newest_chunk[0] != key:
            drawn = self._on_cpu.latents(CHUNK, seed, "samples", chunk, progress=self.progress, truncation=truncation)
            self._newest_chunk = key, drawn
        return self._newest_chunk[1]

    def _checked(self, latents: Array) -> Tensor:
        z = torch.as_tensor(latents, dtype=torch.float32).detach().cpu()
        z = z[None] if z.dim() == 1 else z
        if z.dim() != 2 or z.shape[1] != self.latent_dim or not len(z) or not bool(z.isfinite().all()):
            raise RecipeError(f"latents: expected finite numbers [N, {self.latent_dim}], got {list(z.shape)}")
        return z

    def _decoded(
        self, sampler: Sampler, arguments: tuple[Tensor, ...], what: str, first: int, truncation: float | None
    ) -> Samples:
        images = sampler.decode(*(part.to(self.device) for part in arguments), truncation=truncation)
        chosen = arguments[1].argmax(1) if len(arguments) > 1 else None
        return self._samples(images, arguments[0], what, first, chosen)

    def _facts(self, caption: str) -> dict[str, str]:
        return {"Description": caption, "Software": f"papergan {self.stored.config['papergan']}", "Model": self.digest}

    def _samples(
        self, images: Tensor, latents: Tensor, what: str, first: int = 0, chosen: Tensor | None = None
    ) -> Samples:
        about = self.stored.about
        caption = f"{about.get('experiment', self.system)}, trained on {about.get('dataset', '?')}; {what}"
        return Samples(
            images.clamp(-1, 1).cpu(), latents, chosen if self.conditional else None, self.classes, caption, first,
            self._facts(caption), chosen if self.num_members else None,
        )  # fmt: skip
