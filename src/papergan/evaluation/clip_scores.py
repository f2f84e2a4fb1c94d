"""Scores of video clips: constant content, recognised motion, and the entropy of motions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from papergan.data.images import ImageSet
from papergan.data.moving_images import MOTIONS
from papergan.evaluation.image_features import features_of
from papergan.evaluation.protocol import Protocol
from papergan.evaluation.scorecard import RealRow
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.metrics.clips import content_kept, motion_entropy, motion_recognised


@dataclass(frozen=True)
class ClipTest:
    """Scores clips. of_frames: a classifier of single frames by what moves; of_clips: of whole clips, see MOTIONS.

    real: clips whose scores are reported alongside those of generated clips.
    """

    of_frames: FeatureExtractor
    of_clips: FeatureExtractor
    real: ImageSet
    batch_size: int

    def score(self, clips: Tensor, what: str, should_stop: Callable[[], bool] | None = None) -> dict[str, float]:
        """The scores of clips uint8 [N, T * C, S, S]."""
        frames = self.real.frames

        def logits(extractor: FeatureExtractor, images: Tensor) -> Tensor:
            return features_of(extractor, images, self.batch_size, should_stop, what=what).logits

        apart = clips.reshape(len(clips) * frames, -1, *clips.shape[2:])
        of_clips = logits(self.of_clips, clips)
        return {
            "content_kept": content_kept(logits(self.of_frames, apart).reshape(len(clips), frames, -1)),
            "motion_recognised": motion_recognised(of_clips, len(MOTIONS)),
            "motion_entropy": motion_entropy(of_clips, len(MOTIONS)),
        }

    def real_row(self, protocols: tuple[Protocol, ...], should_stop: Callable[[], bool]) -> RealRow:
        """The scores of the real clips."""
        metrics = self.score(self.real.images, self.real.name, should_stop)
        return RealRow(name="real test clips", dataset=self.real.name, protocols=protocols, metrics=metrics)
