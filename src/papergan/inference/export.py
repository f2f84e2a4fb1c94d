"""Trained generators as ONNX and torch.export files: deterministic, and verified before they are written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn.utils import parametrize

from papergan.atomic_files import write_whole
from papergan.errors import RecipeError
from papergan.game.priors import InputImages, WithChoice, one_hot
from papergan.inference.generator import Generator
from papergan.inference.samples import check_no_folder
from papergan.inference.store import restored
from papergan.messages import quiet_libraries, quoted, sanitise

OPSET = 18
COUNT, BATCHES = 64, (64, 7)  # latents that a file is verified on, and batch sizes; with 7, the last is one alone
TOLERANCE = 1e-4  # of the largest value; a grey level of a uint8 image is 8e-3

Run = Callable[..., Tensor]


class Decoder(nn.Module):
    """The exported network: latent float32 [B, Z], and class or member int64 [B] if there is one -> images.

    images: float32 [B, C, S, S] in [-1, 1]. choices: number of classes or of members; 0 for none.
    """

    def __init__(self, generator: nn.Module, choices: int) -> None:
        super().__init__()
        self.generator, self.choices = generator, choices

    def forward(self, latent: Tensor, chosen: Tensor | None = None) -> Tensor:
        rest = () if chosen is None else (one_hot(chosen, self.choices),)
        images: Tensor = self.generator(latent, *rest)
        return images.clamp(-1, 1)


def export_model(generator: Generator, path: str | Path, to: str = "onnx") -> Path:
    """Write a generator as ONNX, or as a program of torch.export ("pt2"); returns the path.

    The input of a translator is `input`, images float32 [batch, C, S, S] in [-1, 1]; other generators have `latent`
    float32 [batch, Z], and int64 [batch]: `label` if there are classes, `member` if a mixture has several generators.
    The output `images` is the output of `Generator.decode`. Weights are those of the model folder, in evaluation mode
    and float32, with spectral normalisation folded in; the batch may have any size.
    Raises RecipeError if a package is missing, the system cannot be exported, or the file to be written computes other
    images than the generator; StorageError if `path` is a folder, before any work.
    """
    path = Path(path).expanduser()
    check_no_folder(path)
    write_whole(path, exported(generator, to, f"{path}, {to}"))
    return path


def exported(generator: Generator, to: str, what: str) -> bytes:
    """The file that `export_model` writes; raises as it does. what: its name in messages."""
    if to not in _FORMATS:
        raise RecipeError(f"expected format {', '.join(_FORMATS)}, got {quoted(to)}")
    sampler, _ = restored(generator.stored, generator.image)
    if isinstance(sampler.prior, InputImages):  # verified on noise images instead of latents
        shape, draw = (COUNT, *sampler.prior.images.shape[1:]), torch.Generator().manual_seed(0)
        sampler.prior.show(torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8))
    arguments = sampler.latents(COUNT, 0, "export", progress=generator.progress)
    wanted = sampler.decode(*arguments).clamp(-1, 1)
    choices = sampler.prior.choices if isinstance(sampler.prior, WithChoice) else 0
    if len(arguments) != 1 + bool(choices):
        raise RecipeError(f"system {generator.system!r} cannot be exported: its prior draws more than can be named")
    inputs = (arguments[0], *(one.argmax(1) for one in arguments[1:]))
    encode, reader = _FORMATS[to]
    with quiet_libraries(*EXPORTERS):
        try:
            program = _program(Decoder(folded(sampler.generator), choices), inputs)
            content = encode(program, generator)
        except ImportError as error:
            raise _missing(error) from error
        except Exception as error:  # an exporter may raise anything
            raise RecipeError(f"system {generator.system!r} cannot be exported to {to}: {sanitise(error)}") from error
        check_deviation(reader(content), inputs, wanted, what)
    return content


def check_deviation(run: Run, inputs: tuple[Tensor, ...], wanted: Tensor, what: str) -> None:
    """Raise RecipeError unless `run` makes the images `wanted` from these inputs, at every batch size of BATCHES."""
    most = TOLERANCE * float(wanted.abs().max())
    for size in BATCHES:
        parts = zip(*(torch.split(one, size) for one in inputs), strict=True)
        deviation = float((torch.cat([run(*part) for part in parts]) - wanted).abs().max())
        if not deviation <= most:
            raise RecipeError(f"{what}: not written, since in batches of {size} its images deviate from the "
                              f"generator's by up to {deviation:.2g}, more than {most:.2g}")  # fmt: skip


def folded(network: nn.Module) -> nn.Module:
    """Fold parametrisations, such as spectral normalisation, into the network's weights, in place."""
    for layer in list(network.modules()):
        if parametrize.is_parametrized(layer):
            assert isinstance(layer.parametrizations, nn.ModuleDict)
            for name in list(layer.parametrizations):
                parametrize.remove_parametrizations(layer, name, leave_parametrized=True)
    return network.requires_grad_(False)


def input_names(generator: Generator) -> tuple[str, ...]:
    """Names of an exported file's inputs, in order."""
    if isinstance(generator.sampler.prior, InputImages):
        return ("input",)
    if not isinstance(generator.sampler.prior, WithChoice):
        return ("latent",)
    return ("latent", "label" if generator.conditional else "member")


def _program(decoder: Decoder, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    batch = Dim("batch")
    program = torch.export.export(decoder, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # contains paths of this machine
    return program


def _to_onnx(program: ExportedProgram, generator: Generator) -> bytes:
    import onnx
    import onnxruntime  # noqa: F401  fail before the work
    import onnxscript  # noqa: F401

    exported = torch.onnx.export(
        program, dynamo=True, opset_version=OPSET, verbose=False, input_names=list(input_names(generator)),
        output_names=["images"],
    )  # fmt: skip
    assert exported is not None
    proto = exported.model_proto
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, _about(generator))
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def onnx_session(content: bytes, threads: int = 0) -> Any:
    """An ONNX Runtime session for a file, on the CPU. threads: within an operator; 0 = ONNX Runtime's choice."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run_onnx(content: bytes) -> Run:
    session = onnx_session(content)
    names = [one.name for one in session.get_inputs()]
    return lambda *parts: torch.from_numpy(
        session.run(None, {name: part.numpy() for name, part in zip(names, parts, strict=True)})[0]
    )


def _to_pt2(program: ExportedProgram, generator: Generator) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"papergan.json": json.dumps(_about(generator))})
    return file.getvalue()


def _run_pt2(content: bytes) -> Run:
    module = torch.export.load(io.BytesIO(content)).module()
    return lambda *parts: module(*parts)


def _about(generator: Generator) -> dict[str, str]:
    """The metadata of the file; classes as a JSON list."""
    classes = json.dumps(generator.classes if generator.conditional else ())
    version = str(generator.stored.config["papergan"])
    return {"papergan": version, "system": generator.system, "digest": generator.digest, "classes": classes}


def _missing(error: ImportError) -> RecipeError:
    return RecipeError(f"this format needs {error.name or error}: pip install 'papergan[onnx]'")


EXPORTERS = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")  # silenced: each file is verified


_FORMATS: dict[str, tuple[Callable[[ExportedProgram, Generator], bytes], Callable[[bytes], Run]]] = {
    "onnx": (_to_onnx, _run_onnx), "pt2": (_to_pt2, _run_pt2),
}  # fmt: skip
