"""Samples drawn and looked at by all processes: chunk c of the stream by rank c mod N, put together in order."""

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
from papergan.training.process_group import ProcessGroup, Verb, current, device_here
from papergan.weights import Weights

Stop = Callable[[], bool] | None

_KNOWN = {kind.__name__: kind for kind in (NotFiniteError, MemoryShortError, EvaluationError)}


class Viewers:
    """The extractors of a recipe, on this process and, where there are others, on each of them.

    What is seen does not depend on how many look: chunks have a fixed size and seeds of their own, extractors see them
    in the same batches, and the rows are put back in order, so that scores are those of one process.
    """

    def __init__(self, recipe: Recipe, images: ImageSpec, domain_classifier: Weights) -> None:
        self.recipe, self.images, self.classifier = recipe, images, domain_classifier
        self.extractors = extractors_of(recipe.evaluation, device_here(recipe.training.device), domain_classifier)
        self._team, self._told = current(), False

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
        """The samples that the rules ask for, by every extractor; raises what `extract_sample_features` does."""
        size = self.recipe.evaluation.batch_size
        if self._team is None:
            stream = sampler.stream(rules.num_samples, seed=rules.seed, progress=progress, truncation=rules.truncation)
            return extract_sample_features(
                (to_pixels(batch, rules.quantisation) for batch in stream), self.extractors, references, rules,
                batch_size=size, should_stop=should_stop, what=what,
            )  # fmt: skip
        check_references(self.extractors, references)
        task = Task(sampler, self.extractors, rules, progress, size)
        self._tell(self._team, task)
        world, parts = self._team.world, []
        for wave in range(-(-task.chunks // world)):
            parts += _wave(self._team, task, wave, should_stop, f"{what}, from {wave * world * CHUNK} on")
        return _joined(parts)

    def _tell(self, team: ProcessGroup, task: Task) -> None:
        """Give the followers what they need; extractors once, the generator every time."""
        if not self._told:
            team.tell(Verb.LOOK, content=self._extractors())
            self._told = True
        team.tell(Verb.SAMPLE, content=task.to_content())

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
    """What is drawn and how it is looked at."""

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
        """Draw this chunk of the stream and look at it."""
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
        """How many images of the draw from the whole stream lie in this part of it, which then keeps just these."""
        rules = self.rules
        kept = kept_of(rules.num_samples, num_images_kept(rules), rules.seed)
        return int(((kept >= start) & (kept < stop)).sum())

    def to_content(self) -> dict[str, Any]:
        """For the followers: everything but the extractors, which they have."""
        return {
            "weights": self.sampler.state_dict(), "progress": list(self.progress), "batch_size": self.batch_size,
            "rules": asdict(self.rules),
        }  # fmt: skip


class Share:
    """A follower's part in looking: the extractors that it was given, and the generator it was told of last."""

    def __init__(self, team: ProcessGroup, told: dict[str, Any]) -> None:
        self.team = team
        self.recipe = Recipe.model_validate_json(told["recipe"])
        device = device_here(self.recipe.training.device)
        classifier = Weights(told["classifier"], told["about_classifier"])
        with in_memory(told["files"]) as places:
            how = self.recipe.evaluation.model_copy(update={**places, "allow_download": False})
            self.extractors = extractors_of(how, device, classifier)
        game = systems.build(
            self.recipe.system, ImageSpec(*told["spec"]), self.recipe.overrides, seed=self.recipe.seed
        ).to(device)
        self.sampler = game.sampler(averaged=False).requires_grad_(False).eval()
        self._task: Task | None = None

    def take_up(self, told: dict[str, Any]) -> None:
        """Look at samples of these weights from now on."""
        self.sampler.load_state_dict(told["weights"])
        progress, rules = Progress(*told["progress"]), Rules(**told["rules"])
        self._task = Task(self.sampler, self.extractors, rules, progress, told["batch_size"])

    def seen(self, wave: int) -> dict[str, Any] | None:
        """What this rank's chunk of the wave looks like, or the error to tell; None where the wave ends before it."""
        assert self._task is not None
        how = self.recipe.training
        chunk = wave * self.team.world + self.team.rank
        if chunk >= self._task.chunks:
            return None
        memory = memory_errors("looking at samples", f"lower evaluation.batch_size (now {self._task.batch_size})")
        try:
            with numerics(how.precision, deterministic=how.deterministic), memory:
                seen = self._task.look(chunk)
        except PaperganError as error:
            return {"error": type(error).__name__, "message": f"{self.team}: {error}"}
        return {
            "pixels": seen.pixels, "count": seen.count,
            "features": {name: rows.features for name, rows in seen.features.items()},
            "logits": {name: rows.logits for name, rows in seen.features.items()},
        }  # fmt: skip


def _wave(team: ProcessGroup, task: Task, wave: int, should_stop: Stop, what: str) -> list[SampleFeatures]:
    """One chunk by each rank, in order. Where one fails or is stopped, the others' are taken in nevertheless."""
    first = wave * team.world
    error: PaperganError | None = None
    with team.exchange():
        team.tell(Verb.SEE, wave)
        parts = []
        try:
            parts.append(task.look(first, should_stop, what))
        except PaperganError as own:
            error = own
        for rank in range(1, min(team.world, task.chunks - first)):
            answer = team.take_in(rank)
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
    """Paths of files with these bytes that are on no disk, since followers leave it alone; gone after the block."""
    places = {}
    with ExitStack() as opened:
        for name, content in files.items():
            file = opened.enter_context(os.fdopen(os.memfd_create(name), "wb"))
            file.write(content.numpy().data)
            file.flush()
            places[name] = f"/proc/self/fd/{file.fileno()}"
        yield places
