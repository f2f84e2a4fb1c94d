"""Maxout discriminators and sigmoid generators: the fully connected networks of the first GANs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.fully_connected.sigmoid import SigmoidImages, rectified, unit_vectors
from papergan.networks.layers.blocks import Module
from papergan.networks.layers.drawing import Dropout

SMALLEST_MEAN = 1e-7  # for pixels that are always black or always white, whose bias would be unbounded


class Maxout(nn.Module):
    """h_j = max_p (w_pj x + b_pj): [B, inputs] -> [B, units], the largest of `pieces` linear functions.

    Source: Goodfellow et al. 2013 (arXiv:1302.4389), section 2.
    """

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (self.pieces, self.units)).amax(1)  # type: ignore[no-any-return]


def uniform_initialisation(network: Module, limit: float) -> Module:
    """Weights of linear layers U(-limit, limit), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -limit, limit)
            nn.init.zeros_(module.bias)
    return network


class MaxoutDiscriminator(nn.Module):
    """Images [B, C, S, S] -> logits [B]: two maxout layers and a linear one, on pixels in 0..1.

    Features are the second layer's output. input_dropout: of pixels. dropout: of inputs to the second and last layer.
    """

    def __init__(
        self, images: ImageSpec, width: int = 240, pieces: int = 5, *, input_dropout: float = 0.2, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            Dropout(input_dropout), Maxout(images.channels * images.size**2, width, pieces),
            Dropout(dropout), Maxout(width, width, pieces),
        )  # fmt: skip
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(width, 1))

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.trunk(unit_vectors(images))
        score: Tensor = self.head(features)
        return DiscriminatorOutput(score.squeeze(1), (features,))


class RectifiedGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1]: ReLU layers of two widths, then sigmoids."""

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 1200) -> None:
        super().__init__()
        self.hidden = nn.Sequential(*rectified([latent_dim, width, width]))
        self.output = SigmoidImages(width, images)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.output(self.hidden(latent))
        return images


class LabelledRectifiedGenerator(nn.Module):
    """Latent [B, latent_dim + dropout_units] and one-hot classes [B, K] -> images in [-1, 1].

    A ReLU layer for each, one more for both together, then sigmoids. dropout: of the inputs of the last two layers,
    where the latent's last numbers, noise in 0..1, are below this share. sampled_dropout: whether it stays on in
    evaluation mode.
    Source: Mirza and Osindero 2014 (arXiv:1411.1784), section 4.1.
    """

    def __init__(
        self, images: ImageSpec, latent_dim: int, latent_width: int, class_width: int, joint_width: int,
        dropout: float, *, sampled_dropout: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dropout, self.sampled_dropout = dropout, sampled_dropout
        self.parts = [latent_dim, latent_width + class_width, joint_width]
        self.of_latent = nn.Sequential(*rectified([latent_dim, latent_width]))
        self.of_class = nn.Sequential(*rectified([images.num_classes, class_width]))
        self.joint = nn.Sequential(*rectified([latent_width + class_width, joint_width]))
        self.output = SigmoidImages(joint_width, images)

    @property
    def dropout_units(self) -> int:
        """How many units dropout is applied to."""
        return sum(self.parts[1:])

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        drawn, for_both, for_joint = torch.split(latent, self.parts, dim=1)
        both = torch.cat([self.of_latent(drawn), self.of_class(classes)], dim=1)
        images: Tensor = self.output(self._dropped(self.joint(self._dropped(both, for_both)), for_joint))
        return images

    def _dropped(self, x: Tensor, noise: Tensor) -> Tensor:
        if not (self.training or self.sampled_dropout):
            return x
        return x * (noise >= self.dropout).to(x.dtype) / (1 - self.dropout)


class LabelledMaxoutDiscriminator(nn.Module):
    """Images [B, C, S, S] and one-hot classes [B, K] -> logits [B]: maxout layers for each, one for both, one linear.

    dropout: of the inputs of the last two layers. Source: Mirza and Osindero 2014 (arXiv:1411.1784), section 4.1.
    """

    def __init__(
        self, images: ImageSpec, width: int, class_width: int, joint_width: int, dropout: float,
        *, pieces: int = 5, joint_pieces: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        self.of_image = Maxout(images.channels * images.size**2, width, pieces)
        self.of_class = Maxout(images.num_classes, class_width, pieces)
        self.joint = nn.Sequential(Dropout(dropout), Maxout(width + class_width, joint_width, joint_pieces))
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(joint_width, 1))

    def forward(self, images: Tensor, classes: Tensor) -> DiscriminatorOutput:
        features = self.joint(torch.cat([self.of_image(unit_vectors(images)), self.of_class(classes)], dim=1))
        score: Tensor = self.head(features)
        return DiscriminatorOutput(score.squeeze(1), (features,))


def set_marginals(output: SigmoidImages, images: Tensor) -> None:
    """Set the biases of the sigmoids to the logits of each pixel's mean over uint8 [N, C, S, S]."""
    mean = images.double().mean(0).div(255.0).clamp(SMALLEST_MEAN, 1.0 - SMALLEST_MEAN)
    with torch.no_grad():
        output.linear.bias.copy_(mean.logit().flatten())
