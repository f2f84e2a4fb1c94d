"""Metrics of the discriminator: its accuracy, and how it separates training images from held-out ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.data.images import ImageSet, ImageSplits
from papergan.extractors.feature_extractor import batches_of
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.image_range import to_model_range
from papergan.metrics.discriminator import discriminator_accuracy
from papergan.metrics.membership import membership_auc
from papergan.metrics.random_subsets import random_rows

PURPOSE = "judged"  # in the seed of the random subset; changing it would change the subset


@torch.no_grad()
def measure_discriminator(
    game: Game,
    images: ImageSplits,
    *,
    count: int,
    seed: int,
    batch_size: int,
    progress: Progress,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, float]:
    """Accuracy and gaps of the showcase's discriminator on `count` training, held-out and generated images each.

    Real images are drawn by `seed`, since sets may be sorted by class. Both networks are the raw ones, not averaged, in
    evaluation mode; images without augmentation. Nothing for a discriminator of more than the image,
    since its score is not one of the image alone, and for one whose scores are vectors, of which none is higher.
    """
    if game.showcase.discriminator_input is not None:
        return {}
    discriminator = game.networks[game.showcase.discriminator]
    was_training = discriminator.training
    discriminator.eval()

    def scores(images: Tensor) -> Tensor:
        output = discriminator(images.contiguous(memory_format=torch.channels_last))
        return output.score.float().cpu()  # type: ignore[no-any-return]

    def of_real(real: ImageSet, split: str) -> Tensor:
        some = real.images[random_rows(len(real), count, seed, PURPOSE, split)]
        batches = batches_of(some, batch_size, should_stop, what=f"{real.name} by the discriminator")
        return torch.cat([scores(to_model_range(batch.to(game.device))) for batch in batches])

    try:
        stream = game.sampler(averaged=False).stream(min(count, len(images.train)), seed=seed, progress=progress)
        fake = torch.cat([scores(part) for part in batches_of(stream, batch_size, should_stop, what="samples")])
        if fake.ndim > 1:
            return {}
        train, held_out = of_real(images.train, "train"), of_real(images.test, "test")
    finally:
        discriminator.train(was_training)
    return {
        **discriminator_accuracy(train, fake).as_metrics(),
        "discriminator_held_out_gap": float(train.double().mean() - held_out.double().mean()),
        "membership_auc": membership_auc(train, held_out),
    }
