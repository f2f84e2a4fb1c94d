"""The scores of a game's encoder: of its categorical code, its features, its reconstructions."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSet, ImageSplits
from papergan.evaluation.compute_metrics import MetricValues
from papergan.extractors.feature_extractor import batches_of
from papergan.game.game import EncoderOutput, Game
from papergan.image_range import to_model_range
from papergan.metrics.encoder import code_error, nearest_neighbour_accuracy, reconstruction_error
from papergan.metrics.random_subsets import order

NORM_BATCHES = 100
Stop = Callable[[], bool] | None


def score_encoder(game: Game, images: ImageSplits, *, batch_size: int, should_stop: Stop = None) -> MetricValues:
    """Every score of the game's encoder: test images are evaluated, training images are the labelled references.

    Empty if the game has no encoder. `code_error` if it predicts a categorical code, and `encoder_1nn_accuracy`, both
    only for images with classes; `reconstruction_error` if it inverts the generator, here the raw generator.
    Images are not augmented. Raises EvaluationStopped once `should_stop()` is true.
    """
    if game.encoder is None:
        return {}
    encoder = settled_encoder(game, images.train, batch_size)
    test, scores = encode(encoder, images.test, batch_size, should_stop), MetricValues()
    if images.test.classes:
        known, labels = encode(encoder, images.train, batch_size, should_stop), images.test.labels
        if test.logits is not None and known.logits is not None:
            codes, known_codes = test.logits.argmax(1), known.logits.argmax(1)
            scores["code_error"] = code_error(codes, labels, known_codes, images.train.labels)
        features, known_features = test.features.to(game.device), known.features.to(game.device)
        scores["encoder_1nn_accuracy"] = nearest_neighbour_accuracy(
            features, labels, known_features, images.train.labels
        )
    if test.latent is not None:
        shown = decode(game, test.latent, batch_size, should_stop)
        scores["reconstruction_error"] = reconstruction_error(to_model_range(images.test.images), shown)
    return scores


@torch.no_grad()
def settled_encoder(game: Game, images: ImageSet, batch_size: int) -> nn.Module:
    """A copy of the game's encoder in evaluation mode, with BatchNorm statistics of real images alone.

    In training, a discriminator that encodes sees real and generated batches, each normalised separately; its running
    statistics are a mixture that fits neither. Here they become the mean over at most 100 batches.
    """
    assert game.encoder is not None
    encoder = copy.deepcopy(game.networks[game.encoder]).eval()
    norms = [module for module in encoder.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
        norm.train()
    rows = order(len(images), 0, "encoder batch norm")[: NORM_BATCHES * batch_size]
    for batch in torch.split(rows, batch_size) if norms else ():
        if len(batch) > 1:
            _encoded(encoder, images.images[batch])
    return encoder.eval()


@torch.no_grad()
def encode(encoder: nn.Module, images: ImageSet, batch_size: int, should_stop: Stop = None) -> EncoderOutput:
    """The encoder's output for all of these images, float32 on the host."""
    batches = batches_of(images.images, batch_size, should_stop, what=f"{images.name} by the encoder")
    columns = zip(*(_encoded(encoder, batch) for batch in batches), strict=True)
    return EncoderOutput(*(None if parts[0] is None else torch.cat(parts) for parts in columns))  # type: ignore[arg-type]


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


def _encoded(encoder: nn.Module, pixels: Tensor) -> EncoderOutput:
    device = next(encoder.parameters()).device
    shown = to_model_range(pixels.to(device)).contiguous(memory_format=torch.channels_last)
    read: EncoderOutput = encoder.encode(shown)  # type: ignore[operator]
    return EncoderOutput(*(None if one is None else one.float().cpu() for one in read))  # type: ignore[arg-type]
