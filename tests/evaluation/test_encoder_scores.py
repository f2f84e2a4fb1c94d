"""The scores of a game that reads images: which it has, and under which statistics."""

from __future__ import annotations

import pytest
import torch

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSet, ImageSplits
from papergan.evaluation.encoder_scores import encode, score_encoder, settled_encoder
from papergan.game.game import EncoderOutput
from papergan.image_range import to_model_range
from papergan.metrics.encoder import reconstruction_error
from papergan.metrics.registry import METRICS

NAMES = {"code_error", "encoder_1nn_accuracy", "reconstruction_error"}


def toy(classes: tuple[str, ...] = ("dark", "light")) -> ImageSplits:
    """Dark and light images, with noise."""
    draw = torch.Generator().manual_seed(0)

    def split(name: str, count: int) -> ImageSet:
        labels = torch.arange(count) % 2
        pixels = torch.randint(0, 60, (count, 1, 16, 16), generator=draw) + 180 * labels[:, None, None, None]
        return ImageSet(name, pixels.to(torch.uint8), labels, classes)

    return ImageSplits(split("toy/train", 60), split("toy/test", 20))


def game_of(name: str):
    return systems.build(name, toy().train.spec, small(name), seed=0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("infogan", {"code_error", "encoder_1nn_accuracy"}),
        ("bigan_mlp", {"encoder_1nn_accuracy", "reconstruction_error"}),
        ("bigan", {"encoder_1nn_accuracy", "reconstruction_error"}),
        ("ali", {"encoder_1nn_accuracy", "reconstruction_error"}),
        ("dcgan", set()),
    ],
)
def test_every_game_has_the_scores_of_what_it_reads(name: str, expected: set[str]) -> None:
    scores = score_encoder(game_of(name), toy(), batch_size=16)
    assert set(scores) == expected
    assert expected <= NAMES <= set(METRICS)
    if "encoder_1nn_accuracy" in scores:
        assert scores["encoder_1nn_accuracy"] == 1.0  # light and dark are apart in any features


def test_images_without_classes_have_no_scores_of_labels() -> None:
    assert set(score_encoder(game_of("infogan"), toy(()), batch_size=16)) == set()
    assert set(score_encoder(game_of("bigan_mlp"), toy(()), batch_size=16)) == {"reconstruction_error"}


def test_a_reconstruction_is_that_of_the_raw_networks() -> None:
    game, images = game_of("bigan_mlp"), toy()
    latents = settled_encoder(game, images.train, 60).mean(to_model_range(images.test.images))
    shown = game.networks["generator"].eval()(latents)
    expected = reconstruction_error(to_model_range(images.test.images), shown)
    assert score_encoder(game, images, batch_size=60)["reconstruction_error"] == pytest.approx(expected)


def test_what_codes_stand_for_is_read_from_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(encoder: object, images: ImageSet, *rest: object) -> EncoderOutput:
        light = (images.images.float().mean((1, 2, 3)) > 100).long()
        return EncoderOutput(light[:, None].float(), logits=torch.nn.functional.one_hot(light, 2).float())

    monkeypatch.setattr("papergan.evaluation.encoder_scores.encode", read)
    images = toy()
    swapped = ImageSet("toy/test", images.test.images, 1 - images.test.labels, images.test.classes)
    scores = score_encoder(game_of("infogan"), ImageSplits(images.train, swapped), batch_size=16)
    assert scores == {"code_error": 1.0, "encoder_1nn_accuracy": 0.0}


def test_statistics_are_of_real_images_and_the_game_is_left_as_it_was() -> None:
    game, images = game_of("infogan"), toy()
    before = {name: tensor.clone() for name, tensor in game.networks.state_dict().items()}
    settled = settled_encoder(game, images.train, 60)
    assert not settled.training
    assert game.networks["discriminator"].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in game.networks.state_dict().items())
    game.networks["discriminator"].train()  # one batch of all images, normalised by itself
    by_itself = game.networks["discriminator"].encode(to_model_range(images.train.images)).logits
    torch.testing.assert_close(encode(settled, images.train, 7).logits, by_itself, rtol=0.05, atol=0.02)


def test_an_encoder_that_does_not_exist_is_refused() -> None:
    game = game_of("dcgan")
    with pytest.raises(ValueError, match="images are encoded by 'reader'"):
        type(game)(game.networks, game.players, game.turns, encoder="reader")
