"""Networks of the channel GAN: windows are convolutions, and what each output depends on."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv1d

from papergan.networks.fully_connected.channel import ChannelDiscriminator, ChannelGenerator, WindowedLinear


@pytest.mark.parametrize("window", [1, 3, 5])
def test_a_window_is_a_convolution_over_time(window):
    layer, signal = WindowedLinear(4, 6, window), torch.randn(2, 9, 4)
    weight = layer.weight.reshape(6, 4, window)
    expected = conv1d(signal.mT, weight, layer.bias, padding=window // 2).mT
    assert torch.allclose(layer(signal), expected, atol=1e-5)


@pytest.mark.parametrize(("windows", "reach"), [((1, 1, 1, 1), 0), ((5, 3, 3, 3), 5)])
def test_a_sample_depends_on_symbols_within_the_windows_and_on_the_pilot(windows, reach):
    generator = ChannelGenerator(3, 6, 16, windows)
    noise, sent, pilot = torch.randn(1, 16, 3), torch.randn(1, 14, 2, requires_grad=True), torch.randn(1, 6)
    pilot.requires_grad_()
    received = generator(noise, sent, pilot)
    assert received.shape == (1, 16, 2)
    received[0, 7].sum().backward()
    assert (sent.grad[0].abs().sum(1) > 0).nonzero().flatten().tolist() == list(range(7 - reach, min(14, 8 + reach)))
    assert pilot.grad.abs().min() > 0


def test_the_discriminator_has_one_score_for_a_signal():
    discriminator = ChannelDiscriminator(2, 8, (1, 1, 1, 1))
    received, sent, pilot = torch.randn(5, 7, 2), torch.randn(5, 7, 2), torch.randn(5, 2)
    score = discriminator(received, sent, pilot).score
    assert score.shape == (5,)
    single = [discriminator(received[:, t : t + 1], sent[:, t : t + 1], pilot).score for t in range(7)]
    assert torch.allclose(score, torch.stack(single).mean(0), atol=1e-5)
