"""Scores of real images instead of samples, for comparison: held-out images, and copies of the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.image_features import SampleFeatures
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import Reference, References, reference_rows, train_and_test
from papergan.evaluation.scorecard import RealRow
from papergan.extractors.feature_extractor import Features
from papergan.metrics.random_subsets import resampled_rows


def real_rows(
    real: ImageSet,
    held_out: ImageSet | None,
    references: References,
    rules: EvaluationRules,
    device: torch.device | str = "cpu",
    should_stop: Callable[[], bool] | None = None,
    validation: ImageSet | None = None,
    *,
    conditional: bool = False,
) -> tuple[RealRow, ...]:
    """Scores of held-out images, if any, and of copies of the reference, as many of each as samples of a model.

    Held-out images are drawn without replacement; if there are fewer than `rules.num_samples`, all are used: the
    protocols then record this, and the row gets columns of its own. Copies are drawn with replacement, as by a
    generator that returns a random training image for every latent, and independently of the subset of real images
    that a metric uses: a copied image is only sometimes in that subset. A Parzen window on the test images is left
    out, since its likelihood would be taken at the same images.
    conditional: also the metrics of conditional generators, with each image's own class as its condition. A classifier
    is trained only for the row of training images, on as many of them as samples otherwise; drawn with replacement
    where the row is of copies.
    """
    split = rules.reference_split
    train, _ = train_and_test(split, real, held_out)
    other = {"train": "real test set", "test": "real training set"}[split]
    rows = []
    evaluator = Evaluator((), references, real=real, held_out=held_out, validation=validation, device=device)
    copied = resampled_rows(len(real), rules.num_samples, rules.seed, "copies")
    for name, images in ((other, held_out), (f"{split} copies", real)):
        if images is None:
            continue
        taken = copied if images is real else reference_rows(len(images), rules.num_samples)
        mine = replace(rules, parzen_samples=rules.parzen_samples if images is train else 0)
        mine = mine.within(len(taken), len(real))
        features = {name: _features(held, taken, of_real=images is real) for name, held in references.items()}
        labels = images.labels[taken] if conditional else None
        samples = SampleFeatures(features, images.images[taken], len(taken), labels)
        metrics = evaluator.score_features(samples, mine, should_stop)
        if conditional and rules.cas_samples and images is train:
            drawn = resampled_rows(len(images), rules.cas_samples, rules.seed, "taught")
            if images is held_out:
                drawn = reference_rows(len(images), rules.cas_samples)
            metrics["cas"] = evaluator.classification_accuracy(images.taken(drawn, images.name), rules, should_stop)
        protocols = tuple(reference.protocol(mine) for reference in references.values())
        rows.append(RealRow(name=name, dataset=images.name, protocols=protocols, metrics=metrics))
    return tuple(rows)


def _features(reference: Reference, rows: Tensor, *, of_real: bool) -> Features:
    cached = reference.real if of_real else reference.held_out
    if cached is None:
        raise EvaluationError(f"the reference {reference.real.name} was made without held-out images; build it again")
    return Features(cached.features.features[rows], cached.features.logits[rows])
