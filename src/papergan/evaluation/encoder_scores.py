"""The scores of a game that reads real images: of its categorical code, its features, its reconstructions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.data.images import ImageSet, ImageSplits
from papergan.evaluation.compute_metrics import MetricValues
from papergan.extractors.feature_extractor import batches_of
from papergan.game.game import EncoderOutput, Game
from papergan.image_range import to_model_range
from papergan.metrics.encoder import code_error, nearest_neighbour_accuracy, reconstruction_error

Stop = Callable[[], bool] | None


def score_encoder(game: Game, images: ImageSplits, *, batch_size: int, should_stop: Stop = None) -> MetricValues:
    """Every score of the game's encoder: training images are the known ones, test images those that are judged.

    Nothing where the game has none. `code_error` where it reads a categorical code, `encoder_1nn_accuracy`, both of
    images with classes alone; `reconstruction_error` where it inverts the generator, which is the raw one.
    In evaluation mode, images without augmentation. Raises EvaluationStopped once `should_stop()` is true.
    """
    if game.encoder is None:
        return {}
    test, scores = encode(game, images.test, batch_size, should_stop), {}
    if images.test.classes:
        known = encode(game, images.train, batch_size, should_stop)
        labels = images.test.labels, images.train.labels
        if test.logits is not None and known.logits is not None:
            codes, known_codes = test.logits.argmax(1), known.logits.argmax(1)
            scores["code_error"] = code_error(codes, labels[0], known_codes, labels[1])
        features, known_features = test.features.to(game.device), known.features.to(game.device)
        scores["encoder_1nn_accuracy"] = nearest_neighbour_accuracy(features, labels[0], known_features, labels[1])
    if test.latent is not None:
        shown = decode(game, test.latent, batch_size, should_stop)
        scores["reconstruction_error"] = reconstruction_error(to_model_range(images.test.images), shown)
    return scores


@torch.no_grad()
def encode(game: Game, images: ImageSet, batch_size: int, should_stop: Stop = None) -> EncoderOutput:
    """What the game's encoder reads from all of these images, float32 on the host, in evaluation mode."""
    assert game.encoder is not None
    network = game.networks[game.encoder]
    parts: list[EncoderOutput] = []
    was_training = network.training
    network.eval()
    try:
        for batch in batches_of(images.images, batch_size, should_stop, what=f"{images.name} by the encoder"):
            shown = to_model_range(batch.to(game.device)).contiguous(memory_format=torch.channels_last)
            parts.append(EncoderOutput(*(None if one is None else one.float().cpu() for one in network.encode(shown))))  # type: ignore[arg-type, operator]
    finally:
        network.train(was_training)
    return EncoderOutput(*(None if one[0] is None else torch.cat(one) for one in zip(*parts, strict=True)))  # type: ignore[arg-type]


@torch.no_grad()
def decode(game: Game, latents: Tensor, batch_size: int, should_stop: Stop = None) -> Tensor:
    """The raw generator's images of latents [N, Z], float32 [N, C, S, S] in [-1, 1] on the host, in evaluation mode."""
    generator = game.networks[game.showcase.generator]
    was_training = generator.training
    generator.eval()
    try:
        batches = batches_of(latents, batch_size, should_stop, what="reconstructions")
        return torch.cat([generator(batch.to(game.device)).float().cpu() for batch in batches])
    finally:
        generator.train(was_training)
