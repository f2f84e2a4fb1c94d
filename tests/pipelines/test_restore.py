"""What saved weights say of themselves, for games that are restored from them."""

from __future__ import annotations

import pytest

from papergan.data.images import ImageSpec
from papergan.pipelines.experiment.restore import spec_facts, spec_of
from papergan.weights import Weights


@pytest.mark.parametrize(
    "images", [ImageSpec(3, 32, 10), ImageSpec(3, 32, 0, ImageSpec(1, 16)), ImageSpec(48, 64, 6, frames=16)]
)
def test_a_kind_of_image_is_written_and_read(images):
    assert spec_of(Weights({}, {"kind": "any", **spec_facts(images)})) == images
