"""The generator of BigGAN at 32x32: a shared class embedding, chunks of the latent in every block, spectral norms."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.networks.layers.blocks import SelfAttention, eighth, normalise_spectrally, orthogonal_initialisation
from papergan.networks.residual.resnet import ResNetDiscriminator, UpBlock

Initialisation = Literal["normal", "orthogonal"]
BLOCKS = 3


class BigGANGenerator(nn.Module):
    """Latent [B, latent_dim] and one-hot classes [B, K] -> images [B, C, S, S] in [-1, 1].

    As ResNetGenerator with one width, spectrally normalised. The condition of each block is
    - only the class, by each layer's own embedding, if shared_dim is 0;
    - else a linear map, spectrally normalised, of the shared embedding [B, shared_dim] of the class, and, if
      `hierarchical`, of one of four chunks of the latent: the first goes to the linear layer, the others to the blocks.
    Embeddings of classes are not normalised. attention: after the second block, at half resolution.
    Raises ValueError for chunks without a shared embedding, or if latent_dim is not divisible by four.
    Source: Brock et al. 2019 (arXiv:1809.11096), section 3 and appendix B; sizes are those of its code for CIFAR.
    """

    def __init__(
        self,
        images: ImageSpec,
        latent_dim: int,
        width: int = 256,
        *,
        shared_dim: int = 0,
        hierarchical: bool = False,
        attention: bool = False,
        initialisation: Initialisation = "normal",
    ) -> None:
        super().__init__()
        if hierarchical and not shared_dim:
            raise ValueError("hierarchical latents need a shared embedding of classes; set shared_dim above 0")
        if hierarchical and latent_dim % (BLOCKS + 1):
            raise ValueError(
                f"latent_dim must be a multiple of {BLOCKS + 1} for hierarchical latents, got {latent_dim}"
            )
        classes, side = images.num_classes, eighth(images)
        self.chunk = latent_dim // (BLOCKS + 1) if hierarchical else latent_dim
        condition = (shared_dim or classes) + (self.chunk if hierarchical else 0)
        self.shape = (width, side, side)
        self.shared = nn.Linear(classes, shared_dim, bias=False) if shared_dim else nn.Identity()
        self.project = nn.Linear(self.chunk, width * side**2)
        self.blocks = nn.ModuleList(UpBlock(width, condition) for _ in range(BLOCKS))
        self.attention = SelfAttention(width) if attention else nn.Identity()
        self.last = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, images.channels, 3, padding=1), nn.Tanh()
        )
        initialise(self, initialisation)
        embeddings = [layer for name, layer in self.named_modules() if name.rpartition(".")[2] in self.embedding_names]
        normalise_spectrally(self, without=embeddings)

    @property
    def embedding_names(self) -> frozenset[str]:
        """Names of the layers that map one-hot classes: the shared embedding, or two per conditional BatchNorm."""
        return frozenset({"gain", "bias"} if isinstance(self.shared, nn.Identity) else {"shared"})

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        first, *chunks = torch.split(latent, self.chunk, dim=1)
        shared = self.shared(classes)
        maps = self.project(first).unflatten(1, self.shape)
        for place, block in enumerate(self.blocks):
            condition = torch.cat([shared, chunks[place]], dim=1) if chunks else shared
            maps = block(maps, condition)
            if place == BLOCKS - 2:
                maps = self.attention(maps)
        images: Tensor = self.last(maps)
        return images


def biggan_discriminator(
    images: ImageSpec, width: int = 256, *, attention: bool = False, initialisation: Initialisation = "normal"
) -> ResNetDiscriminator:
    """A ResNetDiscriminator with the projection head, spectrally normalised after BigGAN's initialisation.

    attention: after the first block, at half resolution.
    """
    network = ResNetDiscriminator(images, width, attention=attention, spectral=False, classes=images.num_classes)
    initialise(network, initialisation)
    return normalise_spectrally(network)


def initialise(network: nn.Module, how: Initialisation) -> None:
    """normal: weights of convolutions and linear layers ~ N(0, 0.02), biases as torch initialises them (Brock's code).

    orthogonal: see `orthogonal_initialisation`. Raises ValueError for any other name.
    """
    if how not in get_args(Initialisation):
        raise ValueError(f"unknown initialisation {how!r}; there are {', '.join(get_args(Initialisation))}")
    if how == "orthogonal":
        orthogonal_initialisation(network)
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
