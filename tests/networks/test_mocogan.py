"""MoCoGAN's networks: what of a latent reaches which frame, what each discriminator sees, and the authors' sizes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.priors import one_hot
from papergan.game.schedules import Progress
from papergan.networks.video.mocogan import ClipDiscriminator, FrameDiscriminator, MoCoGANGenerator
from papergan.objectives.clips import ClipLatents, ClipLayout, frame_of

LAYOUT = ClipLayout(content=5, motion=3, frames=4, categories=2)


def clips_of(size: int = 16, channels: int = 3, frames: int = 4) -> ImageSpec:
    return ImageSpec(frames * channels, size, 7, frames=frames)


def latents(count: int = 6, layout: ClipLayout = LAYOUT) -> torch.Tensor:
    torch.manual_seed(3)
    return ClipLatents(layout)(count, Progress())[0]


def generator(**settings) -> MoCoGANGenerator:
    torch.manual_seed(1)
    return MoCoGANGenerator(clips_of(), LAYOUT, 4, **settings).eval()


def apart(clips: torch.Tensor, frames: int = 4) -> torch.Tensor:
    return torch.unflatten(clips, 1, (frames, -1))


def maps(network: nn.Module, kind: type[nn.Module]) -> list[tuple[int, ...]]:
    return [(*layer.weight.shape[:2], *layer.kernel_size) for layer in network.modules() if isinstance(layer, kind)]


def test_a_frame_of_a_spec():
    assert ImageSpec(48, 64, 6, ImageSpec(1, 8), 16).frame == ImageSpec(3, 64, 6)
    assert ImageSpec(3, 32, 10).frame == ImageSpec(3, 32, 10)


def test_sizes_are_those_of_the_authors_code():
    images, layout = clips_of(64, frames=16), ClipLayout(50, 10, 16, 6)
    made = MoCoGANGenerator(images, layout)
    assert maps(made, nn.ConvTranspose2d) == [
        (66, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 3, 4, 4)
    ]  # fmt: skip
    assert (made.motion.input_size, made.motion.hidden_size) == (10, 10)
    of_frames = FrameDiscriminator(images.frame)
    assert maps(of_frames, nn.Conv2d) == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (1, 256, 4, 4)]
    of_clips = ClipDiscriminator(images, categories=6)
    assert maps(of_clips, nn.Conv3d) == [
        (64, 3, 4, 4, 4), (128, 64, 4, 4, 4), (256, 128, 4, 4, 4), (512, 256, 4, 4, 4), (7, 512, 4, 4, 4)
    ]  # fmt: skip
    assert layout.latent_dim == 50 + 17 * 10 + 6
    layers = (layer for network in (made, of_clips, of_frames) for layer in network.modules())
    convolutions = [layer for layer in layers if hasattr(layer, "kernel_size")]
    assert len(convolutions) == 14
    assert all(one.bias is None for one in convolutions)


def test_weights_begin_within_bounds_of_input_channels_and_kernel():
    torch.manual_seed(0)
    images, layout = clips_of(32, channels=1, frames=8), ClipLayout(50, 10, 8, 6)
    made = MoCoGANGenerator(images, layout, 32)
    networks = (made, ClipDiscriminator(images, 32, categories=6), FrameDiscriminator(images.frame, 32))
    for layer in (layer for network in networks for layer in network.modules() if hasattr(layer, "kernel_size")):
        bound = (layer.in_channels * math.prod(layer.kernel_size)) ** -0.5
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert layer.weight.abs().max() <= bound
    assert made(latents(16, layout)).abs().max() < 0.9  # nothing is saturated at the start


@pytest.mark.parametrize(("size", "frames", "channels"), [(16, 2, 1), (16, 5, 3), (32, 16, 3), (64, 7, 1)])
def test_shapes(size, frames, channels):
    images, layout = clips_of(size, channels, frames), ClipLayout(5, 3, frames, 2)
    clips = MoCoGANGenerator(images, layout, 2)(latents(4, layout))
    assert clips.shape == (4, frames * channels, size, size)
    assert clips.abs().max() <= 1
    whole = ClipDiscriminator(images, 2, categories=2)(clips)
    assert (whole.score.shape, whole.features[-1].shape) == ((4,), (4, 2))
    assert len(ClipDiscriminator(images, 2)(clips).features) == 1
    one = FrameDiscriminator(images.frame, 2)(clips[:, :channels])
    assert one.score.shape == (4, (size // 16) ** 2)


@pytest.mark.parametrize("size", [8, 24, 48])
def test_other_sizes_are_refused(size):
    images = clips_of(size)
    for build in (lambda: MoCoGANGenerator(images, LAYOUT), lambda: ClipDiscriminator(images),
                  lambda: FrameDiscriminator(images.frame)):  # fmt: skip
        with pytest.raises(ValueError, match=f"a power of two, at least 16, got {size}"):
            build()


def test_a_layout_of_other_clips_is_refused():
    with pytest.raises(ValueError, match="a layout of 4 frames does not fit clips of 5 frames"):
        MoCoGANGenerator(clips_of(frames=5), LAYOUT)


def test_parts_of_a_latent_are_split_joined_and_crossed():
    drawn = latents()
    parts = LAYOUT.split(drawn)
    assert [tuple(part.shape) for part in parts] == [(6, 5), (6, 5, 3), (6, 2)]
    assert torch.equal(LAYOUT.join(parts), drawn)
    assert torch.equal(parts.category.sum(1), torch.ones(6))
    crossed = LAYOUT.split(LAYOUT.crossed(drawn))
    assert len(parts.category.unique(dim=0)) == 2  # so that one category for all is none of each latent's own
    for row in range(6):
        for column in range(6):
            place = 6 * row + column
            assert torch.equal(crossed.content[place], parts.content[row])
            assert torch.equal(crossed.motion[place], parts.motion[column])
            assert torch.equal(crossed.category[place], parts.category[0])


def test_content_and_category_are_the_same_in_all_frames():
    network, drawn = generator(), latents()
    parts, codes = LAYOUT.split(drawn), network.codes(drawn)
    assert codes.shape == (6, 4, 5 + 2 + 3)
    for place in range(4):
        assert torch.equal(codes[:, place, :7], torch.cat([parts.content, parts.category], 1))
    swapped = network.codes(LAYOUT.join(parts._replace(content=parts.content.flip(0))))
    assert torch.equal(swapped[..., 5:], codes[..., 5:])
    assert torch.equal(swapped[..., :5], codes.flip(0)[..., :5])


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
def test_noise_reaches_no_frame_before_its_own(place):
    network, drawn = generator(), latents()
    parts = LAYOUT.split(drawn)
    motion = parts.motion.clone()
    motion[:, place] += 3.0  # the state before the first frame is at 0
    before, after = (apart(network(one)) for one in (drawn, LAYOUT.join(parts._replace(motion=motion))))
    first = max(place - 1, 0)
    assert torch.equal(before[:, :first], after[:, :first])
    for frame in range(first, 4):
        assert not torch.equal(before[:, frame], after[:, frame])


def test_motion_is_a_gru_over_the_noise():
    network, drawn = generator(), latents()
    noise = LAYOUT.split(drawn).motion
    gru = nn.GRU(3, 3, batch_first=True)
    gru.load_state_dict({f"{name}_l0": value for name, value in network.motion.state_dict().items()})
    wanted, _ = gru(noise[:, 1:], noise[:, 0][None].contiguous())
    torch.testing.assert_close(network.codes(drawn)[..., -3:], wanted)


def test_a_class_stands_where_the_category_does():
    layout = ClipLayout(5, 3, 4)
    network = MoCoGANGenerator(clips_of(), layout, 4, labelled=True).eval()
    drawn, classes = latents(3, layout), one_hot(torch.tensor([0, 6, 2]), 7)
    assert torch.equal(network.codes(drawn, classes)[:, 2, 5:12], classes)
    assert not torch.equal(network(drawn, classes), network(drawn, classes.flip(0)))


def test_frames_are_made_by_one_network():
    network, drawn = generator(), latents()
    codes = network.codes(drawn)
    for place in range(4):
        alone = network.layers(codes[:, place, :, None, None])
        torch.testing.assert_close(apart(network(drawn))[:, place], alone, rtol=0, atol=1e-6)


def test_the_discriminator_of_clips_sees_their_order():
    torch.manual_seed(0)
    for frames in (2, 4, 13):
        network = ClipDiscriminator(clips_of(frames=frames), 4, noise=0.0).eval()
        clips = apart(torch.rand(5, 3 * frames, 16, 16) * 2 - 1, frames)
        forwards, backwards = (network(one.flatten(1, 2)).score for one in (clips, clips.flip(1)))
        assert (forwards - backwards).abs().min() > 1e-5


def test_the_discriminator_of_clips_sees_every_frame_and_channel():
    network = ClipDiscriminator(clips_of(), 4, noise=0.0).eval()
    clips = (torch.rand(2, 12, 16, 16) * 2 - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(network(clips).score.sum(), clips)
    assert (gradient.abs().sum((2, 3)) > 0).all()


def test_one_frame_of_each_clip():
    clips = torch.arange(4 * 6.0).view(4, 6, 1, 1).expand(4, 6, 2, 2)
    found = frame_of(clips, torch.tensor([2, 0, 1, 1]), 3)
    assert found[..., 0, 0].tolist() == [[4, 5], [6, 7], [14, 15], [20, 21]]
    assert torch.equal(
        frame_of(clips.contiguous(memory_format=torch.channels_last), torch.tensor([2, 0, 1, 1]), 3), found
    )


def test_noise_of_the_discriminators_is_drawn_in_training_alone():
    clips = torch.rand(3, 12, 16, 16)
    for network, given in (
        (ClipDiscriminator(clips_of(), 4), clips),
        (FrameDiscriminator(clips_of().frame, 4), clips[:, :3]),
    ):
        assert not torch.equal(network(given).score, network(given).score)
        network.eval()
        assert torch.equal(network(given).score, network(given).score)


def test_a_prior_of_clips():
    prior = ClipLatents(LAYOUT)
    torch.manual_seed(0)
    (drawn,) = prior(4000, Progress())
    content, motion, category = LAYOUT.split(drawn)
    for part in (content, motion):
        assert part.mean().abs() < 0.03
        assert part.std().item() == pytest.approx(1.0, abs=0.02)
    assert category.mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    (truncated,) = prior.truncated(500, Progress(), 0.5)
    parts = LAYOUT.split(truncated)
    assert max(parts.content.abs().max(), parts.motion.abs().max()) <= 0.5
    assert torch.equal(parts.category.sum(1), torch.ones(500))
    for end, position in ((0, 0.0), (1, 1.0)):
        way = prior.between(drawn[:5], drawn[5:10], torch.full((5,), position))
        torch.testing.assert_close(way, (drawn[:5], drawn[5:10])[end])
    assert torch.equal(prior.category(drawn), category)
    assert ClipLatents(ClipLayout(5, 3, 4))(2, Progress())[0].shape == (2, 20)


def test_between_clips_content_and_motion_move_on_the_sphere():
    """Halfway between orthogonal vectors of length 2: of length 2 on the sphere, of length 1.41 on a straight line."""
    prior = ClipLatents(LAYOUT)
    start, end = torch.zeros(1, LAYOUT.latent_dim), torch.zeros(1, LAYOUT.latent_dim)
    start[0, 0], end[0, 1] = 2.0, 2.0
    halfway = prior.between(start, end, torch.tensor([0.5]))
    assert halfway[0, :2].tolist() == pytest.approx([2**0.5] * 2, rel=1e-5)
    assert halfway[0, 2:].abs().max() == 0
