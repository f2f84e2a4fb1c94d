"""The Hamming code (7, 4): encoder, hard-decision decoder, error rates in closed form.

Minimum distance 3: any single error in a word of seven bits is corrected.
Source: Hamming 1950, Bell System Technical Journal 29; MacWilliams and Sloane 1977, chapter 1.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

MESSAGE_BITS, CODE_BITS = 4, 7
PARITY = ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))  # of each message bit; the code is systematic


def encode(bits: Tensor) -> Tensor:
    """Code words [B, 7] of messages [B, 4]: the message, then three parity bits."""
    return torch.cat([bits, (bits @ _parity()) % 2], dim=1)


def decode_hard(words: Tensor) -> Tensor:
    """The messages [B, 4] of the code words nearest to detected bits [B, 7]: the syndrome's bit is flipped."""
    syndrome = (words[:, :MESSAGE_BITS] @ _parity() + words[:, MESSAGE_BITS:]) % 2
    columns = torch.cat([_parity(), torch.eye(CODE_BITS - MESSAGE_BITS)])  # of the parity check of each bit
    wrong = (syndrome[:, None, :] == columns).all(-1).float()
    return ((words + wrong) % 2)[:, :MESSAGE_BITS]


def hard_block_error_rate(bit_error_rate: float) -> float:
    """The probability of a wrong message after `decode_hard`: 1 - (1 - p)^7 - 7 p (1 - p)^6, p of independent bits."""
    p = bit_error_rate
    return max(0.0, 1 - (1 - p) ** 7 - 7 * p * (1 - p) ** 6)


def hard_bit_error_rate(bit_error_rate: float) -> float:
    """The share of wrong message bits after `decode_hard`: sum_k A_k p^k (1 - p)^(7 - k) / 4.

    A_k: wrong message bits after decoding, summed over all patterns of k errors; p of independent bits.
    """
    p = bit_error_rate
    return sum(count * p**k * (1 - p) ** (CODE_BITS - k) for k, count in enumerate(_wrong_bits())) / MESSAGE_BITS


@cache
def _wrong_bits() -> tuple[float, ...]:
    numbers = torch.arange(2**CODE_BITS)
    patterns = torch.stack([(numbers >> place) & 1 for place in range(CODE_BITS)], dim=1).float()
    wrong, errors = decode_hard(patterns).sum(1), patterns.sum(1)
    return tuple(float(wrong[errors == k].sum()) for k in range(CODE_BITS + 1))


def _parity() -> Tensor:
    return torch.tensor(PARITY, dtype=torch.float32)
