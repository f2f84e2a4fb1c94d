"""Autoencoders that judge: shapes, sizes and formulas by hand; the encoder's weights from everywhere and nowhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.networks.autoencoders.autoencoder import Autoencoder, DeconvolutionalDecoder
from papergan.networks.autoencoders.began import ELUDecoder, ELUEncoder, VariationalAutoencoder
from papergan.networks.autoencoders.resnet18 import ResNet18Encoder

GREY = ImageSpec(1, 16)


def test_the_score_is_minus_the_mean_error_of_the_reconstruction():
    images = torch.tensor([[1.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 2.0]]).view(2, 1, 2, 2)
    half = nn.Module()
    half.forward = lambda images: images / 2
    for power, expected in ((1, [-0.3125, -0.25]), (2, [-0.140625, -0.25])):
        verdict = Autoencoder(half, nn.Identity(), power)(images)
        torch.testing.assert_close(verdict.score, torch.tensor(expected))
        torch.testing.assert_close(verdict.features[0], images / 2)
    with pytest.raises(ValueError, match="power 1 or 2, got 3"):
        Autoencoder(half, half, 3)


def test_an_autoencoder_that_keeps_everything_finds_nothing_wrong():
    assert Autoencoder(nn.Identity(), nn.Identity())(torch.randn(3, 1, 4, 4)).score.tolist() == [0, 0, 0]


def plain(size: int = 8) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(ELUEncoder(ImageSpec(1, size), 5, 2), DeconvolutionalDecoder(ImageSpec(1, size), 5, 2))


def test_a_way_between_codes_begins_and_ends_at_the_reconstructions():
    net = plain().train()
    start, end = torch.randn(2, 2, 1, 8, 8)
    ways = net.between(start, end, 5).unflatten(0, (2, 5))
    assert net.training
    net.eval()
    torch.testing.assert_close(ways[:, 0], net.decoder(net.encode(start)))
    torch.testing.assert_close(ways[:, -1], net.decoder(net.encode(end)))
    alone = net.between(start[1:], end[1:], 5)
    torch.testing.assert_close(ways[1], alone)  # whatever else is in the batch


def test_the_middle_between_an_image_and_its_mirror_belongs_to_neither():
    net, image = plain(), torch.randn(1, 1, 8, 8)
    there, back = net.between(image, image.flip(3), 3), net.between(image.flip(3), image, 3)
    torch.testing.assert_close(there[1], back[1])
    assert not torch.allclose(there[0], back[0])


def test_codes_of_one_image_have_no_way_between_them():
    net, image = plain(), torch.randn(1, 1, 8, 8)
    ways = net.between(image, image, 4)
    torch.testing.assert_close(ways, ways[:1].expand(4, -1, -1, -1))


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("decoder", [DeconvolutionalDecoder, ELUDecoder])
def test_codes_become_images_of_the_size_asked_for(size, decoder):
    assert decoder(ImageSpec(3, size), 5, 2)(torch.randn(2, 5)).shape == (2, 3, size, size)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_images_become_codes(size):
    assert ELUEncoder(ImageSpec(3, size), 7, 2)(torch.randn(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("network", [ELUEncoder, ELUDecoder, DeconvolutionalDecoder])
def test_other_sizes_are_refused(network):
    with pytest.raises(ValueError, match="times a power of 2"):
        network(ImageSpec(3, 20), 5, 2)


def test_the_elu_encoder_has_n_more_channels_at_each_halving():
    layers = [m for m in ELUEncoder(ImageSpec(3, 32), 64, 128).modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.stride[0]) for m in layers] == [
        (3, 128, 1),
        *[(128, 128, 1), (128, 256, 2)],
        *[(256, 256, 1), (256, 384, 2)],
        *[(384, 384, 1), (384, 384, 1)],
    ]


def test_the_elu_decoder_has_n_channels_throughout_and_no_last_activation():
    decoder = ELUDecoder(ImageSpec(3, 32), 64, 128)
    layers = [m for m in decoder.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in layers] == [(128, 128)] * 6 + [(128, 3)]
    assert isinstance(decoder.layers[-1], nn.Conv2d)


def variational() -> VariationalAutoencoder:
    torch.manual_seed(0)
    return VariationalAutoencoder(ELUEncoder(GREY, 2 * 3, 2), ELUDecoder(GREY, 3, 2))


def test_the_divergence_is_that_of_two_normal_laws():
    net, images = variational(), torch.randn(4, 1, 16, 16)
    mean, log_variance = net.encoder(images).chunk(2, dim=1)
    theirs = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(theirs, torch.distributions.Normal(0, 1)).sum(1).mean()
    torch.testing.assert_close(net(images).extras["divergence"], expected)


def test_a_code_is_drawn_while_training_and_is_the_mean_otherwise():
    net, images = variational(), torch.randn(4, 1, 16, 16)
    assert not torch.equal(net(images).score, net(images).score)
    assert torch.equal(net(images).features[0], net.encode(images))
    net.eval()
    assert torch.equal(net(images).score, net(images).score)
    torch.testing.assert_close(net(images).score, net.score(images, net.encode(images)))


def test_the_drawn_code_has_the_deviation_that_the_encoder_says():
    net = variational()
    net.encoder = nn.Module()
    net.encoder.forward = lambda images: torch.tensor([[1.0, 2.0, 3.0, 0.0, -2.0, -4.0]]).expand(len(images), 6)
    codes = []
    net.decoder.register_forward_pre_hook(lambda module, given: codes.append(given[0]))
    net(torch.zeros(20_000, 1, 16, 16)[:, :, :1].expand(-1, 1, 16, 16)[:4000])
    torch.testing.assert_close(codes[0].mean(0), torch.tensor([1.0, 2.0, 3.0]), atol=0.06, rtol=0)
    torch.testing.assert_close(codes[0].std(0), torch.tensor([0.0, -1.0, -2.0]).exp(), rtol=0.05, atol=0)


def test_weights_of_the_encoder_are_taken_from_a_file_and_its_first_layer_is_new(tmp_path):
    known = resnet18(weights=None)
    torch.save(known.state_dict(), tmp_path / "weights.pth")
    encoder = ResNet18Encoder(ImageSpec(1, 32), str(tmp_path / "weights.pth"))
    assert torch.equal(encoder.model.layer3[1].conv2.weight, known.layer3[1].conv2.weight)
    assert torch.equal(encoder.model.fc.weight, known.fc.weight)
    assert encoder.model.conv1.weight.shape == (64, 1, 7, 7)
    assert encoder(torch.randn(2, 1, 32, 32)).shape == (2, 512)


def test_what_is_no_weights_file_is_refused_in_one_line(tmp_path):
    torch.save({"layer1.weight": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("words")
    for name in ("other.pth", "list.pth", "text.pth", "missing.pth"):
        with pytest.raises(RecipeError) as caught:
            ResNet18Encoder(GREY, str(tmp_path / name))
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
        assert '"none"' in str(caught.value)
        assert len(str(caught.value)) < 700


def test_weights_that_cannot_be_fetched_are_not_replaced(monkeypatch, tmp_path):
    def unreachable(*given, **named):
        raise OSError("there is\nno network")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RecipeError, match=r"cannot be had \(there is no network\): give the path of a file"):
        ResNet18Encoder(GREY, "imagenet")
