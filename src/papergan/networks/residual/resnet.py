"""The residual networks of the spectral-normalisation and WGAN-GP papers at 32x32, with optional self-attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.blocks import Discriminator, SelfAttention, eighth, maybe, normalise_spectrally
from papergan.networks.layers.conditional_normalisation import apply_norm, batch_norm


class ResNetGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1].

    Linear to width channels at S/8, three residual blocks that double the side, BatchNorm, ReLU, convolution k3, tanh.
    Source: Miyato et al. 2018 (arXiv:1802.05957), table 4a (width 256); Gulrajani et al. 2017 (arXiv:1704.00028),
    appendix F (width 128). attention: after the second block, at half resolution. classes: number of classes, 0 = none;
    with classes the blocks have conditional BatchNorm, and the network also takes one-hot classes [B, classes] (Miyato
    and Koyama 2018, arXiv:1802.05637).
    """

    def __init__(
        self, images: ImageSpec, latent_dim: int, width: int = 256, *, attention: bool = False, classes: int = 0
    ) -> None:
        super().__init__()
        self.shape = (width, eighth(images), eighth(images))
        self.project = nn.Linear(latent_dim, width * eighth(images) ** 2)
        self.layers = nn.Sequential(
            UpBlock(width, classes),
            UpBlock(width, classes),
            *maybe(attention, lambda: SelfAttention(width)),
            UpBlock(width, classes),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, images.channels, 3, padding=1),
            nn.Tanh(),
        )
        xavier_initialisation(self)

    def forward(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        maps: Tensor = self.project(latent).unflatten(1, self.shape)
        for layer in self.layers:
            maps = layer(maps, classes) if isinstance(layer, UpBlock) else layer(maps)
        return maps


class ResNetDiscriminator(Discriminator):
    """Images [B, C, S, S] -> logits [B]; features are the last map, [B, width, S/4, S/4], after ReLU.

    Two blocks that halve the side, two that keep it, ReLU, then a sum over positions (`pool="sum"`, Miyato et al. 2018,
    table 4b) or their mean (`pool="mean"`, Gulrajani et al. 2017), then linear. spectral: normalise all layers.
    classes: number of classes, 0 = none; with classes the network also takes one-hot classes [B, classes] y, and the
    logit of pooled features h is linear(h) + y^T V h, the projection discriminator (Miyato and Koyama 2018, eq. 3).
    """

    def __init__(
        self,
        images: ImageSpec,
        width: int = 128,
        *,
        attention: bool = False,
        spectral: bool = True,
        pool: str = "sum",
        classes: int = 0,
    ) -> None:
        super().__init__()
        if pool not in ("sum", "mean"):
            raise ValueError(f"pool must be 'sum' or 'mean', got {pool!r}")
        eighth(images)
        self.pool = pool
        self.layers = nn.Sequential(
            FirstBlock(images.channels, width),
            *maybe(attention, lambda: SelfAttention(width)),
            DownBlock(width, halve=True),
            DownBlock(width, halve=False),
            DownBlock(width, halve=False),
            nn.ReLU(),
        )
        self.linear = nn.Linear(width, 1)
        self.embedding = nn.Linear(width, classes, bias=False) if classes else None
        xavier_initialisation(self)
        if spectral:
            normalise_spectrally(self)

    def trunk(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features

    def pooled(self, features: Tensor) -> Tensor:
        """The pooled features, in which the logit is linear: [B, width]."""
        return features.sum(dim=(2, 3)) if self.pool == "sum" else features.mean(dim=(2, 3))

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.pooled(features))
        return logits.squeeze(1)

    def forward(self, images: Tensor, classes: Tensor | None = None) -> DiscriminatorOutput:
        features = self.trunk(images)
        logits = self.head(features)
        if self.embedding is not None:
            if classes is None:
                raise ValueError("a projection discriminator needs the classes of its images")
            logits = logits + (self.embedding(self.pooled(features)) * classes).sum(1)
        return DiscriminatorOutput(logits, (features,))


class UpBlock(nn.Module):
    """BatchNorm, ReLU, nearest x2, conv, BatchNorm, ReLU, conv; plus nearest x2 and a 1x1 convolution.

    condition_dim: size of the condition of both BatchNorms, 0 = none.
    """

    def __init__(self, width: int, condition_dim: int = 0) -> None:
        super().__init__()
        self.first_norm, self.second_norm = batch_norm(width, condition_dim), batch_norm(width, condition_dim)
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        # A 1x1 convolution and nearest upsampling commute; before it, the convolution costs a quarter.
        skip = interpolate(self.skip(x), scale_factor=2)
        x = self.first(interpolate(relu(apply_norm(self.first_norm, x, condition)), scale_factor=2))
        out: Tensor = self.second(relu(apply_norm(self.second_norm, x, condition))) + skip
        return out


class FirstBlock(nn.Module):
    """conv, ReLU, conv, mean pool; plus mean pool and a 1x1 convolution: no ReLU on the image itself."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = avg_pool2d(self.second(relu(self.first(x))), 2) + self.skip(avg_pool2d(x, 2))
        return out


class DownBlock(nn.Module):
    """ReLU, conv, ReLU, conv, mean pool if halve; plus the skip, a 1x1 convolution if halve, else the identity."""

    def __init__(self, width: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(width, width, 1) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(relu(self.first(relu(x))))
        if self.halve:
            out = avg_pool2d(out, 2) + self.skip(avg_pool2d(x, 2))
            return out
        return out + x


def xavier_initialisation(network: nn.Module) -> None:
    """Xavier uniform, gain sqrt(2) on the 3x3 convolutions inside blocks and 1 elsewhere; biases 0 (Miyato's code)."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and not name.endswith((".gain", ".bias")):
            inside = name.endswith((".first", ".second"))
            nn.init.xavier_uniform_(module.weight, gain=2.0**0.5 if inside else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
