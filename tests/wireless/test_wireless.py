"""Channels, QAM and the Hamming code against closed forms, and against what they are defined by."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from papergan.wireless import hamming
from papergan.wireless.baselines import baselines, code_book, messages_of, simulate_most_likely
from papergan.wireless.channels import Channel, TrueChannel, convolve, noise_deviation
from papergan.wireless.modulation import (
    awgn_bit_error_rate,
    constellation,
    matched_filter_bound,
    modulate,
    over_rayleigh,
    q_function,
    rayleigh_bit_error_rate,
)

AWGN, RAYLEIGH, SELECTIVE = Channel("awgn"), Channel("rayleigh"), Channel("frequency_selective", 3)


def sampled(rate, count):
    """Five standard errors of a share of `count` independent events."""
    return 5 * math.sqrt(rate * (1 - rate) / count)


def detect(signal, order):
    """The bits, [B, N log2(order)], of the constellation's symbols that are nearest to a signal [B, N, 2]."""
    nearest = torch.cdist(signal, constellation(order)).argmin(-1)
    return messages_of(int(math.log2(order)))[nearest].flatten(1)


@pytest.mark.parametrize("order", [2, 4, 16])
def test_symbols_have_mean_energy_1_and_neighbours_differ_by_one_bit(order):
    points = constellation(order)
    assert points.square().sum(1).mean() == pytest.approx(1.0)
    labels = messages_of(int(math.log2(order)))
    distances = torch.cdist(points, points) + 9 * torch.eye(order)
    for one, two in (distances < distances.min() + 1e-4).nonzero().tolist():
        assert int((labels[one] != labels[two]).sum()) == 1
    assert torch.equal(detect(modulate(labels.reshape(1, -1), order), order), labels.reshape(1, -1))


@pytest.mark.parametrize("order", [2, 4, 16])
@pytest.mark.parametrize(
    ("channel", "closed"), [(AWGN, awgn_bit_error_rate), (RAYLEIGH, rayleigh_bit_error_rate)], ids=["awgn", "rayleigh"]
)
def test_simulated_qam_has_the_bit_error_rate_of_the_closed_form(channel, closed, order):
    """This holds only where the noise of an Eb / N0 is right. A block is a symbol, so that errors are independent."""
    draw, count, per_symbol = torch.Generator().manual_seed(1), 200_000, int(math.log2(order))
    bits = torch.randint(2, (count, per_symbol), generator=draw).float()
    taps = channel.draw_taps(count, draw)
    received = convolve(modulate(bits, order), taps)
    received += noise_deviation(6.0, per_symbol, 1) * torch.randn(received.shape, generator=draw)
    h, y = torch.view_as_complex(taps.contiguous()), torch.view_as_complex(received.contiguous())
    found = float((detect(torch.view_as_real(y / h), order) != bits).float().mean())
    expected = closed(10**0.6, order)
    assert found == pytest.approx(expected, abs=sampled(expected, count * per_symbol) * math.sqrt(per_symbol))


def test_closed_forms_at_known_points():
    """BPSK at 9.6 dB has 1e-5 over AWGN; over Rayleigh 1 / (4 g) for a large g; two branches are a known polynomial."""
    assert awgn_bit_error_rate(10**0.96, 2) == pytest.approx(1e-5, rel=0.05)
    assert rayleigh_bit_error_rate(1e4, 4) == pytest.approx(1 / 4e4, rel=1e-3)
    assert matched_filter_bound(100.0, 1) == pytest.approx(rayleigh_bit_error_rate(100.0, 4))
    m = math.sqrt(50 / 51)
    assert matched_filter_bound(100.0, 2) == pytest.approx(((1 - m) / 2) ** 2 * (2 + m))
    assert q_function(0.0) == 0.5


@pytest.mark.parametrize("eb_n0_db", [0.0, 10.0, 30.0])
def test_the_mean_over_rayleigh_fading_is_the_closed_form(eb_n0_db):
    eb_n0 = 10 ** (eb_n0_db / 10)
    for order in (4, 16):
        mean = over_rayleigh(lambda g, order=order: awgn_bit_error_rate(g, order), eb_n0)
        assert mean == pytest.approx(rayleigh_bit_error_rate(eb_n0, order), rel=1e-4)


