"""A loaded generator: sample i is a function of (seed, i), and what cannot be is refused in one line."""

import math

import numpy as np
import pytest
import torch

from papergan import systems
from papergan.errors import DataError, RecipeError
from papergan.game.priors import slerp
from papergan.game.sampler import CHUNK
from papergan.inference import Generator


@pytest.mark.parametrize("name", systems.names())
def test_every_system_is_loaded_with_its_settings_and_gives_the_samples_that_were_scored(name, loaded):
    generator = loaded(name)
    scored = next(generator.sampler.stream(4, seed=1, progress=generator.progress))
    drawn = generator.sample(4, seed=1)
    assert torch.equal(drawn.tensor, scored.clamp(-1, 1))
    assert drawn.images.shape == (4, 16, 16, 3)
    assert drawn.latents.shape == (4, generator.latent_dim)


class TestSampleIsAFunctionOfSeedAndIndex:
    @pytest.mark.parametrize("name", ["dcgan", "dcgan_labels", "mix_wgan", "cft_gan", "deligan"])
    def test_neither_the_count_nor_the_batch_nor_the_start_changes_it(self, name, loaded):
        generator = loaded(name)
        whole = generator.sample(23, seed=4)
        for part in (generator.sample(9, seed=4), generator.sample(23, seed=4, batch_size=7)):
            torch.testing.assert_close(part.tensor, whole.tensor[: len(part)], atol=2e-6, rtol=0)
            assert torch.equal(part.latents, whole.latents[: len(part)])
        later = next(generator.stream(3, seed=4, first=17))
        assert torch.equal(later.latents, whole.latents[17:20])
        assert later.first == 17

    def test_across_the_border_of_a_chunk(self, loaded):
        generator = loaded("dcgan")
        whole = generator.sample(CHUNK + 4, seed=0)
        part = next(generator.stream(8, seed=0, first=CHUNK - 4))
        assert torch.equal(part.latents, whole.latents[CHUNK - 4 : CHUNK + 4])
        assert not torch.equal(whole.latents[:4], whole.latents[CHUNK:])

    def test_another_seed_gives_others(self, loaded):
        generator = loaded("dcgan")
        assert not torch.equal(generator.sample(2, seed=0).latents, generator.sample(2, seed=1).latents)

    def test_the_surroundings_are_left_as_they_were(self, loaded):
        torch.manual_seed(1)
        wanted = torch.rand(1)
        torch.manual_seed(1)
        loaded("dcgan").sample(2, seed=9)
        assert torch.equal(torch.rand(1), wanted)


class TestLabels:
    def test_names_and_numbers_are_taken_in_turn(self, loaded):
        generator = loaded("dcgan_labels")
        assert generator.sample(5, labels=["cat", 0]).labels.tolist() == [1, 0, 1, 0, 1]
        assert generator.sample(2, labels="7").labels.tolist() == [2, 2]  # the class of this name, not the eighth
        assert generator.sample(2, labels="1").labels.tolist() == [1, 1]

    def test_they_decide_the_image(self, loaded):
        generator = loaded("dcgan_labels")
        one, other = (generator.sample(2, labels=label).tensor for label in (0, 1))
        assert not torch.allclose(one, other)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [("cta", "did you mean 'cat'"), (3, "class 3 does not exist"), (-1, "class -1"), ([], "empty"), (None, None),
         ([None], "names or numbers"), ("9" * 5000, "does not exist")],
    )  # fmt: skip
    def test_what_is_no_class_is_refused(self, labels, message, loaded):
        generator = loaded("dcgan_labels")
        if message is None:
            assert len(generator.sample(2, labels=labels)) == 2
            return
        with pytest.raises(RecipeError, match=message):
            generator.sample(2, labels=labels)

    def test_a_generator_without_classes_takes_none(self, loaded):
        with pytest.raises(RecipeError, match="knows no classes; leave labels out"):
            loaded("dcgan").sample(1, labels=0)


class TestTruncation:
    def test_latents_stay_within_the_threshold(self, loaded):
        latents = loaded("ali").sample(50, truncation=0.3).latents
        assert latents.abs().max() <= 0.3

    def test_batch_norm_is_estimated_under_it_and_the_generator_is_left(self, loaded):
        generator = loaded("dcgan")
        before = generator.sample(2).tensor
        truncated = generator.sample(2, truncation=0.5)
        with torch.no_grad():
            naive = generator.sampler.generator(truncated.latents)
        assert not torch.allclose(naive, truncated.tensor, atol=1e-4)
        assert torch.equal(generator.sample(2).tensor, before)

    @pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan])
    def test_a_threshold_is_above_0(self, threshold, loaded):
        with pytest.raises(RecipeError, match="threshold above 0"):
            loaded("dcgan").sample(1, truncation=threshold)


