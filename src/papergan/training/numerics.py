"""Numerical settings of torch: float32 precision, kernel selection, determinism, and the choice of device."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import torch
from pydantic import Field

from papergan.errors import RecipeError
from papergan.messages import first_line

# torch reads it once, at the first matrix product on a GPU, whether or not that product must be deterministic: setting
# it when training begins is too late, since the domain classifier runs before. This module is imported before any
# matrix product of this project. The cost is 24 MB of GPU memory at most.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

Precision = Literal["float32", "tf32", "bfloat16"]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]

_NO_KERNEL = re.compile(r"(\S+) does not have a deterministic implementation")


def autocast_type(precision: Precision) -> torch.dtype | None:
    """The autocast dtype of the networks; None if they stay in float32."""
    return torch.bfloat16 if precision == "bfloat16" else None


@contextmanager
def numerics(precision: Precision, *, deterministic: bool) -> Iterator[None]:
    """Set torch's numerical settings for a training run, and restore them afterwards.

    float32: products in float32. tf32: with 10 bits of mantissa on a GPU. bfloat16: autocast, and tf32 for the rest.
    deterministic: reproducible numbers on the same GPU model and versions. Raises RecipeError, instead of torch's
    RuntimeError, if an operation inside the block has no deterministic kernel.
    """
    with float32_products("ieee" if precision == "float32" else "tf32"), _kernels(deterministic=deterministic):
        yield


@contextmanager
def _kernels(*, deterministic: bool) -> Iterator[None]:
    """Kernel selection: the fastest, or deterministic ones."""
    cudnn, benchmark = torch.backends.cudnn, torch.backends.cudnn.benchmark
    mode, lenient = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        cudnn.benchmark = not deterministic
        torch.use_deterministic_algorithms(deterministic)
        yield
    except RuntimeError as error:
        reason = _not_deterministic(str(error))
        if reason is None:
            raise
        raise RecipeError(f"{reason}, or train with training.deterministic=false") from error
    finally:
        cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(mode, warn_only=lenient)


def _not_deterministic(message: str) -> str | None:
    """The message for an operation without a deterministic kernel; None for any other error."""
    if found := _NO_KERNEL.search(message):
        return f"{found[1]} has no deterministic kernel in torch {torch.__version__}: do without that operation"
    if "CUBLAS_WORKSPACE_CONFIG" in message:
        return (
            "matrix products cannot be deterministic: at the first one on this GPU CUBLAS_WORKSPACE_CONFIG was neither "
            ":4096:8 nor :16:8; set it before Python starts"
        )
    return None


@contextmanager
def float32_products(kind: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Set the precision of float32 matrix products and convolutions on a GPU: exact, or with 10 bits of mantissa.

    Set it only here: torch also has an older interface, and raises an error if the two are mixed.
    """
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = (matmul.fp32_precision, convolution.fp32_precision)
    matmul.fp32_precision = convolution.fp32_precision = kind
    try:
        yield
    finally:
        matmul.fp32_precision, convolution.fp32_precision = before


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Make this thread's arithmetic on the CPU round numbers below 1.2e-38 to 0 inside the block.

    Adam's moments of weights without a gradient decay into that range, where arithmetic is many times slower. Threads
    that torch has started before keep their setting. Nothing changes on a CPU that cannot.
    """
    before = float(torch.tensor(1e-40) * 1.0) == 0.0  # torch only sets it
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def choose_device(wanted: str) -> torch.device:
    """The device of this name: "auto" is the GPU if there is one, other names are torch's.

    Raises RecipeError if the requested GPU does not exist, or torch knows no such device or cannot use it here.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise RecipeError(f"device {wanted!r}: torch knows none of this name; use 'auto', 'cpu' or 'cuda'") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise RecipeError(f"device {wanted!r}: torch sees no GPU; use 'auto' or 'cpu'")
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise RecipeError(f"device {wanted!r}: torch sees {torch.cuda.device_count()} GPUs, from cuda:0 on")
        return device
    try:
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # each kind of device raises types of its own
        raise RecipeError(
            f"device {wanted!r} cannot be used here ({first_line(error)}); use 'auto', 'cpu' or 'cuda'"
        ) from error
    return device
