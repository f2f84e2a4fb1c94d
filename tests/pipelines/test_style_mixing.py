"""Pictures of generators with styles: mixing, and the sweep over psi."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.sampler import Sampler
from papergan.image_range import to_pixels
from papergan.pipelines import experiment
from papergan.pipelines.experiment.nodes import style_mixing, truncation
from papergan.weights import Weights

ABOUT = {"dataset": "drawn", "step": "1", "images": "5", "epoch": "0.1"}


def sampler_of(name: str) -> Sampler:
    return systems.build(name, ImageSpec(1, 16, 3), small(name), seed=0).sampler(averaged=False).eval()


@pytest.fixture
def draw(monkeypatch):
    def drawn(sampler: Sampler):
        training = SimpleNamespace(precision="float32", deterministic=False)
        given = SimpleNamespace(name="small", recipe=SimpleNamespace(seed=3, training=training))
        monkeypatch.setattr(style_mixing, "exported_sampler", lambda *given: sampler)
        return style_mixing.draw_style_mixing(given, Weights({}, ABOUT))

    return drawn


def test_the_table_has_the_ends_on_the_left_and_above(draw):
    sampler = sampler_of("stylegan2")
    grid = draw(sampler)
    images = grid.images.view(9, 9, 1, 16, 16)
    for end, shown in (("coarse", images[1:, 0]), ("fine", images[0, 1:])):
        (latent,) = sampler.latents(8, 3, f"style mixing, {end}", progress=SimpleNamespace())
        wanted = to_pixels(sampler.decode(latent).clamp(-1, 1))
        assert int((shown.int() - wanted.int()).abs().max()) <= 1
    assert not torch.equal(images[1, 1], images[1, 2])
    assert "layers 0 to 2 from the left" in grid.caption


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("stylegan_fashion_mnist", {"style_mixing"}), ("infogan_mnist", {"codes"}), ("dcgan_cifar10", set())],
)
def test_an_experiment_has_the_pictures_of_its_system(name, drawn):
    outputs = experiment.create_pipeline(name).outputs()
    assert {one for one in ("style_mixing", "codes") if f"{name}.{one}" in outputs} == drawn


def test_a_generator_without_styles_has_a_picture_that_says_so(draw):
    assert draw(sampler_of("dcgan")).caption == "small: its generator has no styles; no picture"


def test_the_sweep_is_over_psi_where_the_generator_truncates():
    assert truncation._thresholds(sampler_of("stylegan")) == truncation.PSIS
    assert truncation._thresholds(sampler_of("dcgan")) == truncation.THRESHOLDS


def test_samples_of_a_stream_are_truncated_in_w():
    sampler = sampler_of("stylegan2")
    sampler.generator.mean_style.fill_(0.3)
    plain, cut = (next(sampler.stream(4, seed=1, truncation=psi)) for psi in (None, 0.5))
    latents = sampler.latents(500, 1, "samples", 0, progress=SimpleNamespace())[0][:4]
    w = 0.5 * (sampler.generator.map(latents) + 0.3)
    torch.testing.assert_close(cut, sampler.generator.synthesise(w), atol=1e-5, rtol=0)
    assert not torch.allclose(cut, plain)
