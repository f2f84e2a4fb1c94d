"""The metrics for anybody's images: the same numbers from arrays, tensors, files and in a loop."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import papergan
from papergan.errors import DataError, EvaluationError
from papergan.evaluation.image_metrics import ImageMetrics, evaluate
from papergan.extractors.feature_extractor import CustomExtractor
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance

COUNTS = {"kid_subset_size": 20, "kid_subsets": 5, "bootstrap": 0}


def corners(values):
    """Four features of each channel: the means of its quarters."""
    return nn.functional.adaptive_avg_pool2d(values, 2).flatten(1)


def images(count, seed, low=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (count, 3, 12, 12), dtype=torch.uint8, generator=draw)


def test_it_is_the_frechet_distance_of_the_features():
    fake, real = images(60, 0, low=30), images(80, 1)
    scores = evaluate(fake, real, extractor=corners, **COUNTS)
    a, b = (FeatureStatistics.of(corners(one.float())) for one in (fake, real))
    assert scores["custom_fid"] == pytest.approx(frechet_distance(a, b))
    assert {"custom_precision", "custom_recall", "custom_density", "custom_coverage", "ms_ssim"} <= set(scores)
    assert "custom_is_mean" not in scores  # there are no logits


def test_arrays_tensors_and_files_give_the_same(tmp_path):
    fake, real = images(40, 0, low=30), images(50, 1)
    wanted = evaluate(fake, real, extractor=corners, **COUNTS)
    arrays = [one.permute(0, 2, 3, 1).numpy() for one in (fake, real)]
    assert evaluate(*arrays, extractor=corners, **COUNTS) == wanted
    np.savez(tmp_path / "fake.npz", images=arrays[0])
    (tmp_path / "real").mkdir()
    for index, one in enumerate(arrays[1]):
        Image.fromarray(one).save(tmp_path / "real" / f"{index:03d}.png")
    again = evaluate(str(tmp_path / "fake.npz"), tmp_path / "real", extractor=corners, **COUNTS)
    assert again == pytest.approx(wanted)


def test_held_out_images_give_copy_rates_and_the_floor():
    real = images(60, 1)
    scores = evaluate(real[:30], real, images(60, 2), extractor=corners, **COUNTS)
    assert scores["custom_copy_rate"] == 1
    assert scores["pixel_copy_rate"] == 1
    assert scores["custom_fid_floor"] > 0


def test_in_a_loop_it_is_the_same_and_real_images_stay_after_a_reset():
    fake, real = images(60, 0, low=30), images(80, 1)
    wanted = evaluate(fake, real, extractor=corners, **COUNTS)
    metrics = papergan.ImageMetrics(corners, **COUNTS)
    for part in real.split(30):
        metrics.update(part, real=True)
    for part in fake.split(25):
        metrics.update(part.permute(0, 2, 3, 1).numpy(), real=False)
    scores = metrics.compute()
    assert scores == pytest.approx({name: wanted[name] for name in scores})
    assert "custom_fid" in scores
    metrics.reset()
    with pytest.raises(EvaluationError, match="no generated images yet"):
        metrics.compute()
    metrics.update(fake, real=False)
    assert metrics.compute()["custom_fid"] == pytest.approx(wanted["custom_fid"])


class Network(nn.Module):
    """Features and logits."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 5)

    def forward(self, values):
        features = corners(values / 255)
        return features, self.linear(features)


def test_a_network_of_ones_own_may_have_logits():
    scores = evaluate(images(40, 0), images(40, 1), extractor=Network(), **COUNTS)
    assert scores["custom_is_mean"] >= 1


def filled(metrics: ImageMetrics, fake, real) -> ImageMetrics:
    for side, some in ((True, real), (False, fake)):
        for part in some.split(700):  # sums are taken in from 1024 rows on
            metrics.update(part, real=side)
    return metrics


