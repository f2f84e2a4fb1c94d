"""BigGAN's networks: chunks and classes reach their layers, what is normalised, where attention is, first weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from papergan.data.images import ImageSpec
from papergan.networks.layers.blocks import SelfAttention
from papergan.networks.residual.biggan import BigGANGenerator, biggan_discriminator

IMAGES = ImageSpec(3, 16, 3)
STUDIO = {"shared_dim": 5, "hierarchical": True, "attention": True, "initialisation": "orthogonal"}


def generator(**settings) -> BigGANGenerator:
    torch.manual_seed(0)
    return BigGANGenerator(IMAGES, 8, 8, **settings).eval()


def maps_of_blocks(network: BigGANGenerator, latent, classes) -> list[torch.Tensor]:
    maps = []
    hooks = [block.register_forward_hook(lambda _, __, out: maps.append(out)) for block in network.blocks]
    with torch.no_grad():
        network(latent, classes)
    for hook in hooks:
        hook.remove()
    return maps


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_a_chunk_of_the_latent_reaches_its_block_and_what_follows(chunk):
    network, latent, classes = generator(**STUDIO), torch.randn(2, 8), torch.eye(3)[:2]
    other = latent.clone()
    other[:, 2 * chunk : 2 * chunk + 2] += 1
    same = [
        torch.equal(a, b)
        for a, b in zip(maps_of_blocks(network, latent, classes), maps_of_blocks(network, other, classes), strict=True)
    ]
    assert same == [True] * (chunk - 1) + [False] * (4 - chunk)


def test_the_first_chunk_goes_to_the_linear_layer_alone():
    network, seen = generator(**STUDIO), []
    network.project.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    latent = torch.randn(2, 8)
    network(latent, torch.eye(3)[:2])
    assert torch.equal(seen[0], latent[:, :2])


def test_one_embedding_is_the_condition_of_every_block_beside_its_chunk():
    network, seen = generator(**STUDIO), []
    for block in network.blocks:
        block.register_forward_hook(lambda _, given, __: seen.append(given[1]))
    latent = torch.randn(3, 8)
    network(latent, torch.eye(3))
    for place, condition in enumerate(seen, 1):
        expected = torch.cat([network.shared.weight.T, latent[:, 2 * place : 2 * place + 2]], dim=1)
        torch.testing.assert_close(condition, expected)


def test_without_a_shared_embedding_every_norm_has_a_vector_per_class():
    network = generator()
    assert not list(network.shared.parameters())
    x, classes = torch.randn(3, 8, 2, 2), torch.eye(3)
    norm = network.blocks[0].first_norm
    gain, bias = norm.gain.weight.T[:, :, None, None], norm.bias.weight.T[:, :, None, None]
    torch.testing.assert_close(norm(x, classes), x / (1 + 1e-5) ** 0.5 * (1 + gain) + bias)
    assert len(network(torch.randn(1, 8).expand(3, -1), classes).flatten(1).unique(dim=0)) == 3


@pytest.mark.parametrize(
    ("settings", "left"),
    [({"attention": True}, {"gain", "bias"}), (STUDIO, {"shared"})],
    ids=["embeddings of layers", "shared"],
)
def test_every_layer_is_normalised_but_embeddings_of_classes(settings, left):
    layers = {name: m for name, m in generator(**settings).named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    plain = {name.rpartition(".")[2] for name, layer in layers.items() if not is_parametrized(layer)}
    assert plain == left
    assert all(is_parametrized(layer) != (name.rpartition(".")[2] in left) for name, layer in layers.items())
    for name, layer in layers.items():
        if is_parametrized(layer):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
            assert largest == pytest.approx(1.0, abs=0.05), name


def test_every_layer_of_the_discriminator_is_normalised_its_embedding_too():
    network = biggan_discriminator(IMAGES, 8, attention=True)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 10 + 4 + 2  # of blocks, of attention, linear and embedding
    assert all(is_parametrized(layer) for layer in layers)


def test_attention_is_at_half_resolution_in_both():
    for network, given in (
        (generator(attention=True), (torch.randn(2, 8), torch.eye(3)[:2])),
        (biggan_discriminator(IMAGES, 8, attention=True), (torch.randn(2, 3, 16, 16), torch.eye(3)[:2])),
    ):
        (attention,) = [m for m in network.modules() if isinstance(m, SelfAttention)]
        seen = []
        attention.register_forward_hook(lambda _, given, __, seen=seen: seen.append(given[0].shape))
        network(*given)
        assert seen == [(2, 8, 8, 8)]
    assert not [m for m in generator().modules() if isinstance(m, SelfAttention)]


def test_parameter_counts_are_those_of_studiogans_logs(monkeypatch):
    """9 416 196 and 2 415 170: BigGAN-train-2021_01_15_14_48_48.log of PyTorch-StudioGAN, logs/CIFAR10."""
    monkeypatch.setattr("papergan.networks.layers.blocks.spectral_norm", lambda layer: layer)  # has buffers alone
    cifar = ImageSpec(3, 32, 10)
    networks = (
        BigGANGenerator(cifar, 80, 384, **STUDIO | {"shared_dim": 128, "initialisation": "normal"}),
        biggan_discriminator(cifar, 192, attention=True),
    )
    assert [sum(weight.numel() for weight in network.parameters()) for network in networks] == [9416196, 2415170]


def test_first_weights():
    normal, orthogonal = BigGANGenerator(IMAGES, 8, 64), generator(**STUDIO)
    weights = normal.blocks[1].first.parametrizations.weight.original
    assert weights.std().item() == pytest.approx(0.02, rel=0.05)
    assert normal.blocks[1].first_norm.gain.weight.std().item() == pytest.approx(0.02, rel=0.25)
    assert normal.blocks[1].first.bias.abs().max() > 0  # as torch draws it
    for layer in (orthogonal.blocks[1].first, orthogonal.blocks[1].first_norm.gain):
        rows = layer.parametrizations.weight.original.flatten(1)
        small = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        torch.testing.assert_close(small, torch.eye(len(small)), atol=1e-5, rtol=0)
    assert orthogonal.blocks[1].first.bias.abs().max() == 0


@pytest.mark.parametrize(
    ("latent_dim", "settings", "message"),
    [
        (8, {"hierarchical": True}, "set shared_dim above 0"),
        (10, {"hierarchical": True, "shared_dim": 4}, "multiple of 4 for hierarchical latents, got 10"),
        (8, {"initialisation": "xavier"}, "unknown initialisation 'xavier'; there are normal, orthogonal"),
    ],
)
def test_what_does_not_fit_is_refused(latent_dim, settings, message):
    with pytest.raises(ValueError, match=message):
        BigGANGenerator(IMAGES, latent_dim, 8, **settings)
