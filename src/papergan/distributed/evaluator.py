"""The evaluator of an experiment; on several processes, each one extracts the features of some samples."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec, ImageSplits
from papergan.data.memory import read_into_memory
from papergan.errors import EvaluationError, MemoryShortError, NotFiniteError, PaperganError
from papergan.evaluation.evaluator import Evaluator, Stop
from papergan.evaluation.image_features import SampleFeatures, extract_features
from papergan.evaluation.pixel_metrics import num_images_kept
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import References, reference_and_held_out
from papergan.extractors.build import build_extractors, extractors_of, weight_files
from papergan.extractors.feature_extractor import FeatureExtractor, Features
from papergan.game.sampler import CHUNK, Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.random_subsets import kept_of
from papergan.training.memory import memory_errors
from papergan.training.numerics import numerics
from papergan.training.process_group import Command, ProcessGroup, current, device_here
from papergan.weights import Weights

_KNOWN = {kind.__name__: kind for kind in (NotFiniteError, MemoryShortError, EvaluationError)}


def evaluator_of(recipe: Recipe, images: ImageSplits, domain_classifier: Weights, references: References) -> Evaluator:
    """The evaluator of an experiment: of this process alone, or of all processes of its group."""
    settings, device, process_group = recipe.evaluation, device_here(recipe.training.device), current()
    extractors = extractors_of(settings, device, domain_classifier)
    real, held_out = reference_and_held_out(images, settings.reference)
    alone = Evaluator(
        extractors, references, real=real, held_out=held_out, validation=images.validation,
        conditional=systems.is_conditional(recipe.system, recipe.overrides), device=device,
        batch_size=settings.batch_size,
    )  # fmt: skip
    if process_group is None:
        return alone
    return DistributedEvaluator(alone, process_group, _evaluator_message(recipe, images.train.spec, domain_classifier))


class DistributedEvaluator(Evaluator):
    """An evaluator whose samples are generated, and their features extracted, by all processes of a group.

    Scores do not depend on the number of processes: chunks have a fixed size and seeds of their own, extractors get
    them in the same batches, and the rows are put back in order.
    """

    def __init__(self, alone: Evaluator, process_group: ProcessGroup, message: dict[str, Any]) -> None:
        """message: sent once to the followers, which build their extractors from it, see `FollowerEvaluator`."""
        super().__init__(
            alone.extractors, alone.references, real=alone.real, held_out=alone.held_out, validation=alone.validation,
            conditional=alone.conditional, device=alone.device, batch_size=alone.batch_size,
        )  # fmt: skip
        self._process_group, self._message = process_group, message
        self._extractors_sent = False

    def extract_sampler(
        self,
        sampler: Sampler,
        rules: EvaluationRules,
        *,
        progress: Progress,
        should_stop: Stop = None,
        what: str = "samples",
    ) -> SampleFeatures:
        """As `Evaluator.extract_sampler`: rank c mod N extracts chunk c of the stream; chunks are joined in order."""
        chunks = SampleChunks(sampler, self.extractors, rules, progress, self.batch_size)
        if not self._extractors_sent:
            self._process_group.broadcast(Command.LOAD_EXTRACTORS, content=self._message)
            self._extractors_sent = True
        self._process_group.broadcast(Command.LOAD_GENERATOR, content=chunks.to_content())
        world, parts = self._process_group.world, []
        for wave in range(-(-chunks.count // world)):
            parts += _wave(self._process_group, chunks, wave, should_stop, f"{what}, from {wave * world * CHUNK} on")
        return _joined(parts)


def _evaluator_message(recipe: Recipe, images: ImageSpec, domain_classifier: Weights) -> dict[str, Any]:
    """The message from which a `FollowerEvaluator` is built: followers do not read the disk."""
    files = {
        name: torch.frombuffer(bytearray(read_into_memory(path)), dtype=torch.uint8)
        for name, path in weight_files(recipe.evaluation).items()
    }
    return {
        "recipe": recipe.model_dump_json(),
        "spec": [images.channels, images.size, images.num_classes, None, images.frames],
        "classifier": dict(domain_classifier.tensors), "about_classifier": dict(domain_classifier.metadata),
        "files": files,
    }  # fmt: skip


@dataclass(frozen=True)
class SampleChunks:
    """The samples of one evaluation of a generator, in chunks that any process can generate by itself."""

    sampler: Sampler
    extractors: Sequence[FeatureExtractor]
    rules: EvaluationRules
    progress: Progress
    batch_size: int

    @property
    def count(self) -> int:
        return -(-self.rules.num_samples // CHUNK)

    def extract(self, chunk: int, should_stop: Stop = None, what: str = "samples") -> SampleFeatures:
        """Generate this chunk of the stream and extract its features."""
        rules, before = self.rules, chunk * CHUNK
        stream = self.sampler.stream(
            rules.num_samples, seed=rules.seed, progress=self.progress, truncation=rules.truncation, chunks=(chunk,)
        )
        kept = kept_of(rules.num_samples, num_images_kept(rules), rules.seed)  # of the whole stream
        return extract_features(
            (to_pixels(batch, rules.quantisation) for batch in stream), self.extractors,
            keep=int(((kept >= before) & (kept < before + CHUNK)).sum()), seed=rules.seed, first=before,
            batch_size=self.batch_size, total=min(CHUNK, rules.num_samples - before), should_stop=should_stop,
            what=what,
        )  # fmt: skip

    def to_content(self) -> dict[str, Any]:
        """The chunks as a message, without the extractors, which the followers already have."""
        return {
            "weights": self.sampler.state_dict(), "progress": list(self.progress), "batch_size": self.batch_size,
            "rules": asdict(self.rules),
        }  # fmt: skip


class FollowerEvaluator:
    """The evaluator of a follower: the extractors that it was sent, and the latest generator."""

    def __init__(self, process_group: ProcessGroup, content: dict[str, Any]) -> None:
        """content: the message of a `DistributedEvaluator`."""
        self.process_group = process_group
        self.recipe = Recipe.model_validate_json(content["recipe"])
        device = device_here(self.recipe.training.device)
        classifier = Weights(content["classifier"], content["about_classifier"])
        with in_memory(content["files"]) as places:
            settings = self.recipe.evaluation.model_copy(update={**places, "allow_download": False})
            self.extractors = build_extractors(settings, device, classifier)
        game = systems.build(
            self.recipe.system, ImageSpec(*content["spec"]), self.recipe.overrides, seed=self.recipe.seed
        ).to(device)
        self.sampler = game.sampler(averaged=False).requires_grad_(False).eval()
        self._chunks: SampleChunks | None = None

    def load_generator(self, content: dict[str, Any]) -> None:
        """Load a generator, whose samples are evaluated from now on."""
        self.sampler.load_state_dict(content["weights"])
        progress, rules = Progress(*content["progress"]), EvaluationRules(**content["rules"])
        self._chunks = SampleChunks(self.sampler, self.extractors, rules, progress, content["batch_size"])

    def features(self, wave: int) -> dict[str, Any] | None:
        """The features of this rank's chunk of the wave, or its error; None if the wave ends before this rank."""
        assert self._chunks is not None
        training = self.recipe.training
        chunk = wave * self.process_group.world + self.process_group.rank
        if chunk >= self._chunks.count:
            return None
        memory = memory_errors("evaluation", f"lower evaluation.batch_size (now {self._chunks.batch_size})")
        try:
            with numerics(training.precision, deterministic=training.deterministic), memory:
                samples = self._chunks.extract(chunk)
        except PaperganError as error:
            return {"error": type(error).__name__, "message": f"{self.process_group}: {error}"}
        return {
            "pixels": samples.pixels, "count": samples.count,
            "features": {name: rows.features for name, rows in samples.features.items()},
            "logits": {name: rows.logits for name, rows in samples.features.items()},
        }  # fmt: skip


