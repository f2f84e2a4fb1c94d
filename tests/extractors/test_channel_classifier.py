"""The classifier of stacked images: every channel by itself, and the combination of the most probable classes."""

from __future__ import annotations

import torch

from papergan.data.images import ImageSpec
from papergan.data.stacked_images import stacked_classes
from papergan.extractors.domain_classifier import (
    ChannelExtractor,
    ChannelTap,
    DomainClassifier,
    DomainExtractor,
    DomainTap,
)

GREY, NAMES = ImageSpec(1, 8, 3), ("a", "b", "c")


def by_channel(of_one, of_all, count):
    """Both extractors, of one classifier; what the joint one finds in images, and the single one in each channel."""
    torch.manual_seed(0)
    network = DomainClassifier(GREY, (2, 3, 4, 5))
    single, joint = (kind(network, GREY, "digest", "cpu", NAMES) for kind in (of_one, of_all))
    images = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)
    return single, joint, joint(images), [single(images[:, channel : channel + 1]) for channel in range(3)]


def test_every_channel_is_classified_by_itself():
    single, joint, found, channels = by_channel(DomainExtractor, ChannelExtractor, 40)
    assert joint.class_names == stacked_classes(NAMES)
    assert found.features.shape[1] == joint.dimension == 3 * single.dimension
    torch.testing.assert_close(found.features, torch.cat([each.features for each in channels], 1))
    expected = ["+".join(NAMES[int(each.logits[row].argmax())] for each in channels) for row in range(40)]
    assert [joint.class_names[label] for label in found.logits.argmax(1).tolist()] == expected
    torch.testing.assert_close(found.logits.softmax(1).sum(1), torch.ones(40))
    probabilities = torch.stack([each.logits.softmax(1) for each in channels], 1)
    torch.testing.assert_close(
        found.logits.exp()[:, 5], probabilities[:, 0, 0] * probabilities[:, 1, 1] * probabilities[:, 2, 2]
    )


def test_early_features_are_those_of_every_channel():
    single, joint, found, channels = by_channel(DomainTap, ChannelTap, 6)
    assert (joint.name, joint.dimension) == (single.name, 3 * single.dimension)
    assert found.features.shape == (6, joint.dimension)
    torch.testing.assert_close(found.features, torch.cat([each.features for each in channels], 1))
