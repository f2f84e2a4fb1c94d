"""Generators with styles: w, images of w, mixing, truncation in W; and what is refused."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import RecipeError

NAMES = ["stylegan", "stylegan2"]


@pytest.fixture(params=NAMES)
def generator(request, loaded):
    made = loaded(request.param)
    with torch.no_grad():
        made.sampler.generator.mean_style.normal_(generator=torch.Generator().manual_seed(0))
    return made


def test_an_image_is_the_synthesis_of_its_mapped_latent(generator):
    samples = generator.sample(3, seed=1)
    w = generator.map(samples.latents)
    assert w.shape == (3, 8)
    made = generator.synthesise(w)
    torch.testing.assert_close(made.tensor, samples.tensor, atol=1e-5, rtol=0)
    assert torch.equal(made.latents, w)
    for_layers = w[:, None].expand(-1, 6, -1)
    torch.testing.assert_close(generator.synthesise(for_layers, batch_size=2).tensor, made.tensor, atol=1e-5, rtol=0)


def test_truncation_is_in_w_with_the_same_latents(generator):
    plain, cut = generator.sample(3, seed=1), generator.sample(3, seed=1, truncation=0.5)
    assert torch.equal(cut.latents, plain.latents)
    mean = generator.sampler.generator.mean_style
    w = mean + 0.5 * (generator.map(plain.latents) - mean)
    torch.testing.assert_close(cut.tensor, generator.synthesise(w).tensor, atol=1e-5, rtol=0)
    torch.testing.assert_close(generator.decode(plain.latents, truncation=0.5).tensor, cut.tensor, atol=1e-5, rtol=0)
    assert not torch.allclose(cut.tensor, plain.tensor)
    torch.testing.assert_close(
        generator.synthesise(generator.map(plain.latents), truncation=0.5).tensor, cut.tensor, atol=1e-5, rtol=0
    )


def test_mixing_takes_the_first_layers_of_one_and_the_others_of_the_other(generator):
    a, b = (generator.map(generator.sample(2, seed=seed).latents) for seed in (0, 1))
    styles = torch.stack([a, a, b, b, b, b], dim=1)
    mixed = generator.mix(a, b, layer=2)
    torch.testing.assert_close(mixed.tensor, generator.synthesise(styles).tensor, atol=1e-5, rtol=0)
    torch.testing.assert_close(generator.mix(a, a).tensor, generator.synthesise(a).tensor, atol=1e-5, rtol=0)
    assert torch.equal(generator.mix(a, b).tensor, generator.mix(a, b, layer=3).tensor)  # half of six


def test_the_mixing_grid_has_one_seed_on_the_left_and_the_other_above(generator):
    grid = generator.mixing_grid(2, seeds=(0, 1), layer=2)
    images = grid.content.images.view(3, 3, 3, 16, 16)
    left, above = generator.sample(2, seed=0), generator.sample(2, seed=1)
    assert not images[0, 0].any()
    assert int((images[1:, 0].int() - left.pixels.int()).abs().max()) <= 1
    assert int((images[0, 1:].int() - above.pixels.int()).abs().max()) <= 1
    pair = generator.mix(generator.map(left.latents[1]), generator.map(above.latents[0]), layer=2).pixels
    assert int((images[2, 1].int() - pair[0].int()).abs().max()) <= 1
    assert grid.png().startswith(b"\x89PNG")
    assert "layers 0 to 1 from the left" in grid.content.caption


def test_the_truncation_strip_begins_with_the_mean(generator):
    content = generator.truncation_strip(2, seed=0, psis=(0.0, 1.0)).content
    images = content.images.view(2, 2, 3, 16, 16)
    assert torch.equal(images[0, 0], images[1, 0])
    assert int((images[:, 1].int() - generator.sample(2, seed=0).pixels.int()).abs().max()) <= 1


def test_what_cannot_be_is_refused_in_one_line(generator, loaded):
    w = generator.map(generator.sample(2).latents)
    wrong = [
        (lambda: generator.synthesise(w[:, :5]), r"styles: expected finite numbers \[N, 8\] or \[N, 6, 8\], got"),
        (lambda: generator.synthesise(w * float("nan")), "styles: expected finite numbers"),
        (lambda: generator.mix(w, w[:1]), r"mix: expected two times styles \[N, 8\]"),
        (lambda: generator.mix(w, w, layer=6), r"layer: expected 1..5, the first with the other's styles, got 6"),
        (lambda: generator.mixing_grid(2, layer=0), "layer: expected 1..5"),
        (lambda: generator.mixing_grid(0), "expected"),
        (lambda: generator.map(torch.zeros(2, 3)), "latents: expected finite numbers"),
        (lambda: generator.map(torch.zeros(2, 8), labels=0), "knows no classes"),
        (lambda: generator.truncation_strip(2, psis=()), "psis: expected factors of truncation"),
        (lambda: loaded("dcgan").map(torch.zeros(2, 8)), "map: a generator of system 'dcgan' has no styles"),
        (lambda: loaded("dcgan").mixing_grid(), "mixing_grid: a generator of system 'dcgan' has no styles"),
    ]
    for call, said in wrong:
        with pytest.raises(RecipeError, match=said) as refused:
            call()
        assert "\n" not in str(refused.value)


def test_a_class_stays_with_its_latent_in_a_conditional_one(loaded):
    generator = loaded("stylegan2_labels")
    samples = generator.sample(3, seed=1, labels=[0, 1, 2])
    w = generator.map(samples.latents, labels=[0, 1, 2])
    torch.testing.assert_close(generator.synthesise(w).tensor, samples.tensor, atol=1e-5, rtol=0)
    with pytest.raises(RecipeError, match="map: this generator has classes; say which"):
        generator.map(samples.latents)
    assert generator.mixing_grid(2).content.images.shape == (9, 3, 16, 16)
