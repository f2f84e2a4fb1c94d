"""Too little memory: one line with the setting to lower, the checkpoint intact, nothing made smaller in silence."""

from __future__ import annotations

import pytest
import torch

from helpers.subject import Subject, outcome
from papergan.errors import MemoryShortError
from papergan.training.memory import memory_errors


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_training_says_what_to_lower_and_goes_on_later(tmp_path, monkeypatch, error):
    straight = Subject(str(tmp_path / "straight"), "two_player", steps=12).training()
    straight.run()
    training = Subject(str(tmp_path / "run"), "two_player", steps=12).training()
    training_step = training._run_step

    def short():
        if training.step == 7:
            raise error
        training_step()

    monkeypatch.setattr(training, "_run_step", short)
    with pytest.raises(MemoryShortError, match=r"training on cpu: lower training\.batch_size \(now 8\), .*another"):
        training.run()
    assert training.store.latest().step == 7
    again = Subject(str(tmp_path / "run"), "two_player", steps=12).training()
    again.run()
    assert outcome(again) == outcome(straight)


def test_the_hosts_allocator_has_no_type_of_its_own():
    with (
        pytest.raises(MemoryShortError, match="out of memory while looking: lower it"),
        memory_errors("looking", "lower it"),
    ):
        torch.empty(2**50, dtype=torch.uint8)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' for more information.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_nor_has_the_memory_of_a_gpu_that_others_fill(said):
    with pytest.raises(MemoryShortError, match="out of memory while looking"), memory_errors("looking", "lower it"):
        raise torch.AcceleratorError(said)


def test_other_errors_are_left_as_they_are():
    with pytest.raises(RuntimeError, match="something else"), memory_errors("looking", "lower it"):
        raise RuntimeError("something else")
    with pytest.raises(RuntimeError, match="mat1 and mat2"), memory_errors("looking", "lower it"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_that_is_too_small():
    with pytest.raises(MemoryShortError), memory_errors("looking", "lower it"):
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
