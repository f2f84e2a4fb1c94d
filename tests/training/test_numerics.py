"""Torch's switches: set inside, put back outside, in every order in which training and evaluation nest them."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import RecipeError
from papergan.extractors.feature_extractor import full_precision
from papergan.training.numerics import autocast_type, choose_device, float32_products, flushed_denormals, numerics


def switches() -> tuple:
    backends = torch.backends
    return (
        backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_training_and_evaluation_nest_and_follow_each_other(precision):
    before = switches()
    with numerics(precision, deterministic=False):
        inside = switches()
        assert inside[0] == inside[1] == ("ieee" if precision == "float32" else "tf32")
        with full_precision("cpu"):
            assert switches()[:2] == ("ieee", "ieee")
        assert switches() == inside
    assert switches() == before
    with full_precision("cpu"):
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).sum() == 8
    assert switches() == before


def test_switches_are_put_back_after_an_error():
    before = switches()
    with pytest.raises(RuntimeError), numerics("tf32", deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
        raise RuntimeError
    with pytest.raises(RuntimeError), float32_products("tf32"):
        raise RuntimeError
    assert switches() == before


def test_autocast_is_off_in_full_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16), full_precision("cpu"):
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype == torch.float32
    assert autocast_type("bfloat16") is torch.bfloat16
    assert autocast_type("tf32") is None


def test_devices():
    assert choose_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(RecipeError, match="torch sees no GPU; use 'auto' or 'cpu'"):
            choose_device("cuda")
    with pytest.raises(RecipeError, match="device 'gpu': torch knows none of this name"):
        choose_device("gpu")
    for name in ("meta", *(one for one in ("mps", "xpu") if not getattr(torch, one).is_available())):
        with pytest.raises(RecipeError, match=rf"^device '{name}' cannot be used here \(.*\); use 'auto', 'cpu'"):
            choose_device(name)


def test_a_gpu_beyond_those_that_are_there_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(RecipeError, match="device 'cuda:1': torch sees 1 GPUs"):
        choose_device("cuda:1")


def test_denormals_are_flushed_inside_the_block_alone() -> None:
    small = torch.tensor(1e-40)

    def is_flushed() -> bool:
        return float(small * 1.0) == 0.0

    assert not is_flushed()
    with flushed_denormals():
        assert is_flushed()
        with flushed_denormals():
            pass
        assert is_flushed()
        moment, weight = torch.full((4,), 2e-38), torch.ones(4, requires_grad=True)
        adam = torch.optim.Adam([weight], betas=(0.5, 0.999))
        weight.grad = torch.zeros(4)
        adam.step()
        adam.state[weight]["exp_avg"].copy_(moment)
        adam.step()
        assert adam.state[weight]["exp_avg"].tolist() == [0.0] * 4
    assert not is_flushed()