class TestSomeMetrics:
    FAKE, REAL, COUNTS = images(1500, 0, low=30), images(2500, 1), {**COUNTS, "bootstrap": 3}
    NAMES = {
        "fid": {"fid"}, "kid": {"kid_mean", "kid_std"}, "deviations": {"fid_bootstrap", "kid_bootstrap"},
        "is": {"is_mean", "is_std", "log_is", "modified_is"},
        "neighbours": {"precision", "recall", "density", "coverage", "two_sample_accuracy"},
    }  # fmt: skip

    def test_each_is_what_it_is_among_all_of_them(self):
        network = Network()
        wanted = evaluate(self.FAKE, self.REAL, extractor=network, **self.COUNTS)
        for one, names in self.NAMES.items():
            metrics = filled(ImageMetrics(network, metrics=(one,), **self.COUNTS), self.FAKE, self.REAL)
            scores = metrics.compute()
            assert scores.keys() == {f"custom_{name}" for name in names | {"num_samples"}}
            assert scores == pytest.approx({name: wanted[name] for name in scores}, rel=1e-9)

    def test_sums_take_the_same_memory_for_any_number_of_images_and_rows_take_their_own(self):
        sums, rows, logits = 2 * (12 * 12 + 12 + 1) * 8, 4 * 12, 4 * 5
        for metrics, each in (
            (("fid",), 0),
            (("kid",), rows),
            (("is",), logits),
            (("fid", "is", "kid"), rows + logits),
        ):
            held = filled(ImageMetrics(Network(), metrics=metrics, **self.COUNTS), self.FAKE, self.REAL)
            assert held.nbytes == sums + each * 4000
            held.compute()
            assert held.nbytes == sums + each * 4000

    def test_merged_states_are_those_of_all_images(self):
        network = Network()
        whole = filled(ImageMetrics(network, **self.COUNTS), self.FAKE, self.REAL)
        first, second = (
            filled(ImageMetrics(network, **self.COUNTS), self.FAKE[part], self.REAL[part])
            for part in (slice(0, 800), slice(800, None))
        )
        first.compute()  # what was computed before the merge is forgotten
        first.merge_state(ImageMetrics(network, **self.COUNTS))  # which has seen nothing
        first.merge_state(second)
        assert first.compute() == pytest.approx(whole.compute(), rel=1e-9)
        assert second.compute()["custom_num_samples"] == 700
        empty = ImageMetrics(network, **self.COUNTS)
        empty.merge_state(whole)
        assert empty.compute() == pytest.approx(whole.compute(), rel=1e-9)
        before = whole.compute()
        empty.update(self.FAKE[:100], real=False)
        assert whole.compute() == before  # the one that was added does not go on with the other
        for other in (ImageMetrics(corners), ImageMetrics(network, metrics=("fid",))):
            with pytest.raises(EvaluationError, match="same extractor and the same metrics"):
                first.merge_state(other)

    @pytest.mark.parametrize("metrics", [("fdi",), ("copies",), ()])
    def test_others_are_refused(self, metrics):
        with pytest.raises(EvaluationError, match="metrics: expected some of fid, kid, deviations, neighbours, is"):
            ImageMetrics(corners, metrics=metrics)


@pytest.mark.parametrize(
    ("fake", "error", "message"),
    [
        (torch.zeros(4, 3, 8, 8), DataError, "fake: images must be uint8"),
        (torch.zeros(4, 3, 8, 8, dtype=torch.uint8), EvaluationError, "images differ in size"),
        (torch.zeros(4, 1, 12, 12, dtype=torch.uint8), EvaluationError, "differ in channels: .*grey, or all RGB$"),
        (np.zeros((4, 12, 12, 7), np.uint8), DataError, "images must be uint8"),
        ("nowhere", DataError, "nowhere"),
    ],
)
def test_what_does_not_fit_is_one_line(fake, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message) as caught:
        evaluate(fake, images(20, 1), extractor=corners, **COUNTS)
    assert "\n" not in str(caught.value)


def test_an_unknown_count_and_an_unknown_extractor_are_refused():
    with pytest.raises(EvaluationError, match="'kid_subset'; counts are fields"):
        evaluate(images(20, 0), images(20, 1), extractor=corners, kid_subset=3)
    with pytest.raises(EvaluationError, match="'kid_subset'; counts are fields"):
        ImageMetrics(corners, kid_subset=3)  # before any image is read
    with pytest.raises(EvaluationError, match="unknown extractor 'inceptoin'"):
        evaluate(images(20, 0), images(20, 1), extractor="inceptoin")
    with pytest.raises(EvaluationError, match=r"expected features \[20, D\]"):
        ImageMetrics(lambda values: values.mean()[None, None]).update(images(20, 0), real=True)
    for features, logits in ((4, 5), (5, 4), (4, 4)):
        extractor = CustomExtractor(lambda values, f=features, g=logits: (torch.zeros(f, 2), torch.zeros(g, 3)))
        with pytest.raises(EvaluationError, match=rf"expected .* got \[{features}, 2\], and .* got \[{logits}, 3\]$"):
            extractor.extract_float(torch.zeros(5, 3, 8, 8))


def test_mirrored_channels_of_an_array_are_read():
    """As OpenCV's images are turned into RGB: with a negative stride, which torch cannot share."""
    fake, real = (np.random.default_rng(seed).integers(0, 256, (30, 12, 12, 3), np.uint8) for seed in (0, 1))
    turned = [one[..., ::-1] for one in (fake, real)]
    assert evaluate(*turned, extractor=corners, **COUNTS) == evaluate(
        *(one.copy() for one in turned), extractor=corners, **COUNTS
    )
