"""Exported files: every system, both formats, against the generator; and refusals."""

import functools
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.small_systems import each_system, small, spec, system_of
from inference.conftest import CLASSES, model_of
from papergan import systems
from papergan.errors import RecipeError, StorageError
from papergan.game.priors import WithChoice
from papergan.inference import Generator, export
from papergan.inference.export import check_deviation, export_model, folded, input_names
from papergan.networks.layers.spectral import spectral_norm

PAGE = Path(__file__).parents[2] / "docs" / "use_a_generator.md"


def architecture(name: str) -> str:
    """What a graph depends on but for sizes: systems that differ in training alone have one."""
    game = systems.build(system_of(name), spec(name, size=16, classes=len(CLASSES)), small(name), seed=3)
    sampler = game.sampler()
    return re.sub(r"\d+", "", f"{sampler.generator!r}, {isinstance(sampler.prior, WithChoice)}")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory):
    """The generator and the file of the first system of each architecture."""
    pytest.importorskip("onnxruntime", reason="papergan[onnx] is not installed")
    registration = pytest.importorskip("torch.onnx._internal.exporter._registration")
    folder, made = tmp_path_factory.mktemp("exports"), {}

    def of(name: str, to: str) -> tuple[Generator, Path]:
        key = (architecture(name), to)
        if key not in made:
            generator = Generator(model_of(name))
            made[key] = (generator, export_model(generator, folder / f"{name}.{to}", to))
        return made[key]

    registry = registration.ONNXRegistry
    with pytest.MonkeyPatch.context() as patch:  # the exporter lists all its operators anew for each graph
        patch.setattr(registry, "from_torchlib", staticmethod(functools.cache(registry.from_torchlib)))
        yield of


FORMATS = ("onnx", "pt2")


@pytest.mark.parametrize(
    "to",
    ["onnx", pytest.param("pt2", marks=pytest.mark.slow)],  # of the same program, which "onnx" has made already
)
@pytest.mark.parametrize("name", each_system())
def test_every_system_exports_as_the_page_says(exported, name, to):
    generator, path = exported(name, to)
    row = f"| `{name}` | {', '.join(f'`{one}`' for one in input_names(generator))} | yes | yes |"
    assert row in PAGE.read_text().splitlines()
    assert path.stat().st_size > 10_000


def test_the_page_names_no_other_system():
    rows = [line for line in PAGE.read_text().splitlines() if line.endswith("| yes | yes |")]
    assert [row.split("`")[1] for row in rows] == systems.names()


def test_onnx_of_a_class(exported):
    onnxruntime = pytest.importorskip("onnxruntime")
    generator, path = exported("dcgan_labels", "onnx")
    session = onnxruntime.InferenceSession(path)
    assert [(one.name, one.shape, one.type) for one in (*session.get_inputs(), *session.get_outputs())] == [
        ("latent", ["batch", 8], "tensor(float)"),
        ("label", ["batch"], "tensor(int64)"),
        ("images", ["batch", 3, 16, 16], "tensor(float)"),
    ]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == list(CLASSES)
    assert (about["digest"], about["system"]) == (generator.digest, "dcgan")
    latents = torch.randn(5, 8)
    wanted = generator.decode(latents, labels=[0, "cat", 2]).tensor
    given = {"latent": latents.numpy(), "label": torch.tensor([0, 1, 2, 0, 1]).numpy()}
    assert torch.allclose(torch.from_numpy(session.run(None, given)[0]), wanted, atol=1e-6)


def test_pt2_of_a_mixture_in_other_batches(exported):
    generator, path = exported("mix_wgan", "pt2")
    program = torch.export.load(path).module()
    latents, members = torch.randn(9, 8), torch.arange(9) % 3
    networks = generator.sampler.generator.members
    wanted = torch.cat([networks[int(member)](z[None]) for z, member in zip(latents, members, strict=True)])
    for size in (1, 2, 9):
        parts = zip(latents.split(size), members.split(size), strict=True)
        assert torch.allclose(torch.cat([program(*part) for part in parts]), wanted, atol=1e-6)


def test_files_name_no_path_of_this_machine(exported):
    for to in FORMATS:
        content = exported("mix_wgan", to)[1].read_bytes()
        assert str(Path(export.__file__).parents[3]).encode() not in content
        assert b".py" not in content


def test_a_graph_without_random_numbers(exported):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(exported("cft_gan", "onnx")[1])
    assert [(one.domain, one.version) for one in model.opset_import] == [("", export.OPSET)]
    operations = {node.op_type for node in model.graph.node}
    assert "ConvTranspose" in operations
    assert not {one for one in operations if "Random" in one or one in ("Bernoulli", "Dropout")}


def test_spectral_normalisation_is_folded():
    torch.manual_seed(0)
    network = nn.Sequential(spectral_norm(nn.Linear(4, 6)), spectral_norm(nn.ConvTranspose2d(6, 2, 3))).eval()
    before = [layer.weight.detach().clone() for layer in network]
    assert sorted(folded(network).state_dict()) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert all(torch.equal(layer.weight, weight) for layer, weight in zip(network, before, strict=True))


def test_a_file_that_computes_other_images_is_not_written(loaded, tmp_path, monkeypatch):
    def moved(network: nn.Module) -> nn.Module:
        for parameter in network.parameters():
            parameter.mul_(1.01)
        return network

    monkeypatch.setattr(export, "folded", moved)
    with pytest.raises(RecipeError, match=r"not written, since in batches of 64 its images deviate .* by up to .*e-"):
        export_model(loaded("dcgan"), tmp_path / "model", "pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_deviation_in_one_size_of_a_batch_is_seen():
    wanted = torch.ones(64, 1)
    check_deviation(lambda z: z, (wanted,), wanted, "model.onnx")
    with pytest.raises(RecipeError, match="in batches of 7 "):
        check_deviation(lambda z: z if len(z) > 1 else z + 0.01, (wanted,), wanted, "model.onnx")
    with pytest.raises(RecipeError, match="up to nan"):
        check_deviation(lambda z: z * float("nan"), (wanted,), wanted, "model.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_one_line(loaded, tmp_path, monkeypatch, package):
    if package != "onnx":
        pytest.importorskip("onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RecipeError, match=rf"^this format needs {package}: pip install 'papergan\[onnx\]'$"):
        export_model(loaded("dcgan"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_requests(loaded, tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match="expected format onnx, pt2, got 'tflite'"):
        export_model(loaded("dcgan"), tmp_path / "model", "tflite")

    def fails(*arguments: object) -> None:
        raise ValueError("first line\nsecond")

    monkeypatch.setattr(export, "_program", fails)
    with pytest.raises(StorageError, match="is a folder, expected a file to write; name one with --out"):
        export_model(loaded("dcgan"), tmp_path, "pt2")
    with pytest.raises(RecipeError, match=r"^system 'dcgan' cannot be exported to pt2: first line\\nsecond$"):
        export_model(loaded("dcgan"), tmp_path / "model", "pt2")
