"""Randomness by purpose."""

from __future__ import annotations

import pytest
import torch

from papergan.randomness import seed_for, seeded


def test_purposes_get_unrelated_seeds_within_torchs_range():
    seeds = {seed_for(s, purpose, i) for s in range(3) for purpose in ("batch", "step") for i in range(100)}
    assert len(seeds) == 600
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_for(0, "step", 1) == seed_for(0, "step", 1)


def test_a_seeded_block_repeats_itself_and_restores_the_ambient_state_even_after_an_error():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with seeded(0, "x"):
        first = torch.rand(3)
    with pytest.raises(RuntimeError), seeded(0, "x"):
        assert torch.equal(torch.rand(3), first)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before)
