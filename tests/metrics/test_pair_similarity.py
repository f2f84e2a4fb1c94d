"""PSNR and SSIM against their formulas."""

import math

import numpy as np
import pytest
import torch

from metrics.test_ms_ssim import brute_force
from papergan.errors import EvaluationError
from papergan.evaluation.translation_scores import pair_scores
from papergan.metrics.pair_similarity import luma, psnr, ssim

DRAW = torch.Generator().manual_seed(0)
FIRST = torch.randint(0, 256, (4, 3, 24, 24), generator=DRAW, dtype=torch.uint8)
SECOND = (FIRST.int() + torch.randint(-20, 21, FIRST.shape, generator=DRAW)).clamp(0, 255).to(torch.uint8)


def test_a_difference_of_ten_grey_levels_everywhere():
    assert psnr(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 10.0)).item() == pytest.approx(
        20 * math.log10(255 / 10)
    )
    assert psnr(FIRST, FIRST).tolist() == pytest.approx([10 * math.log10(255**2 / 1e-10)] * 4)


def test_ssim_of_flat_images_is_their_luminance_term():
    a, b = torch.full((1, 1, 16, 16), 100.0), torch.full((1, 1, 16, 16), 150.0)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b).item() == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1))
    torch.testing.assert_close(ssim(FIRST, FIRST), torch.ones(4, dtype=torch.float64))
    with pytest.raises(EvaluationError, match="at least 11 pixels"):
        ssim(a[..., :8, :8], b[..., :8, :8])
    with pytest.raises(EvaluationError, match="one shape"):
        psnr(a, b[..., :8])


def test_ssim_is_that_of_every_window():
    pairs = zip(FIRST.double().numpy(), SECOND.double().numpy(), strict=True)
    expected = [brute_force(one, other, scales=1) for one, other in pairs]
    np.testing.assert_allclose(ssim(FIRST, SECOND).numpy(), expected, rtol=1e-9)


def test_scores_of_pairs_are_means_over_all_channels_and_of_the_luminance():
    found, grey = pair_scores(SECOND, FIRST), (luma(SECOND), luma(FIRST))
    wanted = {"psnr": psnr(SECOND, FIRST), "ssim": ssim(SECOND, FIRST), "psnr_y": psnr(*grey), "ssim_y": ssim(*grey)}
    assert found == pytest.approx({name: values.mean().item() for name, values in wanted.items()})
    assert abs(found["psnr_y"] - found["psnr"]) > 0.1
    assert abs(found["ssim_y"] - found["ssim"]) > 1e-4


def test_luma_of_white_black_and_red():
    colours = torch.tensor([[255, 255, 255], [0, 0, 0], [255, 0, 0]]).view(3, 3, 1, 1)
    torch.testing.assert_close(luma(colours).flatten(), torch.tensor([235.0, 16.0, 81.481], dtype=torch.float64))


def test_what_is_cut_off_does_not_count():
    framed = SECOND.clone()
    framed[..., :4, :] = framed[..., -4:, :] = framed[..., :4] = framed[..., -4:] = 0
    assert pair_scores(framed, FIRST, 4) == pair_scores(SECOND, FIRST, 4)
    assert pair_scores(framed, FIRST)["psnr"] < pair_scores(SECOND, FIRST)["psnr"]
    assert set(pair_scores(SECOND, FIRST, 7)) == {"psnr", "psnr_y"}  # 10 pixels are left, too few for SSIM
