"""Variants of a trained generator: what each keeps, how far its images move, and that it is a model like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import papergan
from helpers.small_systems import spec
from papergan import atomic_files, systems
from papergan.compression.costs import costs_of, measure_seconds, peak_bytes
from papergan.compression.fine_tuning import FixedZeros
from papergan.compression.onnx_quantisation import quantise
from papergan.compression.variants import Compression, compress
from papergan.compression.weight_pruning import kernels, prune_weights, zero_share
from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.inference.model_card import model_card
from papergan.inference.model_folder import StoredModel, encode_model, write_model
from papergan.inference.store import stored_model
from papergan.networks.layers.conditional_normalisation import ConditionalBatchNorm2d
from papergan.pipelines.compression import with_card


def model_of(system: str) -> StoredModel:
    images, overrides = spec(system, size=16), {"width": 8, "latent_dim": 4}
    game = systems.build(system, images, overrides, seed=1)
    game.sampler().estimate_batch_norm(batches=2, batch_size=16, seed=0)
    return stored_model(
        game, game.sampler().state_dict(), system=system, overrides=overrides, image=images, classes=[],
        progress=Progress(5, 20, 0.5), weights="raw", about={"experiment": "tiny", "metrics": {"domain_fid": 12.5}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> StoredModel:
    return model_of("dcgan")


def images_of(variant, count=32):
    latents = variant.sampler.latents(count, 0, "test", progress=variant.progress)
    return variant.sampler.decode(*latents).clamp(-1, 1)


@pytest.fixture(scope="module")
def original(model):
    return compress(model, "float32", Compression())


def test_as_it_was_trained_is_the_model_itself(model, original):
    assert original.model is model
    assert original.onnx is not None


@pytest.mark.parametrize(
    ("system", "precision", "levels"),
    [("dcgan", "bfloat16", 3.0), ("wgan_gp", "int8_dynamic", 40.0), ("dcgan", "int8_static", 10.0)],
)
def test_lower_precision_moves_images_a_little(system, precision, levels):
    pytest.importorskip("onnxruntime")
    model = model_of(system)
    variant = compress(model, precision, Compression(precision=precision, calibration=64))
    moved = float((images_of(variant) - images_of(compress(model, "as", Compression()))).abs().max()) * 127.5
    assert 0.0 < moved < levels
    assert (variant.model is None) == precision.startswith("int8")


def test_a_quantised_file_may_be_larger_than_a_document(model, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(atomic_files.read_regular.__kwdefaults__, "most", 50)  # bytes
    assert len(compress(model, "static", Compression(precision="int8_static", calibration=64)).onnx) > 50


def test_a_generator_of_which_nothing_is_quantised_is_refused():
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 3, 4, 4], np.ones(96, np.float32))
    ends = [helper.make_tensor_value_info(*end) for end in (("z", 1, [1, 2, 4, 4]), ("x", 1, [1, 3, 7, 7]))]
    graph = helper.make_graph(
        [helper.make_node("ConvTranspose", ["z", "w"], ["x"])], "transposed", ends[:1], ends[1:], [weight]
    )
    given = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    with pytest.raises(RecipeError, match="no layer of this generator in the way 'dynamic'"):
        quantise(given, "dynamic")
    made = onnx.load_from_string(quantise(given, "static", [{"z": np.ones((1, 2, 4, 4), np.float32)}]))
    assert {one.name: list(one.dims) for one in made.graph.initializer}["w_scale"] == [3]  # of each output channel


def test_half_of_the_bytes_in_bfloat16_and_it_loads(model, tmp_path):
    variant = compress(model, "bfloat16", Compression(precision="bfloat16"))
    weights = sum(t.numel() for t in model.tensors.tensors.values())
    assert len(encode_model(model)) - len(variant.file) > 1.5 * weights
    write_model(tmp_path, variant.model)
    generator = papergan.load(tmp_path, device="cpu")
    assert generator.sampler.generator.layers[0].weight.dtype == torch.float32
    assert generator.sample(2).tensor.isfinite().all()


def test_the_stored_bytes_are_those_of_the_generator_without_the_encoder_that_no_compressed_form_has():
    inverted = model_of("bigan")
    plain, half = (
        compress(inverted, name, Compression(precision=name), to_onnx=False) for name in ("float32", "bfloat16")
    )
    assert inverted.config["encoder"]
    assert 1.8 < len(plain.file) / len(half.file) <= 2.0
    assert len(encode_model(inverted)) > 1.5 * len(plain.file)


def test_pruned_weights_are_the_smallest_and_show_in_the_packed_file(model, original):
    variant = compress(model, "weights", Compression(prune_weights=0.9), to_onnx=False)
    before = torch.cat([p.flatten() for p in original.sampler.generator.parameters() if p.dim() > 1]).abs()
    after = torch.cat([p.flatten() for p in variant.sampler.generator.parameters() if p.dim() > 1]).abs()
    assert float((after == 0).double().mean()) == pytest.approx(0.9, abs=1e-3)
    assert before[after == 0].max() <= before[after > 0].min()
    dense, sparse = costs_of(original), costs_of(variant)
    assert sparse.parameters == dense.parameters
    assert sparse.bytes_packed < 0.6 * dense.bytes_packed


def test_a_card_does_not_have_the_protocol_of_other_scores_beside_its_own(model):
    config = {**model.config, "about": {**model.about, "protocol": {"domain": {"num_samples": 54321}}}}
    found = with_card(replace(model, config=config), {"domain_fid": 9.5}, "place")
    assert "54321" in model_card(config)
    assert "54321" not in found.card
    assert "9.5" in found.card


def test_the_most_memory_is_that_of_all_that_lives_at_once():
    def call() -> torch.Tensor:
        first = torch.ones(1000)
        second = first + 1
        del first
        third = second * 2  # as many bytes as two of them
        del second, third
        return torch.ones(500)

    assert peak_bytes(call) == pytest.approx(8000, abs=300)


def test_nothing_is_pruned_by_a_share_of_zero():
    network = torch.nn.Linear(3, 2)
    before = network.weight.clone()
    assert prune_weights(network, 0.0) == zero_share(network) == 0.0
    assert torch.equal(network.weight, before)


def test_scales_and_shifts_of_a_conditional_batch_norm_are_not_pruned_and_move():
    network = torch.nn.ModuleList([torch.nn.Linear(8, 8), ConditionalBatchNorm2d(8, 3)])
    assert {name for _, name in kernels(network)} == {"weight"}
    with torch.no_grad():
        network[1].gain.weight.fill_(1e-6)  # smaller than all others; the shifts are 0 at first
    prune_weights(network, 0.5)
    assert (network[1].gain.weight != 0).all()
    assert (network[0].weight == 0).double().mean() == 0.5
    keep = FixedZeros(network)
    for weight in network.parameters():
        weight.data += 1
    keep(network)
    assert (network[1].bias.weight == 1).all()
    assert (network[0].weight == 0).double().mean() == 0.5


def test_fewer_channels_are_a_narrower_model_that_loads(model, original, tmp_path):
    variant = compress(model, "channels", Compression(keep_channels=0.5), to_onnx=False)
    assert variant.model.config["settings"]["width"] == 4
    dense, narrow = costs_of(original), costs_of(variant)
    assert narrow.parameters < dense.parameters / 2
    assert narrow.macs < dense.macs / 2
    assert narrow.peak_bytes < dense.peak_bytes
    write_model(tmp_path, variant.model)
    assert torch.equal(papergan.load(tmp_path, device="cpu").sample(2).tensor, images_of_seed(variant))


def images_of_seed(variant):
    return torch.cat(list(variant.sampler.stream(2, seed=0, progress=variant.progress))).clamp(-1, 1)


def test_the_card_says_from_what_and_how_and_has_no_scores_of_the_original(model):
    variant = compress(model, "channels", Compression(keep_channels=0.5), to_onnx=False)
    card = model_card(variant.model.config)
    assert model.config["digest"] in card
    assert "50% of each layer's channels" in card
    assert "12.5" not in card


def test_a_width_that_cannot_be_is_refused_with_the_variant(model):
    with pytest.raises(RecipeError, match="thin: .*width"):
        compress(model, "thin", Compression(keep_channels=0.01), to_onnx=False)


def test_times_are_taken_in_turns(model, original):
    other = compress(model, "bfloat16", Compression(precision="bfloat16"))
    found = measure_seconds([original, other], (1, 4), threads=1, rounds=3)
    assert set(found) == {
        ("float32", "torch", 1), ("float32", "torch", 4), ("float32", "onnxruntime", 1), ("float32", "onnxruntime", 4),
        ("bfloat16", "torch", 1), ("bfloat16", "torch", 4),
    }  # fmt: skip
    assert all(len(times) == 3 and min(times) > 0 for times in found.values())
