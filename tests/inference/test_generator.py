"""A loaded generator: sample i is a function of (seed, i), and what cannot be is refused in one line."""

import copy
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.small_systems import FROM_LATENTS, VARIANTS, small, system_of
from inference.conftest import model_of
from papergan import systems
from papergan.errors import DataError, RecipeError
from papergan.game.priors import Gaussian, one_hot, slerp
from papergan.game.sampler import CHUNK, Sampler
from papergan.game.schedules import Progress
from papergan.inference import Generator, load
from papergan.inference.model_folder import write_model
from papergan.inference.truncation import BATCH_SIZE, KEPT
from papergan.weights import Weights

CONDITIONAL = [
    name for name in [*FROM_LATENTS, *VARIANTS]
    if systems.is_conditional(system_of(name), small(name))
]  # fmt: skip


@pytest.mark.parametrize("name", FROM_LATENTS)
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
        assert generator.sample(2, labels=["          1", "0000000000000 "]).labels.tolist() == [1, 0]

    @pytest.mark.parametrize(("label", "said"), [("0000000012", "class 12 does not"), ("1" * 5000, "unknown class")])
    def test_numbers_are_read_whole_or_refused(self, loaded, label, said):
        with pytest.raises(RecipeError, match=said):
            loaded("dcgan_labels").sample(2, labels=label)

    def test_they_decide_the_image(self, loaded):
        generator = loaded("dcgan_labels")
        one, other = (generator.sample(2, labels=label).tensor for label in (0, 1))
        assert not torch.allclose(one, other)

    @pytest.mark.parametrize("name", CONDITIONAL)
    def test_they_decide_the_image_of_every_conditional_system(self, name, tmp_path):
        model, draw = model_of(name), torch.Generator().manual_seed(0)
        moved = {  # what classes do to maps begins at 0 in some networks
            key: tensor + 0.3 * torch.randn(tensor.shape, generator=draw) if key.endswith("weight") else tensor
            for key, tensor in model.tensors.tensors.items()
        }
        write_model(tmp_path / name, replace(model, tensors=Weights(moved, model.tensors.metadata)))
        generator = load(tmp_path / name, "cpu")
        both = generator.sample(16, seed=0, labels=[0, 1])  # dropout makes some of a small network's alike
        zeros = generator.sample(16, seed=0, labels=[0])
        assert both.labels.tolist() == [0, 1] * 8
        assert torch.equal(both.tensor[::2], zeros.tensor[::2])
        assert not torch.allclose(both.tensor[1::2], zeros.tensor[1::2], atol=1e-4)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [("cta", "did you mean 'cat'"), (3, "class 3 does not exist"), (-1, "class -1"), ([], "empty"), (None, None),
         ([None], "names or numbers"), ("9" * 15, "does not exist"), ("9" * 5000, "unknown class")],
    )  # fmt: skip
    def test_what_is_no_class_is_refused(self, labels, message, loaded):
        generator = loaded("dcgan_labels")
        if message is None:
            assert len(generator.sample(2, labels=labels)) == 2
            return
        with pytest.raises(RecipeError, match=message):
            generator.sample(2, labels=labels)

    def test_a_number_of_any_library_is_one_class(self, loaded):
        generator = loaded("dcgan_labels")
        for two in (2, np.int64(2), torch.tensor(2), torch.tensor([2])):
            assert generator.sample(2, labels=two).labels.tolist() == [2, 2]
        assert (
            generator.sample(2, labels=generator.sample(2).labels).labels.tolist()
            == generator.sample(2).labels.tolist()
        )
        with pytest.raises(RecipeError, match=r"names or numbers of classes, got 1\.5"):
            generator.sample(2, labels=1.5)

    def test_more_of_them_than_samples_are_refused(self, loaded):
        generator = loaded("dcgan_labels")
        with pytest.raises(RecipeError, match="^labels: 3 of them for 2 samples; ask for as many samples$"):
            generator.sample(2, labels=[0, 1, 2])
        (rest,) = generator.stream(1, labels=[0, 1, 2], first=2)
        assert rest.labels.tolist() == [2]

    def test_a_generator_without_classes_takes_none(self, loaded):
        with pytest.raises(RecipeError, match="knows no classes; leave labels out"):
            loaded("dcgan").sample(1, labels=0)


