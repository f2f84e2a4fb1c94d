"""Shapes, ranges, parameter counts and properties of the networks."""

from __future__ import annotations

import pytest
import torch

from papergan.data.images import ImageSpec
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.networks.convolutional.sndcgan import SNDCGANDiscriminator, SNDCGANGenerator
from papergan.networks.layers.blocks import SelfAttention, normal_initialisation
from papergan.networks.layers.spectral import spectral_norm
from papergan.networks.mixing import MixingDiscriminator
from papergan.networks.residual.resnet import DownBlock, ResNetDiscriminator, ResNetGenerator, UpBlock

PAIRS = [
    (lambda s: DCGANGenerator(s, 10, 8), lambda s: DCGANDiscriminator(s, 8)),
    (lambda s: SNDCGANGenerator(s, 10, 8, attention=True), lambda s: SNDCGANDiscriminator(s, 8, attention=True)),
    (lambda s: ResNetGenerator(s, 10, 8, attention=True), lambda s: ResNetDiscriminator(s, 8, attention=True)),
]


@pytest.mark.parametrize("spec", [ImageSpec(3, 32), ImageSpec(1, 16), ImageSpec(3, 64)], ids=str)
@pytest.mark.parametrize(("generator", "discriminator"), PAIRS)
def test_shapes_and_ranges(generator, discriminator, spec):
    images = generator(spec)(torch.randn(2, 10))
    assert images.shape == (2, spec.channels, spec.size, spec.size)
    assert images.abs().max() <= 1
    verdict = discriminator(spec)(images)
    assert verdict.score.shape == (2,)
    assert verdict.features[-1].shape[0] == 2


@pytest.mark.parametrize("size", [8, 28, 33])
@pytest.mark.parametrize(("generator", "discriminator"), PAIRS)
def test_sizes_that_do_not_fit_are_refused(generator, discriminator, size):
    with pytest.raises(ValueError, match="multiple of 8"):
        generator(ImageSpec(3, size))
    with pytest.raises(ValueError, match="multiple of 8"):
        discriminator(ImageSpec(3, size))


def count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_parameter_counts_of_the_published_sndcgan():
    """Counted by hand from its code (pfnet-research/chainer-gan-lib, common/net.py), width 64, latent 128."""
    generator = 128 * 8192 + 2 * 512 + 16 * (512 * 256 + 256 * 128 + 128 * 64) + 2 * (256 + 128 + 64) + 9 * 64 * 3 + 3
    assert count(SNDCGANGenerator(ImageSpec(3, 32), 128)) == generator
    threes, fours = 3 * 64 + 128 * 128 + 256 * 256 + 512 * 512, 64 * 128 + 128 * 256 + 256 * 512
    discriminator = 9 * threes + 16 * fours + (64 + 2 * 128 + 2 * 256 + 2 * 512) + 8192 + 1
    assert count(SNDCGANDiscriminator(ImageSpec(3, 32))) == discriminator


def test_sndcgan_doubles_channels_where_it_halves_the_side():
    """Table 3b of its paper (arXiv:1802.05957) has 64, 64, 128, 128, 256, 256, 512 instead."""
    layers = [m for m in SNDCGANDiscriminator(ImageSpec(3, 32)).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in layers] == [64, 128, 128, 256, 256, 512, 512]
    assert [m.stride[0] for m in layers] == [1, 2, 1, 2, 1, 2, 1]


def test_initialisation_is_normal_002():
    network = normal_initialisation(DCGANGenerator(ImageSpec(3, 32), 100, 64))
    convolution, norm = network.layers[3], network.layers[1]
    assert convolution.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.01)
    assert network.layers[-2].bias.abs().sum() == 0


def test_spectral_norm_makes_the_largest_singular_value_one():
    torch.manual_seed(0)
    layer = spectral_norm(torch.nn.Conv2d(6, 10, 3)).train()
    for _ in range(20):
        layer(torch.zeros(1, 6, 5, 5))
    assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=1e-3)


def test_spectral_norm_agrees_with_torch():
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(20, 30), torch.nn.Linear(20, 30)
    theirs.load_state_dict(ours.state_dict())
    ours = spectral_norm(ours)
    theirs = torch.nn.utils.parametrizations.spectral_norm(theirs, n_power_iterations=100)
    x = torch.randn(4, 20)
    for _ in range(100):
        ours(x), theirs(x)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "first_axis", "bound"),
    [
        (torch.nn.Linear(8, 12, bias=False), 12, 1),
        (torch.nn.Conv2d(3, 5, 3, padding=1, bias=False), 5, 3),
        (torch.nn.Conv2d(3, 5, 4, stride=2, padding=1, bias=False), 5, 2),
        (torch.nn.ConvTranspose2d(5, 3, 4, stride=2, padding=1, bias=False), 5, 2),
        (torch.nn.ConvTranspose2d(5, 3, 3, stride=3, bias=False), 5, 1),
    ],
    ids=str,
)
def test_spectral_norm_bounds_the_operator_as_its_docstring_says(layer, first_axis, bound):
    """The operator itself, column by column; weights that are nearly alike come close to the bound."""
    with torch.no_grad():
        layer.weight.copy_(1 + 0.1 * torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0)))
    layer = spectral_norm(layer).train()
    inputs = torch.eye(8) if isinstance(layer, torch.nn.Linear) else torch.eye(layer.in_channels * 64)
    with torch.no_grad():
        for _ in range(30):
            layer(inputs[:1] if inputs.shape[1] == 8 else inputs[:1].reshape(1, layer.in_channels, 8, 8))
        columns = layer(inputs if inputs.shape[1] == 8 else inputs.reshape(-1, layer.in_channels, 8, 8)).flatten(1)
        weight = layer.weight
    assert len(layer.parametrizations.weight[0].left) == len(weight) == first_axis
    assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, abs=1e-5)
    assert 0.8 * bound < float(torch.linalg.matrix_norm(columns, 2)) <= bound + 1e-4


