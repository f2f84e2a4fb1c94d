from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers.toy_extractor import PixelExtractor
from papergan.errors import EvaluationError, EvaluationStopped
from papergan.extractors.feature_extractor import batches_of, check_pixels, check_values, full_precision, no_logits
from papergan.training.numerics import float32_products


def test_a_tensor_and_a_stream_give_the_same_features() -> None:
    pixels, extractor = torch.randint(0, 256, (23, 3, 4, 4), dtype=torch.uint8), PixelExtractor()
    whole = torch.cat([extractor(batch).features for batch in batches_of(pixels, 23)])
    stream = torch.cat([extractor(batch).features for batch in batches_of(iter(pixels.split(7)), 3)])
    assert torch.equal(whole, stream)


def test_no_batch_is_larger_than_asked_and_none_is_lost() -> None:
    sizes = [len(batch) for batch in batches_of([torch.zeros(5, 1), torch.zeros(2, 1)], 3)]
    assert sizes == [3, 2, 2]


def test_a_stream_is_not_read_ahead() -> None:
    drawn = []

    def stream() -> object:
        for index in range(5):
            drawn.append(index)
            yield torch.zeros(2, 1)

    next(iter(batches_of(stream(), 2)))
    assert drawn == [0]


def test_stopping_raises_instead_of_returning_a_part() -> None:
    asked = iter([False, False, True])
    with pytest.raises(EvaluationStopped, match="after 4 images"):
        list(batches_of(torch.zeros(10, 1), 2, lambda: next(asked)))


@pytest.mark.parametrize("bad", [torch.zeros(2, 3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)])
def test_floats_and_single_images_are_refused(bad: Tensor) -> None:
    with pytest.raises(EvaluationError, match="uint8"):
        check_pixels(bad)


@pytest.mark.parametrize("bad", [torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, 4, 4)])
def test_bytes_and_single_images_are_no_values(bad: Tensor) -> None:
    with pytest.raises(EvaluationError, match="float"):
        check_values(bad)


def test_no_logits_fit_beside_features_and_below_each_other() -> None:
    none = no_logits(torch.zeros(5, 3))
    assert none.shape == (5, 0)
    assert none.dtype == torch.float32
    assert torch.cat([none, none]).shape == (10, 0)


def test_full_precision_switches_autocast_and_tf32_off_and_back() -> None:
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    with float32_products("tf32"), torch.autocast("cpu", torch.bfloat16):
        with full_precision("cpu"):
            assert not torch.is_autocast_enabled("cpu")
            assert matmul.fp32_precision == convolution.fp32_precision == "ieee"
        assert torch.is_autocast_enabled("cpu")
        assert matmul.fp32_precision == convolution.fp32_precision == "tf32"
