"""Features of samples, computed by all ranks: chunk c of the stream by rank c mod N, joined in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.data.memory import read_into_memory
from papergan.distributed.extractors import extractors_of
from papergan.errors import EvaluationError, MemoryShortError, NotFiniteError, PaperganError
from papergan.evaluation.compute_metrics import extract_sample_features
from papergan.evaluation.image_features import SampleFeatures, extract_features
from papergan.evaluation.pixel_metrics import num_images_kept
from papergan.evaluation.protocol import Rules
from papergan.evaluation.reference import References, check_references
from papergan.extractors.feature_extractor import FeatureExtractor, Features
from papergan.extractors.inception import locate_inception_weights
from papergan.extractors.torchvision_inception import locate_torchvision_weights
from papergan.game.sampler import CHUNK, Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.random_subsets import kept_of
from papergan.training.memory import memory_errors
from papergan.training.numerics import numerics
from papergan.training.process_group import Command, ProcessGroup, current, device_here
from papergan.weights import Weights

Stop = Callable[[], bool] | None

_KNOWN = {kind.__name__: kind for kind in (NotFiniteError, MemoryShortError, EvaluationError)}


class Viewers:
    """The extractors of a recipe, on this rank and on every follower.

    Features do not depend on the number of ranks: chunks have a fixed size and seeds of their own, extractors see them
    in the same batches, and the rows are put back in order, so that scores are those of one process.
    """

    def __init__(self, recipe: Recipe, images: ImageSpec, domain_classifier: Weights) -> None:
        self.recipe, self.images, self.classifier = recipe, images, domain_classifier
        self.extractors = extractors_of(recipe.evaluation, device_here(recipe.training.device), domain_classifier)
        self._process_group, self._extractors_sent = current(), False

    def see(
        self,
        sampler: Sampler,
        references: References,
        rules: Rules,
        *,
        progress: Progress,
        should_stop: Stop = None,
        what: str = "samples",
    ) -> SampleFeatures:
        """Features of the samples that the rules ask for, by every extractor; raises as `extract_sample_features`."""
        size = self.recipe.evaluation.batch_size
        if self._process_group is None:
            stream = sampler.stream(rules.num_samples, seed=rules.seed, progress=progress, truncation=rules.truncation)
            return extract_sample_features(
                (to_pixels(batch, rules.quantisation) for batch in stream), self.extractors, references, rules,
                batch_size=size, should_stop=should_stop, what=what,
            )  # fmt: skip
        check_references(self.extractors, references)
        task = Task(sampler, self.extractors, rules, progress, size)
        self._tell(self._process_group, task)
        world, parts = self._process_group.world, []
        for wave in range(-(-task.chunks // world)):
            parts += _wave(self._process_group, task, wave, should_stop, f"{what}, from {wave * world * CHUNK} on")
        return _joined(parts)

    def _tell(self, process_group: ProcessGroup, task: Task) -> None:
        """Send the extractors, once, and the generator, every time, to the followers."""
        if not self._extractors_sent:
            process_group.broadcast(Command.LOAD_EXTRACTORS, content=self._extractors())
            self._extractors_sent = True
        process_group.broadcast(Command.LOAD_GENERATOR, content=task.to_content())

    def _extractors(self) -> dict[str, Any]:
        how, files = self.recipe.evaluation, {}
        if how.inception or how.inception64:
            files["inception_weights"] = locate_inception_weights(how.inception_weights, how.allow_download)
        if how.torchvision:
            files["torchvision_weights"] = locate_torchvision_weights(how.torchvision_weights, how.allow_download)
        read = {
            name: torch.frombuffer(bytearray(read_into_memory(path)), dtype=torch.uint8) for name, path in files.items()
        }
        images = self.images
        return {
            "recipe": self.recipe.model_dump_json(), "spec": [images.channels, images.size, images.num_classes],
            "classifier": dict(self.classifier.tensors), "about_classifier": dict(self.classifier.metadata),
            "files": read,
        }  # fmt: skip


class Task:
    """One evaluation of a generator: its samples, and the extractors and rules for them."""

    def __init__(
        self,
        sampler: Sampler,
        extractors: Sequence[FeatureExtractor],
        rules: Rules,
        progress: Progress,
        batch_size: int,
    ) -> None:
        self.sampler, self.extractors, self.rules = sampler, extractors, rules
        self.progress, self.batch_size = progress, batch_size

    @property
    def chunks(self) -> int:
        return -(-self.rules.num_samples // CHUNK)

    def look(self, chunk: int, should_stop: Stop = None, what: str = "samples") -> SampleFeatures:
        """Generate this chunk of the stream and extract its features."""
        rules, before = self.rules, chunk * CHUNK
        stream = self.sampler.stream(
            rules.num_samples, seed=rules.seed, progress=self.progress, truncation=rules.truncation, chunks=(chunk,)
        )
        return extract_features(
            (to_pixels(batch, rules.quantisation) for batch in stream), self.extractors,
            keep=self._kept_in(before, before + CHUNK), seed=rules.seed, first=before, batch_size=self.batch_size,
            total=min(CHUNK, rules.num_samples - before), should_stop=should_stop, what=what,
        )  # fmt: skip

    def _kept_in(self, start: int, stop: int) -> int:
        """The number of images to keep of this part of the stream, by the draw from the whole of it."""
        rules = self.rules
        kept = kept_of(rules.num_samples, num_images_kept(rules), rules.seed)
        return int(((kept >= start) & (kept < stop)).sum())

    def to_content(self) -> dict[str, Any]:
        """The task as a message, without the extractors, which the followers have."""
        return {
            "weights": self.sampler.state_dict(), "progress": list(self.progress), "batch_size": self.batch_size,
            "rules": asdict(self.rules),
        }  # fmt: skip


class Share:
    """The evaluation of a follower: the extractors that it was sent, and the latest generator."""

    def __init__(self, process_group: ProcessGroup, content: dict[str, Any]) -> None:
        self.process_group = process_group
        self.recipe = Recipe.model_validate_json(content["recipe"])
        device = device_here(self.recipe.training.device)
        classifier = Weights(content["classifier"], content["about_classifier"])
        with in_memory(content["files"]) as places:
            how = self.recipe.evaluation.model_copy(update={**places, "allow_download": False})
            self.extractors = extractors_of(how, device, classifier)
        game = systems.build(
            self.recipe.system, ImageSpec(*content["spec"]), self.recipe.overrides, seed=self.recipe.seed
        ).to(device)
        self.sampler = game.sampler(averaged=False).requires_grad_(False).eval()
        self._task: Task | None = None

    def load_generator(self, content: dict[str, Any]) -> None:
        """Load a generator, whose samples are evaluated from now on."""
        self.sampler.load_state_dict(content["weights"])
        progress, rules = Progress(*content["progress"]), Rules(**content["rules"])
        self._task = Task(self.sampler, self.extractors, rules, progress, content["batch_size"])

    def features(self, wave: int) -> dict[str, Any] | None:
        """The features of this rank's chunk of the wave, or its error; None where the wave ends before it."""
        assert self._task is not None
        how = self.recipe.training
        chunk = wave * self.process_group.world + self.process_group.rank
        if chunk >= self._task.chunks:
            return None
        memory = memory_errors("looking at samples", f"lower evaluation.batch_size (now {self._task.batch_size})")
        try:
            with numerics(how.precision, deterministic=how.deterministic), memory:
                seen = self._task.look(chunk)
        except PaperganError as error:
            return {"error": type(error).__name__, "message": f"{self.process_group}: {error}"}
        return {
            "pixels": seen.pixels, "count": seen.count,
            "features": {name: rows.features for name, rows in seen.features.items()},
            "logits": {name: rows.logits for name, rows in seen.features.items()},
        }  # fmt: skip