def test_spectral_norm_of_a_transposed_convolution_is_that_of_its_convolution_and_not_that_of_torch():
    torch.manual_seed(0)
    back, forth = (
        torch.nn.ConvTranspose2d(6, 2, 4, stride=2, bias=False),
        torch.nn.Conv2d(2, 6, 4, stride=2, bias=False),
    )
    theirs = torch.nn.ConvTranspose2d(6, 2, 4, stride=2, bias=False)
    for layer in (forth, theirs):
        layer.load_state_dict(back.state_dict())
    theirs = torch.nn.utils.parametrizations.spectral_norm(theirs, n_power_iterations=100)
    weights = []
    for layer in (spectral_norm(back), spectral_norm(forth), theirs):
        with torch.no_grad():
            weights += [[layer.weight for _ in range(100)][-1]]
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)
    assert float((weights[2] / weights[0]).mean()) != pytest.approx(1, abs=0.05)


def test_spectral_norm_rests_in_evaluation_mode_and_keeps_float32_under_autocast():
    torch.manual_seed(0)
    layer = spectral_norm(torch.nn.Linear(8, 8)).eval()
    norm = layer.parametrizations.weight[0]
    before = norm.left.clone()
    layer(torch.randn(2, 8))
    assert torch.equal(before, norm.left)
    exact = layer.weight.clone()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.weight, exact)


def test_spectral_norm_of_two_passes_in_one_graph_can_be_differentiated():
    layer = spectral_norm(torch.nn.Linear(8, 8)).train()
    (layer(torch.randn(2, 8)).sum() + layer(torch.randn(2, 8)).sum()).backward()
    assert torch.isfinite(layer.parametrizations.weight.original.grad).all()


def test_self_attention_begins_as_the_identity_and_then_looks_everywhere():
    torch.manual_seed(0)
    layer = SelfAttention(16)
    x = torch.randn(2, 16, 8, 8, requires_grad=True)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.gamma.fill_(1.0)
    layer(x)[0, :, 0, 0].sum().backward()
    assert (x.grad[0, :, -1, -1] != 0).any()  # the corner feels the opposite corner
    assert x.grad[1].abs().sum() == 0  # and no other image
    with pytest.raises(ValueError, match="multiple of 8"):
        SelfAttention(12)


def test_self_attention_is_the_formula_written_out():
    torch.manual_seed(0)
    layer = SelfAttention(8)
    with torch.no_grad():
        layer.gamma.fill_(0.5)
    x = torch.randn(1, 8, 4, 4)

    def flat(convolution: torch.nn.Conv2d, pool: bool) -> torch.Tensor:
        y = convolution(x)
        return (torch.nn.functional.max_pool2d(y, 2) if pool else y)[0].flatten(1)

    query, key, value = flat(layer.theta, False), flat(layer.phi, True), flat(layer.g, True)
    columns = []
    for place in range(16):
        share = torch.softmax(torch.stack([query[:, place] @ key[:, j] for j in range(4)]), 0)
        columns.append(sum(share[j] * value[:, j] for j in range(4)))
    mixed = torch.stack(columns, 1).view(1, 4, 4, 4)
    torch.testing.assert_close(layer(x), x + 0.5 * layer.o(mixed), rtol=1e-4, atol=1e-5)


def test_up_block_may_convolve_before_it_upsamples():
    torch.manual_seed(0)
    block, x = UpBlock(8).eval(), torch.randn(1, 8, 4, 4)
    up = torch.nn.functional.interpolate
    residual = block.second(
        torch.relu(block.second_norm(block.first(up(torch.relu(block.first_norm(x)), scale_factor=2))))
    )
    torch.testing.assert_close(block(x), residual + block.skip(up(x, scale_factor=2)))


def test_down_block_without_halving_is_the_identity_plus_a_residual():
    block, x = DownBlock(8, halve=False), torch.randn(1, 8, 4, 4)
    torch.nn.init.zeros_(block.second.weight), torch.nn.init.zeros_(block.second.bias)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("discriminator", [pair[1] for pair in PAIRS[1:]])
def test_discriminators_look_at_each_image_alone(discriminator):
    """What gradient penalties and the reuse of mixed features rest on."""
    torch.manual_seed(0)
    network = discriminator(ImageSpec(3, 32)).eval()
    images = torch.randn(4, 3, 32, 32)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(network.trunk(images)[order], network.trunk(images[order]), rtol=1e-4, atol=1e-5)


def test_mixing_discriminator_is_the_authors_formula():
    torch.manual_seed(0)
    inner = SNDCGANDiscriminator(ImageSpec(3, 32), 8, spectral=False)
    wrapped, images = MixingDiscriminator(inner, noise_std=0.0).train(), torch.randn(6, 3, 32, 32)
    torch.manual_seed(5)
    verdict = wrapped(images)
    torch.manual_seed(5)
    order, share = torch.randperm(6), torch.rand(())
    mixed = share * images + (1 - share) * images[order]
    features = share * inner.trunk(images) + (1 - share) * inner.trunk(images[order])
    score = inner.head(features) + inner.head(inner.trunk(mixed))
    torch.testing.assert_close(verdict.score, score, rtol=1e-4, atol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(inner.trunk(mixed).flatten(1), features.flatten(1)).mean()
    assert verdict.extras["mixing"].item() == pytest.approx(-cosine.item(), rel=1e-4)
    assert torch.equal(wrapped.eval()(images).score, inner(images).score)
