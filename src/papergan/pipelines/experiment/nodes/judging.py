"""How well the discriminator tells real from generated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.evaluation.discriminator import discriminator_accuracy
from papergan.evaluation.features import batches_of
from papergan.game.game import Game
from papergan.game.knobs import Progress
from papergan.pixels import to_model_range


@torch.no_grad()
def judge(
    game: Game,
    real: ImageSet,
    *,
    count: int,
    seed: int,
    batch_size: int,
    progress: Progress,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, float]:
    """Accuracy of the showcase's discriminator on the first `count` real images and as many generated ones.

    Both networks as they move, not averaged, in evaluation mode; images without augmentation. Nothing for a
    discriminator that judges more than the image (a view), since its score is not one of the image alone.
    """
    if game.showcase.view is not None:
        return {}
    discriminator = game.networks[game.showcase.discriminator]
    was_training = discriminator.training
    discriminator.eval()

    def scores(images: Tensor) -> Tensor:
        output = discriminator(images.contiguous(memory_format=torch.channels_last))
        return output.score.float().cpu()  # type: ignore[no-any-return]

    try:
        some = real.images[:count]
        fake_batches = batches_of(
            game.sampler(averaged=False).stream(len(some), seed=seed, progress=progress), batch_size, should_stop
        )
        fake = torch.cat([scores(batch) for batch in fake_batches])
        judged = [scores(to_model_range(batch.to(game.device))) for batch in batches_of(some, batch_size, should_stop)]
    finally:
        discriminator.train(was_training)
    return discriminator_accuracy(torch.cat(judged), fake).as_metrics()
