"""Quantisation of ONNX files to 8-bit integers by ONNX Runtime, and generators run from such files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from papergan.data.memory import read_into_memory
from papergan.errors import RecipeError
from papergan.inference.export import onnx_session

Quantisation = Literal["dynamic", "static"]
_OPERATORS: dict[Quantisation, frozenset[str]] = {
    "dynamic": frozenset({"DynamicQuantizeLinear"}),
    "static": frozenset({"DequantizeLinear"}),
}  # a file has some of these if anything was quantised


def quantise(
    content: bytes, how: Quantisation, calibration: Sequence[dict[str, np.ndarray[Any, Any]]] = ()
) -> bytes:  # fmt: skip
    """Quantise the weights of an ONNX file to 8 bits.

    dynamic: activations are quantised at run time, by their range in each batch. ONNX Runtime supports this for
    products, with one scale per output channel, and for convolutions, with one scale per layer; transposed
    convolutions stay in float32.
    static: activations are quantised by the ranges observed on the inputs of `calibration`, between quantise and
    dequantise nodes; one scale per output channel, for transposed convolutions too.
    Weights and activations are unsigned: sums of unsigned activations times signed weights saturate on processors
    with AVX2 or AVX-512 and without VNNI, which distorts images there (ONNX Runtime, "Quantize ONNX Models").
    Raises RecipeError if the packages are missing, or if no layer of the file can be quantised in this way.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise RecipeError("8-bit integers need onnx and onnxruntime: pip install 'papergan[onnx]'") from error
    with TemporaryDirectory(prefix="papergan-") as folder:
        given, ready, made = (Path(folder) / f"{name}.onnx" for name in ("given", "ready", "made"))
        given.write_bytes(content)
        quant_pre_process(given, ready, skip_symbolic_shape=True)
        if how == "dynamic":
            quantize_dynamic(ready, made, per_channel=True, weight_type=QuantType.QUInt8)
        else:
            quantize_static(
                ready, made, _Calibration(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                weight_type=QuantType.QUInt8, activation_type=QuantType.QUInt8,
            )  # fmt: skip
        quantised = read_into_memory(made)
    if not _OPERATORS[how] & {node.op_type for node in onnx.load_from_string(quantised).graph.node}:
        raise RecipeError(
            f"ONNX Runtime quantises no layer of this generator in the way {how!r}; leave the variant out"
        )
    return quantised


class _Calibration:
    """Batches as ONNX Runtime reads them."""

    def __init__(self, batches: Sequence[dict[str, np.ndarray[Any, Any]]]) -> None:
        self._batches: Iterator[dict[str, np.ndarray[Any, Any]]] = iter(batches)

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        """The next batch; None after the last."""
        return next(self._batches, None)


class OnnxGenerator(nn.Module):
    """A generator run from an ONNX file, with the arguments of the original: a one-hot class last if there is one."""

    def __init__(self, content: bytes, threads: int) -> None:
        super().__init__()
        self.session = onnx_session(content, threads)
        self.names = [one.name for one in self.session.get_inputs()]

    def forward(self, *arguments: Tensor) -> Tensor:
        given = as_inputs(self.names, arguments)
        return torch.from_numpy(self.session.run(None, given)[0])


def as_inputs(names: Sequence[str], arguments: Sequence[Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """The arguments of a generator as the inputs of its ONNX file, which takes a class number, not a one-hot vector."""
    latent, *rest = arguments
    return dict(zip(names, [latent.numpy(), *(one.argmax(1).numpy() for one in rest)], strict=True))
