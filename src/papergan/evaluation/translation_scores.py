"""Scores of a translation on test images: pairs, classes, cycles; and of what does without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.data.degradations import BATCH, grey, resampled
from papergan.data.images import ImageSet
from papergan.data.input_images import InputSet
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.scorecard import RealRow
from papergan.extractors.feature_extractor import Features
from papergan.image_range import to_model_range, to_pixels
from papergan.metrics.ms_ssim import WINDOW
from papergan.metrics.pair_similarity import luma, psnr, ssim

AT_ONCE = 256  # images through a network


@dataclass(frozen=True)
class TranslationTest:
    """What a translation is tested on: the first `rules.num_samples` test images, or inputs of another domain.

    target: of the data set. inputs: of that split. classes: those that the data set was cut down to, or none.
    """

    target: ImageSet
    inputs: InputSet
    rules: EvaluationRules
    classes: tuple[str, ...] = ()

    @property
    def given(self) -> Tensor:
        """The inputs that are translated, uint8 [N, C', S', S']."""
        return self.inputs.images[: self.rules.num_samples]

    def scores(
        self, made: Tensor, evaluator: Evaluator, stop: Callable[[], bool] | None, what: str
    ) -> dict[str, float]:
        """Every score of translated images, uint8 [N, C, S, S]: the evaluator's, those of pairs, and of classes."""
        rules = self.rules_for(evaluator)
        features = evaluator.extract(torch.split(made, AT_ONCE), rules, should_stop=stop, what=what)
        scores = evaluator.score_features(features, rules, stop)
        scores |= self._of_classes(evaluator, features.features)
        if self.inputs.paired:
            scores |= pair_scores(made, self.target.images[: len(made)], self._border)
        return scores

    def rules_for(self, evaluator: Evaluator) -> EvaluationRules:
        """The rules, with no count beyond the images that there are."""
        known = [len(held.real) for held in evaluator.references.values()]
        return self.rules.within(len(self.given), min([len(self.target), *known]))

    @property
    def _border(self) -> int:
        """What is cut off before pairs are compared: the factor of super-resolution, as its papers do; else nothing."""
        factor = self.target.spec.size // self.inputs.spec.size
        return factor if factor > 1 else 0

    def _of_classes(self, evaluator: Evaluator, features: Mapping[str, Features]) -> dict[str, float]:
        """The share that a classifier of all of the data set's classes takes for one of the target's."""
        scores = {}
        for extractor in evaluator.extractors:
            names = extractor.class_names
            if self.classes and len(names) > len(self.classes) and set(self.classes) <= set(names):
                wanted = torch.tensor([names.index(name) for name in self.classes])
                taken = torch.isin(features[extractor.name].logits.argmax(1), wanted)
                scores[f"{extractor.metric_prefix}target_share"] = float(taken.double().mean())
        return scores


def pair_scores(made: Tensor, wanted: Tensor, border: int = 0) -> dict[str, float]:
    """Means over pairs of uint8 [N, C, S, S]: psnr and ssim of all channels, psnr_y and ssim_y of the luminance.

    border: pixels that are cut off at each side before. No SSIM of images that are below 11 pixels then.
    """
    sums: dict[str, list[Tensor]] = {}
    for one, other in zip(torch.split(made, AT_ONCE), torch.split(wanted, AT_ONCE), strict=True):
        size = one.shape[-1]
        inside = (..., slice(border, size - border), slice(border, size - border))
        one, other = one[inside].double(), other[inside].double()
        for suffix, (a, b) in {"": (one, other), "_y": (luma(one), luma(other))}.items():
            sums.setdefault(f"psnr{suffix}", []).append(psnr(a, b))
            if size - 2 * border >= WINDOW:
                sums.setdefault(f"ssim{suffix}", []).append(ssim(a, b))
    return {name: float(torch.cat(values).mean()) for name, values in sums.items()}


@torch.no_grad()
def translated(network: nn.Module, inputs: Tensor, device: torch.device) -> Tensor:
    """uint8 [N, C', S', S'] through a network in evaluation mode, as bytes on the host."""
    was_training = network.training
    network.eval()
    try:
        parts = [to_pixels(network(to_model_range(part.to(device)))).cpu() for part in torch.split(inputs, AT_ONCE)]
    finally:
        network.train(was_training)
    return torch.cat(parts)


@torch.no_grad()
def cycle_error(there: nn.Module, back: nn.Module, inputs: Tensor, device: torch.device) -> float:
    """Mean |F(G(x)) - x| of inputs uint8 [N, C, S, S], in grey levels of 255, without rounding between."""
    total = 0.0
    for part in torch.split(inputs, AT_ONCE):
        given = to_model_range(part.to(device))
        total += float((back(there(given)) - given).abs().mean()) * 127.5 * len(part)
    return total / len(inputs)


def baselines(inputs: Tensor, channels: int, size: int) -> Iterator[tuple[str, Tensor]]:
    """What does without a network, by name: images uint8 [N, channels, size, size] made of the inputs.

    Smaller inputs are enlarged, "bicubic"; holes are filled by the mean of what is there, "mean fill", and by the
    nearest pixel that is there, "nearest fill"; any others are left as they are, "input".
    """
    if inputs.shape[1] == channels + 1:
        yield "mean fill", torch.cat([_mean_fill(part) for part in torch.split(inputs, BATCH)])
        yield "nearest fill", torch.cat([_nearest_fill(part) for part in torch.split(inputs, AT_ONCE)])
        return
    images = inputs if inputs.shape[1] == channels else grey(inputs).expand(-1, channels, -1, -1)
    if inputs.shape[-1] == size:
        yield "input", images
        return
    yield "bicubic", torch.cat([resampled(part, size) for part in torch.split(images, BATCH)])


def _mean_fill(inputs: Tensor) -> Tensor:
    there = (inputs[:, -1:] == 0).float()
    images = inputs[:, :-1].float()
    mean = (images * there).sum((2, 3), keepdim=True) / there.sum((2, 3), keepdim=True).clamp_min(1.0)
    return (images * there + mean * (1 - there)).round().to(torch.uint8)


def _nearest_fill(inputs: Tensor) -> Tensor:
    """Every missing pixel is the nearest one that is there, by the city-block distance, grown from the hole's edge."""
    images, missing = inputs[:, :-1].clone(), inputs[:, -1:] > 0
    for _ in range(2 * inputs.shape[-1]):
        if not bool(missing.any()):
            break
        for shift, axis in ((1, 2), (-1, 2), (1, 3), (-1, 3)):
            there = (~missing).roll(shift, axis)
            edge = 0 if shift == 1 else inputs.shape[-1] - 1
            there.select(axis, edge).fill_(False)  # what was rolled in from the other side
            filled = missing & there
            images = torch.where(filled, images.roll(shift, axis), images)
            missing = missing & ~filled
    return images


def baseline_rows(
    test: TranslationTest, evaluator: Evaluator, stop: Callable[[], bool] | None = None
) -> tuple[RealRow, ...]:
    """The scores of every baseline, beside those of the generator in tables."""
    rows = []
    spec = test.target.spec
    for name, made in baselines(test.given, spec.channels, spec.size):
        metrics = test.scores(made, evaluator, stop, f"baseline {name}")
        rules = test.rules_for(evaluator)
        protocols = tuple(held.protocol(rules) for held in evaluator.references.values())
        rows.append(RealRow(name=name, dataset=test.inputs.name, protocols=protocols, metrics=metrics))
    return tuple(rows)