class TestDecode:
    def test_gives_the_samples_of_these_latents(self, loaded):
        generator = loaded("dcgan")
        drawn = generator.sample(5, seed=2)
        torch.testing.assert_close(generator.decode(drawn.latents).tensor, drawn.tensor)
        torch.testing.assert_close(
            generator.decode(drawn.latents[0].numpy()).tensor, drawn.tensor[:1], atol=2e-6, rtol=0
        )

    def test_with_classes(self, loaded):
        generator = loaded("dcgan_labels")
        drawn = generator.sample(4, labels=["cat", 0])
        torch.testing.assert_close(generator.decode(drawn.latents, labels=["cat", 0]).tensor, drawn.tensor)
        with pytest.raises(RecipeError, match="say which"):
            generator.decode(drawn.latents)

    @pytest.mark.parametrize(
        "latents", [np.zeros((2, 3)), np.full((1, 8), np.nan), np.zeros((0, 8)), np.zeros((1, 2, 8))]
    )
    def test_other_shapes_and_numbers_are_refused(self, latents, loaded):
        with pytest.raises(RecipeError, match=r"latents: expected finite numbers \[N, 8\]"):
            loaded("dcgan").decode(latents)


class TestInterpolate:
    def test_ends_are_the_samples_and_gaussian_latents_go_round(self, loaded):
        generator = loaded("ali")
        ends = generator.sample(4, seed=0)
        ways = generator.interpolate(ends.latents[:2], ends.latents[2:], steps=5)
        assert len(ways) == 10
        torch.testing.assert_close(ways.tensor[[0, 4]], ends.tensor[[0, 2]], atol=2e-5, rtol=0)
        middle = slerp(ends.latents[:1], ends.latents[2:3], torch.tensor([0.5]))
        torch.testing.assert_close(ways.latents[2:3], middle)

    def test_modes(self, loaded):
        generator = loaded("ali")
        a, b = generator.sample(2).latents
        straight = generator.interpolate(a, b, steps=3, mode="linear").latents[1]
        torch.testing.assert_close(straight, (a + b) / 2)
        with pytest.raises(RecipeError, match="expected mode prior, slerp, linear"):
            generator.interpolate(a, b, mode="lerp")
        with pytest.raises(RecipeError, match="2 steps or more"):
            generator.interpolate(a, b, steps=1)


class TestInvert:
    def test_by_the_encoder_and_the_same_for_bytes_and_floats(self, loaded):
        generator = loaded("ali")
        images = generator.sample(3)
        codes = generator.invert(images.images)
        assert codes.shape == (3, generator.latent_dim)
        torch.testing.assert_close(generator.invert(images.pixels.float() / 127.5 - 1), codes, atol=1e-5, rtol=1e-4)
        assert torch.equal(generator.invert(images.images), codes)  # the mean: nothing is drawn

    def test_other_images_and_systems_without_an_encoder_are_refused(self, loaded):
        with pytest.raises(RecipeError, match="has no encoder"):
            loaded("dcgan").invert(np.zeros((1, 16, 16, 3), np.uint8))
        with pytest.raises(RecipeError, match="invert: expected images"):
            loaded("ali").invert(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("count", [0, -3, 10**9, True, 2.5, "7"])
def test_a_count_nobody_can_mean_is_refused(count, loaded):
    with pytest.raises(RecipeError, match="expected 1 to"):
        loaded("dcgan").sample(count)


def test_more_samples_than_memory_are_refused_before_the_first(loaded):
    with pytest.raises(DataError, match=r"GB of memory.*stream"):
        loaded("dcgan").sample(999_999_999)


def test_it_says_what_it_is(loaded):
    generator: Generator = loaded("dcgan_labels")
    text = repr(generator)
    assert "dcgan_labels_tiny: dcgan_labels generator of 3x16x16 images" in text
    assert "classes airplane, cat, 7" in text
    assert "domain_fid 12.5" in text
    assert generator.digest[:16] in text