def _wave(
    process_group: ProcessGroup, chunks: SampleChunks, wave: int, should_stop: Stop, what: str
) -> list[SampleFeatures]:
    """One chunk from each rank, in order. If one fails or is stopped, the others are received nevertheless."""
    first = wave * process_group.world
    error: PaperganError | None = None
    with process_group.exchange():
        process_group.broadcast(Command.EXTRACT_FEATURES, wave)
        parts = []
        try:
            parts.append(chunks.extract(first, should_stop, what))
        except PaperganError as own:
            error = own
        for rank in range(1, min(process_group.world, chunks.count - first)):
            answer = process_group.receive_from(rank)
            if "error" in answer:
                error = error or _KNOWN.get(answer["error"], PaperganError)(answer["message"])
            else:
                features = {name: Features(rows, answer["logits"][name]) for name, rows in answer["features"].items()}
                parts.append(SampleFeatures(features, answer["pixels"], answer["count"]))
    if error is not None:
        raise error
    return parts


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
    """Paths of in-memory files with these bytes, since followers do not write to disk; removed after the block."""
    places = {}
    with ExitStack() as opened:
        for name, content in files.items():
            file = opened.enter_context(os.fdopen(os.memfd_create(name), "wb"))
            file.write(content.numpy().data)
            file.flush()
            places[name] = f"/proc/self/fd/{file.fileno()}"
        yield places
