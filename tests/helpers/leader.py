"""What rank 0 of two does: it trains, and evaluates samples, with a follower; `two_ranks.py` runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.distributed import evaluator as distributed_evaluator
from papergan.distributed.evaluator import SampleChunks, evaluator_of
from papergan.errors import EvaluationStopped, NotFiniteError
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.image_features import SampleFeatures
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.extractors.build import extractors_of
from papergan.extractors.domain_classifier import KIND, DomainClassifier
from papergan.game.schedules import Progress
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.leader import Leader
from papergan.training.process_group import current
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer
from papergan.weights import Weights

SPEC = ImageSpec(3, 16, 3)
RECIPE = Recipe.parse(
    "pair",
    {
        "paper": "tahvili2025", "system": "dcgan", "dataset": "noise", "overrides": {"width": 4, "latent_dim": 4},
        "training": {"steps": 4, "batch_size": 8, "device": "cpu", "devices": 2},
        "evaluation": {
            "inception": False, "num_samples": 1700, "splits": 2, "similarity_pairs": 600, "batch_size": 300,
        },
    },
)  # fmt: skip


def images() -> ImageSet:
    pixels = torch.randint(0, 256, (24, 3, 16, 16), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    return ImageSet("noise", pixels, torch.arange(24) % 3, ("a", "b", "c"))


def classifier() -> Weights:
    torch.manual_seed(4)
    widths = [4, 4, 4]
    network = DomainClassifier(SPEC, widths)
    facts = {"kind": KIND, "classes": json.dumps(["a", "b", "c"]), "channels": "3", "size": "16"}
    return Weights(network.state_dict(), {**facts, "widths": json.dumps(widths)})


def training(folder: Path, steps: int, *, together: bool) -> Trainer:
    """Of the recipe's game, by both ranks or by this one alone."""
    process_group, some = current() if together else None, images()
    batches = Batches(
        some.images,
        some.labels,
        batch_size=8,
        seed=0,
        device="cpu",
        shard=None if process_group is None else process_group.rows,
    )
    about = {
        "recipe": RECIPE.model_dump_json(), "spec": [SPEC.channels, SPEC.size, SPEC.num_classes],
        "images": some.images, "labels": some.labels,
    }  # fmt: skip
    game = systems.build("dcgan", SPEC, RECIPE.overrides, seed=0).to("cpu")
    callbacks = Callbacks(leader=Leader(process_group, about))
    return Trainer(
        game, batches, TrainSettings(steps=steps, report_every=1), CheckpointStore(folder, "pair"), callbacks
    )


def trained(folder: Path, *, together: bool) -> dict[str, Any]:
    """Four steps, in two runs of two, so that the second one resumes."""
    for steps in (2, 4):
        run = training(folder, steps, together=together)
        run.run()
    rows = [{k: torch.tensor(v) for k, v in row.items() if k != "images_per_second"} for row in run.history.losses]
    return {"losses": dict(enumerate(rows)), "weights": dict(run.game.networks.state_dict())}


@contextmanager
def without_a_team() -> Iterator[None]:
    with patch.object(distributed_evaluator, "current", lambda: None):
        yield


def evaluated() -> dict[str, Any]:
    """Features of the same samples by both ranks and by one, and what is left after errors."""
    sampler = systems.build("dcgan", SPEC, RECIPE.overrides, seed=2).to("cpu").sampler(averaged=False)
    weights, rules = classifier(), RECIPE.evaluation.rules_while_training(0)
    extractor = extractors_of(RECIPE.evaluation, torch.device("cpu"), weights)[0]
    real = ImageFeatures.of(images(), extractor, 24)
    references = {extractor.name: Reference.between(ExtractorFacts.of(extractor), real, real, "train", 20)}
    how = RECIPE, ImageSplits(images(), images()), weights, references
    with without_a_team():
        alone = evaluator_of(*how)
    shared = evaluator_of(*how)

    def extract(evaluator: Evaluator, **more: Any) -> dict[str, torch.Tensor]:
        return rows(evaluator.extract_sampler(sampler, rules, progress=Progress(), **more))

    found: dict[str, Any] = {"alone": extract(alone), "together": extract(shared), "said": {}}
    to_content = SampleChunks.to_content

    def spoilt(chunks: SampleChunks) -> dict[str, Any]:
        content = to_content(chunks)
        return {**content, "weights": {k: v * torch.nan for k, v in content["weights"].items() if v.is_floating_point()}
                | {k: v for k, v in content["weights"].items() if not v.is_floating_point()}}  # fmt: skip

    try:
        with patch.object(SampleChunks, "to_content", spoilt):
            extract(shared)
    except NotFiniteError as error:
        found["said"]["not finite"] = str(error)
    try:
        extract(shared, should_stop=lambda: True)
    except EvaluationStopped as error:
        found["said"]["stopped"] = str(error)
    return {**found, "again": extract(shared)}


def rows(samples: SampleFeatures) -> dict[str, torch.Tensor]:
    (features,) = samples.features.values()
    return {
        "features": features.features, "logits": features.logits, "pixels": samples.pixels,
        "count": torch.tensor(samples.count),
    }  # fmt: skip


def lead(folder: Path) -> dict[str, Any]:
    """Everything that tests look at."""
    return {
        "together": trained(folder / "together", together=True), "alone": trained(folder / "alone", together=False),
        "evaluated": evaluated(),
    }  # fmt: skip
