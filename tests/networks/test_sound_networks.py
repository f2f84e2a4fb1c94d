"""The networks of sounds: sizes of the papers, shifts and means by hand, what each sample depends on."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import pad

from papergan.networks.sound.melgan import DilatedBlock, MelGANDiscriminator, MelGANGenerator, halved
from papergan.networks.sound.wavegan import PhaseShuffle, WaveGANDiscriminator, WaveGANGenerator, layers_of, shifted


def count(network: nn.Module, without: str = " ") -> int:
    return sum(weight.numel() for name, weight in network.named_parameters() if not name.endswith(without))


def parts(network: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("length", "layers", "left"),
    [(64, 1, 16), (1024, 3, 16), (2048, 3, 32), (4096, 4, 16), (8192, 4, 32), (16384, 5, 16), (65536, 6, 16)],
)
def test_shapes_of_wavegan(length, layers, left):
    assert layers_of(length) == layers
    generator, discriminator = WaveGANGenerator(length, 7, 1), WaveGANDiscriminator(length, 1)
    sounds = generator(torch.rand(3, 7) * 2 - 1)
    assert sounds.shape == (3, 1, length)
    assert sounds.abs().max() <= 1
    assert discriminator(sounds).score.shape == (3,)
    most = 2 ** (layers - 1)
    assert generator.first.weight.shape == (left * most, 7)
    assert discriminator.head.in_features == left * most
    assert len(parts(discriminator, PhaseShuffle)) == layers - 1


def test_sizes_of_wavegan_are_those_of_the_papers_table():
    """Donahue et al. 2019, appendix D, with d = 64 and one channel: kernels (25, in, out) and biases."""
    d = 64
    up = [(16 * d, 8 * d), (8 * d, 4 * d), (4 * d, 2 * d), (2 * d, d), (d, 1)]
    assert count(WaveGANGenerator(16384)) == 100 * 256 * d + 256 * d + sum(25 * a * b + b for a, b in up)
    down = [(1, d), (d, 2 * d), (2 * d, 4 * d), (4 * d, 8 * d), (8 * d, 16 * d)]
    assert count(WaveGANDiscriminator(16384)) == sum(25 * a * b + b for a, b in down) + 256 * d + 1


def test_weights_of_wavegan_begin_glorot_uniform():
    torch.manual_seed(0)
    for network in (WaveGANGenerator(1024, 100, 8), WaveGANDiscriminator(1024, 8)):
        layers = parts(network, (nn.Conv1d, nn.ConvTranspose1d, nn.Linear))
        assert len(layers) == 4
        for layer in layers:
            first, second, *kernel = layer.weight.shape
            limit = (6 / ((first + second) * (kernel[0] if kernel else 1))) ** 0.5
            assert 0.95 * limit < layer.weight.abs().max() <= limit
            assert not layer.bias.any()


@pytest.mark.parametrize("length", [32, 1000, 3072])
def test_lengths_that_are_no_powers_of_two_are_refused(length):
    for build in (WaveGANGenerator, WaveGANDiscriminator):
        with pytest.raises(ValueError, match=f"a power of two of samples, at least 64, got {length}"):
            build(length)


@pytest.mark.parametrize("shift", [-5, -2, -1, 0, 1, 2, 5])
def test_a_shift_mirrors_what_is_missing(shift):
    maps = torch.randn(2, 3, 11)
    mirrored = np.pad(maps.numpy(), ((0, 0), (0, 0), (5, 5)), mode="reflect")
    assert np.array_equal(shifted(maps, shift).numpy(), mirrored[..., 5 - shift : 16 - shift])


def test_phase_shuffle_draws_one_shift_for_a_batch_uniformly():
    layer, maps = PhaseShuffle(2), torch.randn(4, 3, 9)
    candidates = {shift: shifted(maps, shift) for shift in range(-2, 3)}
    torch.manual_seed(0)
    made = [layer(maps) for _ in range(5)]
    torch.manual_seed(0)
    drawn = [int(torch.randint(-2, 3, ())) for _ in range(5)]
    assert len(set(drawn)) > 1
    assert all(torch.equal(one, candidates[shift]) for one, shift in zip(made, drawn, strict=True))
    shares = np.bincount([int(layer(torch.arange(9.0))[4]) for _ in range(3000)], minlength=7)[2:7] / 3000
    assert shares == pytest.approx(np.full(5, 0.2), abs=0.03)


def test_phase_shuffle_is_off_for_0_and_where_it_is_evaluated():
    maps = torch.randn(2, 3, 9)
    assert all(layer(maps) is maps for layer in (PhaseShuffle(0), PhaseShuffle(4).eval()) for _ in range(5))
    with pytest.raises(ValueError, match="at least 0, got -1"):
        PhaseShuffle(-1)
    critic, sounds = WaveGANDiscriminator(1024, 2), torch.randn(2, 1, 1024)
    for different in (True, False):
        critic.train(different)
        assert (len({tuple(critic(sounds).score.tolist()) for _ in range(8)}) > 1) == different


@pytest.mark.parametrize("shift", [-2, 1])
def test_a_shift_is_differentiable_twice(shift):
    maps = torch.randn(1, 2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: (shifted(x, shift) ** 3).sum(), (maps,))


def test_a_gradient_penalty_has_the_right_gradient_of_all_weights_of_the_critic():
    torch.manual_seed(0)
    critic, sounds = WaveGANDiscriminator(256, 1, 2).double(), torch.randn(2, 1, 256, dtype=torch.float64)
    sounds.requires_grad_()
    names = [name for name, _ in critic.named_parameters() if name.endswith("weight")]

    def penalty(*weights: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        score = functional_call(critic, dict(zip(names, weights, strict=True)), (sounds,)).score
        (slope,) = torch.autograd.grad(score.sum(), sounds, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    assert torch.autograd.gradcheck(penalty, [critic.get_parameter(name) for name in names])


def test_sizes_of_melgan_are_those_of_the_paper():
    """The generator has 4.26 million weights, table 1 of the paper [memory], without those of the normalisation."""
    generator = MelGANGenerator()
    assert round(count(generator, "original0") / 1e6, 2) == 4.26
    assert [one.dilation[0] for one in parts(generator, nn.Conv1d) if one.kernel_size == (3,)] == [1, 3, 9] * 4
    layers = [
        (layer.in_channels, layer.out_channels, *layer.kernel_size, *layer.stride, layer.groups)
        for layer in parts(MelGANDiscriminator(), nn.Conv1d)
    ]
    assert layers == [
        (1, 16, 15, 1, 1), (16, 64, 41, 4, 4), (64, 256, 41, 4, 16), (256, 1024, 41, 4, 64),
        (1024, 1024, 41, 4, 256), (1024, 1024, 5, 1, 1), (1024, 1, 3, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [1, 2, 3, 6, 8, 12, 24])
def test_discriminators_of_other_widths_keep_the_proportions(width):
    layers = parts(MelGANDiscriminator(width), nn.Conv1d)
    most = min(64 * width, 1024)
    assert [layer.out_channels for layer in layers] == [
        width, 4 * width, 16 * width, min(64 * width, most), most, most, 1
    ]  # fmt: skip
    assert all(layer.in_channels % layer.groups == layer.out_channels % layer.groups == 0 for layer in layers)


@pytest.mark.parametrize(("ratios", "frames"), [((8, 8, 2, 2), 4), ((8, 4, 2, 2), 8), ((5, 3), 6), ((16,), 64)])
def test_shapes_of_melgan(ratios, frames):
    hop = int(np.prod(ratios))
    sounds = MelGANGenerator(9, 2, ratios, 2)(torch.randn(3, 9, frames))
    assert sounds.shape == (3, 1, frames * hop)
    assert sounds.abs().max() <= 1


@pytest.mark.parametrize("length", [1024, 2048, 4096, 16384])
@pytest.mark.parametrize("scale", [0, 1, 2, 3])
def test_shapes_of_the_scales(length, scale):
    out = MelGANDiscriminator(2, scale=scale)(torch.randn(3, 1, length))
    seen = length // 2**scale
    lengths = [seen, *(-(-seen // 4**layer) for layer in range(1, 5))]
    assert out.score.shape == (3, lengths[-1])
    assert [one.shape[2] for one in out.features] == [*lengths, lengths[-1]]


def test_three_blocks_see_27_samples():
    """Kumar et al. 2019, section 2.1: dilations 1, 3 and 9."""
    torch.manual_seed(0)
    maps = torch.randn(1, 4, 81, requires_grad=True)
    nn.Sequential(*(DilatedBlock(4, 3**place) for place in range(3)))(maps)[0, :, 40].sum().backward()
    assert maps.grad.abs().sum((0, 1)).nonzero().flatten().tolist() == list(range(40 - 13, 40 + 14))


def test_a_block_by_hand():
    torch.manual_seed(0)
    block, maps = DilatedBlock(2, 3).double(), torch.randn(1, 2, 12, dtype=torch.float64)
    first, second = (block.block[place] for place in (2, 4))

    def one(layer: nn.Conv1d, x: np.ndarray) -> np.ndarray:
        return layer.weight[:, :, 0].detach().numpy() @ x + layer.bias.detach().numpy()[:, None]

    def bent(x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, 0.2 * x)

    given = maps[0].numpy()
    around = np.pad(bent(given), ((0, 0), (3, 3)), mode="reflect")
    taps = first.weight.detach().numpy()
    inner = sum(taps[:, :, tap] @ around[:, 3 * tap : 3 * tap + 12] for tap in range(3))
    wanted = one(second, bent(inner + first.bias.detach().numpy()[:, None])) + one(block.shortcut, given)
    np.testing.assert_allclose(block(maps)[0].detach().numpy(), wanted, rtol=1e-12)


def test_halving_by_hand():
    sound = np.random.default_rng(0).standard_normal(16)
    wanted = sound
    for times in (1, 2):
        inner = [wanted[start : start + 4].mean() for start in range(1, len(wanted) - 3, 2)]
        wanted = np.array([wanted[:3].mean(), *inner, wanted[-3:].mean()])
        np.testing.assert_allclose(halved(torch.tensor(sound)[None, None], times)[0, 0].numpy(), wanted)


def test_a_coarse_discriminator_is_a_fine_one_of_halved_sounds():
    torch.manual_seed(0)
    coarse, fine, sounds = MelGANDiscriminator(2, scale=2), MelGANDiscriminator(2), torch.randn(2, 1, 1024)
    fine.load_state_dict(coarse.state_dict())
    seen, wanted = coarse(sounds), fine(halved(sounds, 2))
    assert torch.equal(seen.score, wanted.score)
    assert all(map(torch.equal, seen.features, wanted.features))


def test_a_window_of_the_discriminator_sees_as_much_as_its_layers_reach():
    """15 samples; each stride-4 layer of k41 adds 40 times the stride before it, k5 and k3 add 4 and 2 times 256."""
    torch.manual_seed(0)
    network, sounds = MelGANDiscriminator(1).double(), torch.randn(1, 1, 16384, dtype=torch.float64)
    sounds.requires_grad_()
    network(sounds).score[0, 32].backward()
    seen = sounds.grad.flatten().nonzero().flatten()
    reach = 15 + 40 * (1 + 4 + 16 + 64) + (4 + 2) * 256
    assert int(seen[-1] - seen[0]) + 1 == reach


def test_weights_are_normalised_and_begin_as_torch_initialises_them():
    generator = MelGANGenerator(6, 2, (4, 2), 2)
    for layer in parts(generator, (nn.Conv1d, nn.ConvTranspose1d)):
        gain, direction = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
        norms = direction.flatten(1).norm(dim=1)
        torch.testing.assert_close(gain.flatten(), norms)  # so that the weight is the direction itself
        fan_in = layer.weight[0].numel()  # torch takes the second axis of transposed ones too
        assert direction.abs().max() <= fan_in**-0.5
        before = layer.weight.detach().clone()
        direction.data.mul_(3.0)
        torch.testing.assert_close(layer.weight, before)
        gain.data.mul_(2.0)
        torch.testing.assert_close(layer.weight, 2.0 * before)


def test_copies_and_loaded_weights_make_the_same_sounds():
    torch.manual_seed(0)
    mel, generator, other = torch.randn(2, 6, 8), *(MelGANGenerator(6, 2, (4, 2), 2) for _ in range(2))
    wanted = generator(mel)
    twin = copy.deepcopy(generator)
    other.load_state_dict(generator.state_dict())
    assert all(torch.equal(one(mel), wanted) for one in (twin, other))
    for weight in twin.parameters():
        weight.data.add_(0.1)
    assert not torch.equal(twin(mel), wanted)
    assert torch.equal(generator(mel), wanted)


def test_a_waveform_is_local_in_its_mel_spectrogram():
    """The first frame reaches no further than the layers do; the generator makes a longer sound of a longer one."""
    torch.manual_seed(0)
    generator = MelGANGenerator(4, 2, (4, 2), 1)
    mel = torch.randn(1, 4, 40)
    changed = mel + pad(torch.ones(1, 4, 1), (0, 39))
    differs = (generator(mel) != generator(changed)).flatten().nonzero().flatten()
    # k7: frames 0..3; k8 s4 of frame 3: samples 10..17, +1; k4 s2 of sample 18: 35..38, +1, k7: +3
    assert int(differs[-1]) == 42
    longer = generator(pad(mel, (0, 10)))
    torch.testing.assert_close(longer[..., :200], generator(mel)[..., :200])
