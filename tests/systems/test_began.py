"""The thesis's training step, written out in plain torch from its description, beside papergan's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step

STEPS, BATCH, LATENT = 20, 2, 48


class PlainAutoencoder(nn.Module):
    """A ResNet18 up to its averages, then linear to 512 maps of 4x4 and four doublings."""

    def __init__(self):
        super().__init__()
        self.net = resnet18(weights=None)
        self.net.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.decode = PlainDecoder(512)

    def forward(self, x):
        n = self.net
        x = n.maxpool(torch.relu(n.bn1(n.conv1(x))))
        for layer in (n.layer1, n.layer2, n.layer3, n.layer4):
            x = layer(x)
        return self.decode(n.avgpool(x).flatten(1))


class PlainDecoder(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.fc = nn.Linear(inputs, 512 * 16)
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in (512, 256, 128, 64))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((512, 256), (256, 128), (128, 64), (64, 1))
        )

    def forward(self, code):
        x = self.fc(code).view(-1, 512, 4, 4)
        for norm, up in zip(self.norms, self.ups, strict=True):
            x = up(torch.relu(norm(x)))
        return torch.tanh(x)


def take_weights(plain: nn.Module, ours: nn.Module) -> None:
    """By position: both register the same tensors of the same shapes, linear, norms and convolutions interleaved."""
    assert [tuple(a.shape) for a in ours] == [tuple(b.shape) for b in plain]
    with torch.no_grad():
        for to, source in zip(plain, ours, strict=True):
            to.copy_(source)


def of_decoder(decoder) -> list[torch.Tensor]:
    """Weights in one order for both."""
    if isinstance(decoder, PlainDecoder):
        layers = [layer for pair in zip(decoder.norms, decoder.ups, strict=True) for layer in pair]
    else:
        layers = [layer for layer in decoder.deconv if not isinstance(layer, nn.ReLU | nn.Tanh)]
    return [decoder.fc.weight, decoder.fc.bias, *(t for layer in layers for t in (layer.weight, layer.bias))]


def plain_steps(game, batches, latents):
    """The listing's loop: D_loss, G_loss, k and M after every step."""
    generator, autoencoder = PlainDecoder(LATENT), PlainAutoencoder()
    judge = game.networks["discriminator"]
    take_weights(of_decoder(generator), of_decoder(game.networks["generator"]))
    take_weights(of_decoder(autoencoder.decode), of_decoder(judge.decoder))
    autoencoder.net.load_state_dict(copy.deepcopy(judge.encoder.model.state_dict()))
    of_generator = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.5, 0.999), fused=True)
    of_autoencoder = torch.optim.Adam(autoencoder.parameters(), lr=1e-5, betas=(0.5, 0.999), fused=True)
    k, rows, latents = 0.0, [], iter(latents)

    def errors(x):
        return (x - autoencoder(x)).abs().mean(dim=(1, 2, 3))

    for real in batches:
        with torch.no_grad():
            fake = generator(next(latents))
        of_reals, of_fakes = errors(real), errors(fake)
        difference = of_reals.mean() - k * of_fakes.mean()
        of_autoencoder.zero_grad()
        difference.backward()
        of_autoencoder.step()

        of_new_fakes = errors(generator(next(latents)))
        of_generator.zero_grad()
        of_new_fakes.mean().backward()
        of_generator.step()

        real_error, fake_error = of_reals.double().mean().item(), of_new_fakes.double().mean().item()
        balance = 0.5 * real_error - fake_error
        k = max(min(k + 0.001 * balance, 1.0), 0.0)
        rows.append([difference.item(), of_new_fakes.mean().item(), k, real_error + abs(balance)])
    return torch.tensor(rows)


def compared():
    """What papergan reports of 20 steps, and what the loop of the listing prints.

    With the same kernels and sums of the same order: the weights are so small at first that a rounding error becomes
    ten times as large in every step.
    """
    game = systems.build("began", ImageSpec(1, 64, 10), {"encoder_weights": "none"}, seed=0)
    generator = torch.Generator().manual_seed(1)
    sizes = [BATCH] * (STEPS - 1) + [1]  # the last batch of an epoch is smaller
    batches = [torch.rand(size, 1, 64, 64, generator=generator) * 2 - 1 for size in sizes]
    latents, prior = [], game.networks["prior"]
    start = copy.deepcopy(game)
    prior.register_forward_hook(lambda module, inputs, output: latents.append(output[0].clone()))
    rows = []
    for step, real in enumerate(batches):
        torch.manual_seed(step)
        report = training_step(game, [{"image": real}], Progress(step))
        names = ("discriminator.discriminator_loss", "generator.generator_loss", "equilibrium.k", "equilibrium.measure")
        rows.append([float(report[name]) for name in names])
    return torch.tensor(rows), plain_steps(start, batches, latents), latents


@pytest.mark.slow  # quicker: systems/test_golden.py
def test_twenty_steps_are_those_of_the_listing():
    ours, theirs, latents = compared()
    assert len(latents) == 2 * STEPS  # new ones for the generator's move
    assert theirs[-1, 2] > 1e-3  # k has moved
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


def test_the_networks_are_of_the_documents_size():
    networks = systems.build("began", ImageSpec(1, 64, 10), {"encoder_weights": "none"}, seed=0).networks
    count = {name: sum(w.numel() for w in net.parameters()) for name, net in networks.items()}
    assert count["generator"] == 3_157_313
    assert sum(w.numel() for w in networks["discriminator"].decoder.parameters()) == 6_958_401
    assert sum(w.numel() for w in networks["discriminator"].encoder.model.fc.parameters()) == 513_000


def test_the_initialisation_is_the_documents():
    networks = systems.build("began", ImageSpec(1, 64, 10), {"encoder_weights": "none"}, seed=0).networks
    for decoder, inputs in ((networks["generator"], 48), (networks["discriminator"].decoder, 512)):
        expected = 0.02 * (2 / (inputs + 8192)) ** 0.5
        assert float(decoder.fc.weight.std()) == pytest.approx(expected, rel=0.02)
        assert float(decoder.fc.bias.abs().max()) == 0
    assert float(networks["discriminator"].encoder.model.layer1[0].conv1.weight.std()) > 0.02
