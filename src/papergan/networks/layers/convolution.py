"""Convolutions that are differentiated twice, as in a gradient penalty."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import conv2d


class TwiceDifferentiableConv2d(nn.Conv2d):
    """nn.Conv2d of stride 1 without a bias, whose second derivative uses the kernels of the first.

    [B, inputs, H, W] -> [B, outputs, H + 2 padding - kernel + 1, W + 2 padding - kernel + 1], zeros beyond the border.
    torch computes the derivative of the slope in the weights by convolutions with batch and channels exchanged, one for
    each group. This layer is faster for many groups or 1x1 kernels, not for an ordinary convolution:
    benchmarks/results/filtering_cpu. Not measured on a GPU.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, padding: int = 0, groups: int = 1, bias: Literal[False] = False
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=padding, groups=groups, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().forward(input)
        weight, device = self.weight, input.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            input, weight = (tensor.to(torch.get_autocast_dtype(device)) for tensor in (input, weight))
        return _Convolution.apply(input, weight, self.padding, self.groups)  # type: ignore[no-untyped-call, no-any-return]


class _Convolution(Function):
    """conv(x, w). Each of the three functions is bilinear, and its derivatives are the other two."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int) -> Tensor:
        context.save_for_backward(x, weight)
        context.how = (padding, groups)
        return conv2d(x, weight, padding=padding, groups=groups)

    @staticmethod
    def backward(context: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = context.saved_tensors
        of_x, of_weight = context.needs_input_grad[:2]
        return (
            _SlopeOfInput.apply(slope, x, weight, *context.how) if of_x else None,  # type: ignore[no-untyped-call]
            _SlopeOfWeight.apply(slope, x, weight, *context.how) if of_weight else None,  # type: ignore[no-untyped-call]
            None,
            None,
        )


class _SlopeOfInput(Function):
    """The derivative in x: bilinear in the slope and the weight. Only the shape of x is read."""

    @staticmethod
    def forward(
        context: Any, slope: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int
    ) -> Tensor:
        context.save_for_backward(slope, weight)
        context.how = (padding, groups)
        return _derivatives(slope, x, weight, padding, groups, [True, False, False])[0]

    @staticmethod
    def backward(context: Any, x: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        slope, weight = context.saved_tensors
        of_slope, _, of_weight = context.needs_input_grad[:3]
        return (
            _Convolution.apply(x, weight, *context.how) if of_slope else None,  # type: ignore[no-untyped-call]
            None,
            _SlopeOfWeight.apply(slope, x, weight, *context.how) if of_weight else None,  # type: ignore[no-untyped-call]
            None,
            None,
        )


class _SlopeOfWeight(Function):
    """The derivative in the weight: bilinear in the slope and x. Only the shape of the weight is read."""

    @staticmethod
    def forward(
        context: Any, slope: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int
    ) -> Tensor:
        context.save_for_backward(slope, x)
        context.how = (padding, groups)
        return _derivatives(slope, x, weight, padding, groups, [False, True, False])[1]

    @staticmethod
    def backward(context: Any, weight: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        slope, x = context.saved_tensors
        of_slope, of_x = context.needs_input_grad[:2]
        return (
            _Convolution.apply(x, weight, *context.how) if of_slope else None,  # type: ignore[no-untyped-call]
            _SlopeOfInput.apply(slope, x, weight, *context.how) if of_x else None,  # type: ignore[no-untyped-call]
            None,
            None,
            None,
        )


def _derivatives(
    slope: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int], groups: int, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        slope, x, weight, None, (1, 1), padding, (1, 1), False, (0, 0), groups, wanted
    )
    return found