@pytest.mark.parametrize("channel", [RAYLEIGH, SELECTIVE], ids=["rayleigh", "selective"])
def test_taps_have_energy_1_in_the_mean_and_a_pilot_is_taps_and_noise(channel):
    taps = channel.draw_taps(50_000, torch.Generator().manual_seed(2))
    assert taps.square().sum((1, 2)).mean() == pytest.approx(1.0, abs=0.02)
    assert taps[:, 0].square().sum(1).mean() == pytest.approx(1 / channel.taps, abs=0.02)
    assert torch.equal(channel.pilot(taps, torch.ones_like(taps), 0.5), taps.flatten(1) + 0.5)
    assert AWGN.pilot(AWGN.draw_taps(7, torch.Generator()), torch.zeros(7, 1, 2), 1.0).shape == (7, 0)


def test_a_frequency_selective_channel_is_the_linear_convolution():
    draw = torch.Generator().manual_seed(3)
    sent, taps = torch.randn(5, 7, 2, generator=draw), SELECTIVE.draw_taps(5, draw)
    x, h = torch.view_as_complex(sent), torch.view_as_complex(taps)
    found = torch.view_as_complex(TrueChannel(0.1)(torch.zeros(5, 9, 2), sent, taps).contiguous())
    for t in range(9):
        echoes = sum(h[:, lag] * x[:, t - lag] for lag in range(3) if 0 <= t - lag < 7)
        assert torch.allclose(found[:, t], echoes, atol=1e-6)
    noisy = TrueChannel(0.1)(torch.ones(5, 9, 2), sent, taps)
    assert torch.allclose(noisy, torch.view_as_real(found) + 0.1)


@pytest.mark.parametrize(("kind", "taps"), [("awgn", 2), ("rayleigh", 3), ("frequency_selective", 1)])
def test_a_channel_whose_taps_do_not_fit_is_refused(kind, taps):
    with pytest.raises(ValueError, match=rf"kind {kind} has (2 taps or more|one tap), got {taps}"):
        Channel(kind, taps)


def test_the_hamming_code_corrects_any_single_error_and_no_two():
    words = hamming.encode(messages_of(4))
    distances = torch.cdist(words, words, p=0) + 9 * torch.eye(16)
    assert distances.min() == 3
    for place in range(7):
        broken = words.clone()
        broken[:, place] = 1 - broken[:, place]
        assert torch.equal(hamming.decode_hard(broken), messages_of(4))
    for one, two in combinations(range(7), 2):
        broken = words.clone()
        broken[:, [one, two]] = 1 - broken[:, [one, two]]
        assert (hamming.decode_hard(broken) != messages_of(4)).any(1).all()


def test_hard_decisions_have_the_error_rates_of_the_closed_forms():
    draw, p, count = torch.Generator().manual_seed(4), 0.08, 100_000
    messages = torch.randint(2, (count, 4), generator=draw).float()
    errors = (torch.rand(count, 7, generator=draw) < p).float()
    wrong = hamming.decode_hard((hamming.encode(messages) + errors) % 2) != messages
    block, bit = hamming.hard_block_error_rate(p), hamming.hard_bit_error_rate(p)
    assert float(wrong.any(1).float().mean()) == pytest.approx(block, abs=sampled(block, count))
    assert float(wrong.float().mean()) == pytest.approx(bit, abs=2 * sampled(bit, 4 * count))
    assert hamming.hard_block_error_rate(1e-4) == pytest.approx(21e-8, rel=1e-3)  # 21 pairs


def test_maximum_likelihood_decoding_lies_below_the_union_bound_and_hard_decisions():
    """The union bound, 7 Q(sqrt(2 R 3 g)) + 7 Q(sqrt(2 R 4 g)) + Q(sqrt(2 R 7 g)), is tight at 6 dB."""
    bit, block = simulate_most_likely(AWGN, code_book(4, 2), 4, 6.0, 100_000)
    share = 2 * 4 / 7 * 10**0.6
    bound = sum(count * q_function(math.sqrt(share * weight)) for weight, count in {3: 7, 4: 7, 7: 1}.items())
    assert block == pytest.approx(bound, rel=0.25)
    hard = next(one for one in baselines(AWGN, 4, 7, 2, (6.0,), 100) if "hard" in one.name)
    assert bit < hard.bit
    assert block < hard.block


def test_maximum_likelihood_decoding_of_one_bit_is_bpsk():
    """Two opposite symbols are BPSK, whose error rate is known over each channel: the echoes are combined."""
    book = torch.tensor([[[-1.0, 0.0]], [[1.0, 0.0]]])
    for channel, expected in (
        (AWGN, awgn_bit_error_rate(4.0, 2)), (RAYLEIGH, rayleigh_bit_error_rate(4.0, 2)),
        (SELECTIVE, matched_filter_bound(4.0, 3)),
    ):  # fmt: skip
        bit, block = simulate_most_likely(channel, book, 1, 10 * math.log10(4), 100_000)
        assert bit == block == pytest.approx(expected, abs=sampled(expected, 100_000))
