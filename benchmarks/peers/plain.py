"""The plain script: the textbook DCGAN loop as most people first write it, over our own DCGAN networks.

A DataLoader with PIL transforms, NCHW memory, torch's default Adam, one backward pass per side, the same fakes for both
players, unused gradients of the discriminator's weights in the generator's move, and losses read in every step. It
generates one batch of fakes per step, our loop one per move.
"""

from __future__ import annotations

import torch
from standins import Pictures
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader
from torchvision import transforms
from work import Asked, Sides, adam, over_theirs

from papergan.data.images import ImageSpec
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.objectives.adversarial import NonSaturating

LATENT, RATE, BETAS = 100, 2e-4, (0.5, 0.999)


def sides(asked: Asked) -> Sides:
    """Both sides with our DCGAN networks. width: 128 by default."""
    spec, width = ImageSpec(3, asked.pixels.shape[-1]), asked.width or 128
    generator, discriminator = DCGANGenerator(spec, LATENT, width), DCGANDiscriminator(spec, width)
    return Sides(
        over_theirs(generator, discriminator, LATENT, NonSaturating(), adam(RATE, BETAS)),
        peer=lambda: loop(asked, generator.to(asked.device), discriminator.to(asked.device)),
    )  # fmt: skip


def loop(asked: Asked, generator: nn.Module, discriminator: nn.Module) -> None:
    """Train without end; the clock ends it."""
    prepared = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
    pictures = Pictures(asked.pixels, prepared)
    loader = DataLoader(pictures, batch_size=asked.batch, shuffle=True, num_workers=asked.workers, drop_last=True)
    generator_adam = torch.optim.Adam(generator.parameters(), lr=RATE, betas=BETAS)
    discriminator_adam = torch.optim.Adam(discriminator.parameters(), lr=RATE, betas=BETAS)
    epoch = 0
    while True:
        for number, (images, _) in enumerate(loader):
            real = images.to(asked.device)
            ones, zeros = (torch.full((len(real),), value, device=asked.device) for value in (1.0, 0.0))
            discriminator.zero_grad()
            loss_real = binary_cross_entropy_with_logits(discriminator(real).score, ones)
            loss_real.backward()
            fake = generator(torch.randn(len(real), LATENT, device=asked.device))
            loss_fake = binary_cross_entropy_with_logits(discriminator(fake.detach()).score, zeros)
            loss_fake.backward()
            discriminator_adam.step()
            generator.zero_grad()
            loss = binary_cross_entropy_with_logits(discriminator(fake).score, ones)
            loss.backward()
            print(f"[{epoch}][{number}] D {loss_real.item() + loss_fake.item():.4f} G {loss.item():.4f}")
            generator_adam.step()
        epoch += 1
