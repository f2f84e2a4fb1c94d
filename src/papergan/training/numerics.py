"""How numbers are computed: precision of products, choice of kernels, and whether they must be deterministic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import torch
from pydantic import Field

from papergan.errors import RecipeError

Precision = Literal["float32", "tf32", "bfloat16"]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


def autocast_type(precision: Precision) -> torch.dtype | None:
    """The type of the networks' products under autocast; None where they stay in float32."""
    return torch.bfloat16 if precision == "bfloat16" else None


@contextmanager
def numerics(precision: Precision, *, deterministic: bool) -> Iterator[None]:
    """Set torch's switches for a training run, and put them back.

    float32: products in float32. tf32: with 10 bits of mantissa on a GPU. bfloat16: autocast, and tf32 for the rest.
    deterministic: the same numbers again on the same GPU model and versions; a kernel that cannot, raises.
    """
    cudnn = torch.backends.cudnn
    before = (cudnn.benchmark, torch.are_deterministic_algorithms_enabled())
    cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    torch.use_deterministic_algorithms(deterministic)
    try:
        with float32_products("ieee" if precision == "float32" else "tf32"):
            yield
    finally:
        cudnn.benchmark = before[0]
        torch.use_deterministic_algorithms(before[1])


@contextmanager
def float32_products(kind: Literal["ieee", "tf32"]) -> Iterator[None]:
    """How a GPU multiplies float32 matrices and convolutions inside: exactly, or with 10 bits of mantissa.

    The one place that sets it: torch has an older interface as well, and raises where the two are mixed.
    """
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = (matmul.fp32_precision, convolution.fp32_precision)
    matmul.fp32_precision = convolution.fp32_precision = kind
    try:
        yield
    finally:
        matmul.fp32_precision, convolution.fp32_precision = before


def choose_device(wanted: str) -> torch.device:
    """The GPU, where there is one, for "auto"; anything else is taken as torch names devices.

    Raises RecipeError where a GPU is asked for and there is none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RecipeError(f"training.device is {wanted!r}, but torch sees no GPU; use 'auto' or 'cpu'")
    return device
