"""The Sobel operator: the edges of images."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def sobel(images: Tensor) -> Tensor:
    """sqrt(gx^2 + gy^2 + 1e-6) of the luminance, [B, C, S, S] -> [B, 1, S, S].

    gx, gy: the 3x3 Sobel operators divided by 4, so that a step from -1 to 1 is an edge of 2; borders are mirrored.
    C: 1 or 3. The constant keeps the root differentiable where nothing changes. Source: Sobel and Feldman 1968.
    """
    grey = images
    if images.shape[1] == 3:
        red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
        grey = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
    smooth = pad(grey, (1, 1, 1, 1), mode="reflect")
    across = smooth[:, :, :-2] + 2 * smooth[:, :, 1:-1] + smooth[:, :, 2:]  # [B, 1, S, S + 2]
    down = smooth[..., :-2] + 2 * smooth[..., 1:-1] + smooth[..., 2:]  # [B, 1, S + 2, S]
    gx = (across[..., 2:] - across[..., :-2]) / 4
    gy = (down[:, :, 2:] - down[:, :, :-2]) / 4
    return (gx.square() + gy.square() + 1e-6).sqrt()