def _wave(process_group: ProcessGroup, task: Task, wave: int, should_stop: Stop, what: str) -> list[SampleFeatures]:
    """One chunk by each rank, in order. Where one fails or is stopped, the others' are received nevertheless."""
    first = wave * process_group.world
    error: PaperganError | None = None
    with process_group.exchange():
        process_group.broadcast(Command.EXTRACT_FEATURES, wave)
        parts = []
        try:
            parts.append(task.look(first, should_stop, what))
        except PaperganError as own:
            error = own
        for rank in range(1, min(process_group.world, task.chunks - first)):
            answer = process_group.receive_from(rank)
            if "error" in answer:
                error = error or _KNOWN.get(answer["error"], PaperganError)(answer["message"])
            else:
                parts.append(_seen(answer))
    if error is not None:
        raise error
    return parts


def _seen(answer: dict[str, Any]) -> SampleFeatures:
    features = {name: Features(rows, answer["logits"][name]) for name, rows in answer["features"].items()}
    return SampleFeatures(features, answer["pixels"], answer["count"])


def _joined(parts: Sequence[SampleFeatures]) -> SampleFeatures:
    rows = {
        name: Features(
            *(torch.cat([getattr(part.features[name], what) for part in parts]) for what in Features._fields)
        )
        for name in parts[0].features
    }
    kept = [part.pixels for part in parts if len(part.pixels)]
    return SampleFeatures(rows, torch.cat(kept) if kept else parts[0].pixels, sum(part.count for part in parts))


@contextmanager
def in_memory(files: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """Paths of files with these bytes in memory, since followers do not write to disk; removed after the block."""
    places = {}
    with ExitStack() as opened:
        for name, content in files.items():
            file = opened.enter_context(os.fdopen(os.memfd_create(name), "wb"))
            file.write(content.numpy().data)
            file.flush()
            places[name] = f"/proc/self/fd/{file.fileno()}"
        yield places