class TestTruncation:
    def test_no_latent_of_a_high_threshold_is_infinite(self, monkeypatch):
        """From about 5.6 on, erf of the threshold is 1 in float32, and its inverse at a draw of -1 is infinite."""
        monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.zeros(*size))
        (latent,) = Gaussian(3).truncated(2, Progress(), 8.0)
        assert latent.tolist() == [[-8.0] * 3] * 2

    def test_latents_stay_within_the_threshold(self, loaded):
        latents = loaded("ali").sample(50, truncation=0.3).latents
        assert latents.abs().max() <= 0.3

    @pytest.mark.parametrize(("name", "labels"), [("dcgan", None), ("biggan", [2, 0])])
    def test_batch_norm_is_estimated_under_it_and_the_generator_is_left(self, name, labels, folder_of, monkeypatch):
        monkeypatch.setattr("papergan.inference.truncation.BATCHES", 4)
        generator = load(folder_of(name), "cpu")
        before = generator.sample(2, labels=labels).tensor
        truncated = generator.sample(2, labels=labels, truncation=0.5)
        assert truncated.latents.abs().max() <= 0.5
        naive = generator.decode(truncated.latents, labels=labels).tensor
        assert not torch.allclose(naive, truncated.tensor, atol=1e-4)
        estimated = copy.deepcopy(generator.sampler)
        estimated.estimate_batch_norm(
            batches=4, batch_size=BATCH_SIZE, seed=0, progress=generator.progress, truncation=0.5
        )
        classes = () if labels is None else (one_hot(torch.tensor(labels), len(generator.classes)),)
        torch.testing.assert_close(estimated.eval().decode(truncated.latents, *classes), truncated.tensor)
        assert torch.equal(generator.sample(2, labels=labels).tensor, before)

    def test_an_estimate_that_is_left_goes_on_where_it_was_and_ends_with_the_same_statistics(self, folder_of):
        wanted = load(folder_of("dcgan"), "cpu").sample(2, truncation=0.6).tensor
        generator, batches = load(folder_of("dcgan"), "cpu"), []

        def check():
            batches.append(torch.rand(1))  # draws of its own disturb nothing
            if len(batches) % 30 == 0:
                raise TimeoutError

        for _ in range(3):
            with pytest.raises(TimeoutError):
                generator.prepare(0.6, check)
        assert torch.equal(generator.sample(2, truncation=0.6).tensor, wanted)
        assert len(batches) == 90  # the last ten were made by sample
        generator.prepare(0.6, check)
        assert len(batches) == 90  # they are kept

    def test_an_estimate_that_fails_within_a_batch_is_begun_anew(self, folder_of, monkeypatch):
        wanted = load(folder_of("dcgan"), "cpu").sample(2, truncation=0.6).tensor
        generator = load(folder_of("dcgan"), "cpu")
        calls = itertools.count()

        def failing(sampler, *arguments, latents=Sampler._sample_latents):
            if next(calls) == 40:
                raise KeyboardInterrupt
            return latents(sampler, *arguments)

        monkeypatch.setattr(Sampler, "_sample_latents", failing)
        with pytest.raises(KeyboardInterrupt):
            generator.prepare(0.6)
        assert torch.equal(generator.sample(2, truncation=0.6).tensor, wanted)

    def test_the_newest_are_kept_and_share_the_weights(self, folder_of, monkeypatch):
        monkeypatch.setattr("papergan.inference.truncation.BATCHES", 2)
        generator = load(folder_of("dcgan"), "cpu")
        kept = [generator._truncated.at(1 + step / 10) for step in range(KEPT + 1)]
        assert generator._truncated.at(1.8) is kept[-1]
        assert generator._truncated.at(1.1) is kept[1]
        assert generator._truncated.at(1.0) is not kept[0]
        weights = [one.generator.state_dict(keep_vars=True) for one in (generator.sampler, kept[-1])]
        moved = {name for name in weights[0] if weights[0][name] is not weights[1][name]}
        assert moved
        assert all("running_" in name or "num_batches" in name for name in moved)

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
        with pytest.raises(RecipeError, match="^labels: 5 of them for 4 latents; give one for each$"):
            generator.decode(drawn.latents, labels=[0, 1, 2, 0, 1])

    def test_with_members_of_a_mixture(self, loaded):
        generator = loaded("mix_wgan")
        assert (generator.num_members, loaded("dcgan_labels").num_members) == (3, 0)
        drawn = generator.sample(12)
        assert set(drawn.members.tolist()) == {0, 1, 2}
        again = generator.decode(drawn.latents, members=drawn.members)
        torch.testing.assert_close(again.tensor, drawn.tensor, atol=2e-6, rtol=0)
        assert torch.equal(again.members, drawn.members)
        assert generator.decode(drawn.latents, members=[2, 0]).members.tolist() == [2, 0] * 6

    @pytest.mark.parametrize(
        ("members", "message"),
        [(None, r"mixture of 3; say which of them: members=0"), (3, "0 to 2, got 3"), (-1, "0 to 2"), ([], "0 to 2"),
         (0.5, "0 to 2"), (True, "0 to 2"), ("1", "0 to 2"), ([2**70], "0 to 2")],
    )  # fmt: skip
    def test_what_is_no_member_is_refused(self, members, message, loaded):
        with pytest.raises(RecipeError, match=message):
            loaded("mix_wgan").decode(np.zeros((1, 8)), members=members)
        if members is not None:
            with pytest.raises(RecipeError, match="is not a mixture; leave members out"):
                loaded("dcgan").decode(np.zeros((1, 8)), members=members)

    def test_under_a_truncation(self, loaded):
        generator = loaded("dcgan")
        drawn = generator.sample(5, seed=2, truncation=0.6)
        again = generator.decode(drawn.latents, truncation=0.6)
        torch.testing.assert_close(again.tensor, drawn.tensor)
        assert not torch.allclose(generator.decode(drawn.latents).tensor, drawn.tensor, atol=1e-4)

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

    # cgan's dropout leaves out other units on the way, one after another: each is a jump
    @pytest.mark.parametrize("name", [name for name in FROM_LATENTS if name != "cgan"])
    def test_neighbours_are_the_closer_the_more_steps_there_are(self, name, loaded):
        """With a jump on the way the largest difference of neighbours would stay, however many steps there are."""
        generator = loaded(name)
        ends = generator.sample(2, seed=3)
        own = {"labels": None if ends.labels is None else int(ends.labels[0]), "members": ends.members}
        few, many = (
            generator.interpolate(*ends.latents, steps=steps, **own).tensor.diff(dim=0).flatten(1).norm(dim=1).max()
            for steps in (9, 129)
        )
        assert 0 < many < 0.3 * few  # one sixteenth, where the way is smooth

    def test_a_way_keeps_its_class_or_its_member_and_begins_at_the_sample(self, loaded):
        mixture, classes = loaded("mix_wgan"), loaded("dcgan_labels")
        ends = mixture.sample(4, seed=1)
        ways = mixture.interpolate(ends.latents[:2], ends.latents[2:], steps=3, members=[2, 0])
        assert ways.members.tolist() == [2, 2, 2, 0, 0, 0]
        way = mixture.interpolate(*ends.latents[:2], steps=3, members=ends.members[0])
        torch.testing.assert_close(way.tensor[0], ends.tensor[0], atol=2e-6, rtol=0)
        ends = classes.sample(4, seed=1)
        ways = classes.interpolate(ends.latents[:2], ends.latents[2:], steps=2, labels=["cat", 0])
        assert ways.labels.tolist() == [1, 1, 0, 0]
        with pytest.raises(RecipeError, match="interpolate: this generator is a mixture of 3; say which"):
            mixture.interpolate(*ends.latents[:2])

    @pytest.mark.parametrize("name", ["dcgan", "dcgan_labels", "mix_wgan", "deligan"])
    def test_truncated_ways_begin_and_end_at_the_truncated_samples(self, name, loaded):
        generator = loaded(name)
        ends = generator.sample(2, seed=5, truncation=0.5, labels=1 if generator.conditional else None)
        own = {"labels": 1 if generator.conditional else None, "members": ends.members}
        for place, (first, last) in enumerate(((0, 1), (1, 0))):
            if ends.members is not None:
                own["members"] = ends.members[place]
            way = generator.interpolate(ends.latents[first], ends.latents[last], steps=3, truncation=0.5, **own)
            torch.testing.assert_close(way.tensor[0], ends.tensor[first], atol=2e-6, rtol=0)
        plain = generator.interpolate(*ends.latents, steps=3, **own)
        assert not torch.allclose(plain.tensor[0], ends.tensor[0], atol=1e-4)
        with pytest.raises(RecipeError, match="threshold above 0"):
            generator.interpolate(*ends.latents, truncation=-1, **own)

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
    assert "dcgan_labels_tiny: dcgan generator of 3x16x16 images" in text
    assert "classes airplane, cat, 7" in text
    assert "domain_fid 12.5" in text
    assert generator.digest[:16] in text


def test_a_generator_that_grew_makes_images_of_any_level(loaded):
    generator = loaded("progan")
    blocks = generator.at_level(1).sample(3).tensor
    assert torch.equal(blocks[:, :, ::2, ::2], blocks[:, :, 1::2, 1::2])
    assert not torch.equal(blocks[:, :, ::4, ::4], blocks[:, :, 2::4, 2::4])
    assert torch.equal(generator.at_level(0).sample(3).tensor, generator.sample(3).tensor)  # it did not train
    assert generator.at_level(1).digest != generator.digest
    for level in (-1, 2.5):
        with pytest.raises(RecipeError, match=r"at_level: expected a level in 0\.\.2, got"):
            generator.at_level(level)
    with pytest.raises(RecipeError, match="system 'dcgan' does not grow"):
        loaded("dcgan").at_level(1)
