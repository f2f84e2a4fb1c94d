"""Error rates of untrained systems: uncoded QAM and the Hamming code, with the channel known to the receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.randomness import seed_for
from papergan.wireless import hamming
from papergan.wireless.channels import Channel, convolve, noise_deviation
from papergan.wireless.modulation import (
    Order,
    awgn_bit_error_rate,
    matched_filter_bound,
    modulate,
    over_rayleigh,
    rayleigh_bit_error_rate,
)

MAX_MESSAGE_BITS = 8  # for maximum-likelihood decoding, which compares all messages
CANDIDATE_NUMBERS = 2_000_000  # of received candidates in memory at once


@dataclass(frozen=True)
class Baseline:
    """Error rates of a system at an Eb / N0, in dB. block: None if it is not known.

    blocks: how many were simulated; 0 = closed form.
    """

    name: str
    eb_n0_db: float
    bit: float
    block: float | None = None
    blocks: int = 0


def baselines(
    channel: Channel, bits: int, symbols: int, code_order: Order, eb_n0_db: tuple[float, ...], blocks: int
) -> list[Baseline]:
    """All baselines of a channel for blocks of `bits` bits. blocks: per simulation. code_order: of coded QAM."""
    rows: list[Baseline] = []
    for one in eb_n0_db:
        rows += _closed_forms(channel, bits, symbols, one)
        if bits <= MAX_MESSAGE_BITS:
            bit, block = simulate_most_likely(channel, code_book(bits, code_order), bits, one, blocks)
            rows.append(Baseline("Hamming (7, 4), maximum likelihood", one, bit, block, blocks))
    return rows


def _closed_forms(channel: Channel, bits: int, symbols: int, eb_n0_db: float) -> Iterator[Baseline]:
    eb_n0 = 10 ** (eb_n0_db / 10)
    if channel.kind == "frequency_selective":
        kept = symbols / channel.received_length(symbols)
        yield Baseline("4-QAM, OFDM", eb_n0_db, rayleigh_bit_error_rate(eb_n0 * kept, 4))
        yield Baseline("4-QAM, matched filter bound", eb_n0_db, matched_filter_bound(eb_n0, channel.taps))
        return
    fades, words = channel.fades, bits // hamming.MESSAGE_BITS
    closed = rayleigh_bit_error_rate if fades else awgn_bit_error_rate
    yield Baseline(
        "4-QAM", eb_n0_db, closed(eb_n0, 4), _mean(lambda g: _any(awgn_bit_error_rate(g, 4), bits), eb_n0, fades)
    )
    yield Baseline("16-QAM", eb_n0_db, closed(eb_n0, 16))
    yield Baseline(
        "Hamming (7, 4), hard decision",
        eb_n0_db,
        _mean(lambda g: hamming.hard_bit_error_rate(_coded(g)), eb_n0, fades),
        _mean(lambda g: _any(hamming.hard_block_error_rate(_coded(g)), words), eb_n0, fades),
    )


def _coded(eb_n0: float) -> float:
    """The error rate of the code's bits before decoding: the same for BPSK and 4-QAM, at 4 / 7 of Eb / N0."""
    return awgn_bit_error_rate(eb_n0 * hamming.MESSAGE_BITS / hamming.CODE_BITS, 2)


def _any(rate: float, count: int) -> float:
    """The probability of one error or more among `count` independent ones."""
    return 1 - (1 - rate) ** count


def _mean(rate: Callable[[float], float], eb_n0: float, fades: bool) -> float:
    return over_rayleigh(rate, eb_n0) if fades else rate(eb_n0)


def code_book(bits: int, order: Order) -> Tensor:
    """The symbols of all messages, [2^bits, n, 2]: words of the Hamming code in QAM; messages count upwards."""
    messages = messages_of(bits)
    words = hamming.encode(messages.reshape(-1, hamming.MESSAGE_BITS)).reshape(len(messages), -1)
    return modulate(words, order)


def messages_of(bits: int) -> Tensor:
    """All messages of `bits` bits, [2^bits, bits], counting upwards, the first bit the most significant."""
    numbers = torch.arange(2**bits)
    return torch.stack([(numbers >> place) & 1 for place in reversed(range(bits))], dim=1).float()


def most_likely(received: Tensor, taps: Tensor, book: Tensor) -> Tensor:
    """The index of the message whose received symbols are nearest to a received signal, for known taps: int64 [B].

    argmin_m ||y - h * x_m||^2, which is maximum-likelihood decoding. received: [B, T, 2]; taps: [B, L, 2]; book:
    [M, n, 2].
    """
    count, messages = len(received), len(book)
    arrives = convolve(book.repeat(count, 1, 1), taps.repeat_interleave(messages, 0))
    distances = (received[:, None] - arrives.reshape(count, messages, *received.shape[1:])).square().sum((2, 3))
    return distances.argmin(1)


def simulate_most_likely(
    channel: Channel, book: Tensor, bits: int, eb_n0_db: float, blocks: int
) -> tuple[float, float]:
    """Bit and block error rates of a code book [2^bits, n, 2] under `most_likely`, over `blocks` random messages."""
    draw = torch.Generator().manual_seed(seed_for(0, "baseline", channel.kind, str(eb_n0_db)))
    deviation, messages = noise_deviation(eb_n0_db, bits, book.shape[1]), messages_of(bits)
    chunk = max(1, CANDIDATE_NUMBERS // (2 * len(book) * channel.received_length(book.shape[1])))
    wrong_bits = wrong_blocks = 0.0
    for start in range(0, blocks, chunk):
        count = min(chunk, blocks - start)
        sent = torch.randint(len(book), (count,), generator=draw)
        taps = channel.draw_taps(count, draw)
        received = convolve(book[sent], taps)
        received = received + deviation * torch.randn(received.shape, generator=draw)
        wrong = messages[most_likely(received, taps, book)] != messages[sent]
        wrong_bits, wrong_blocks = wrong_bits + float(wrong.sum()), wrong_blocks + float(wrong.any(1).sum())
    return wrong_bits / (blocks * bits), wrong_blocks / blocks
