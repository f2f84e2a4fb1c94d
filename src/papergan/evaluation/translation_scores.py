"""Scores of a translation on test images: scores of generated images, pairs, classes and cycles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSet
from papergan.data.input_images import InputSet
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules, Protocol
from papergan.evaluation.scorecard import RealRow
from papergan.evaluation.translation_baselines import baselines
from papergan.extractors.feature_extractor import Features
from papergan.image_range import to_model_range, to_pixels
from papergan.metrics.lpips import LPIPS
from papergan.metrics.ms_ssim import WINDOW
from papergan.metrics.pair_similarity import luma, psnr, ssim
from papergan.metrics.registry import TO_INPUTS

AT_ONCE = 256  # images per batch
Stop = Callable[[], bool] | None


@dataclass(frozen=True)
class TranslationTest:
    """The test of one direction of a translation, on the first `num_samples` test images of its inputs.

    target: the images that inputs become, test split. evaluator: against real images of that kind. rules: of the
    evaluation. classes: those that the target's data set was restricted to, or none. lpips: for comparing pairs, or
    None. back: whether this is the direction back to the recipe's input images, whose metrics have a prefix.
    """

    target: ImageSet
    inputs: InputSet
    evaluator: Evaluator
    rules: EvaluationRules
    classes: tuple[str, ...] = ()
    lpips: LPIPS | None = None
    back: bool = False

    @property
    def given(self) -> Tensor:
        """The inputs to translate, uint8 [N, C', S', S']."""
        return self.inputs.images[: self.rules.num_samples]

    @cached_property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols of these scores, one per extractor."""
        found = [held.protocol(self._rules) for held in self.evaluator.references.values()]
        if self.back:
            found = [replace(one, direction=TO_INPUTS) for one in found]
        if (lpips := self.lpips) is None:
            return tuple(found)
        backbone, weights = lpips.backbone_digest, lpips.weights_digest
        return tuple(
            replace(one, lpips_network=lpips.network, lpips_backbone_digest=backbone, lpips_weights_digest=weights)
            for one in found
        )

    def score(
        self, network: nn.Module, back: nn.Module | None, device: torch.device, stop: Stop, what: str
    ) -> dict[str, float]:
        """Every score of the network's translations of the inputs. back: the other direction, for the cycle error."""
        scores = self.score_images(translated(network, self.given, device), stop, what)
        if back is not None:
            scores[self._named("cycle_error")] = cycle_error(network, back, self.given, device)
        return scores

    def score_images(self, made: Tensor, stop: Stop, what: str) -> dict[str, float]:
        """Every score of translated images, uint8 [N, C, S, S]: the evaluator's, pair scores, and class scores."""
        features = self.evaluator.extract(torch.split(made, AT_ONCE), self._rules, should_stop=stop, what=what)
        scores = self.evaluator.score_features(features, self._rules, stop)
        scores |= self._of_classes(features.features)
        if self.inputs.paired:
            wanted = self.target.images[: len(made)]
            scores |= pair_scores(made, wanted, self._border)
            scores |= {} if self.lpips is None else {"lpips": self.lpips.mean(made, wanted)}
        return {self._named(name): value for name, value in scores.items()}

    def baseline_rows(self, stop: Stop = None) -> tuple[RealRow, ...]:
        """The scores of baselines without a network, listed next to the generator's in tables."""
        spec = self.target.spec
        return tuple(
            RealRow(
                name=name, dataset=self.inputs.name, protocols=self.protocols,
                metrics=self.score_images(made, stop, f"baseline {name}"),
            )
            for name, made in baselines(self.given, spec.channels, (spec.size, spec.size))
        )  # fmt: skip

    def _named(self, name: str) -> str:
        return f"{TO_INPUTS}_{name}" if self.back else name

    @cached_property
    def _rules(self) -> EvaluationRules:
        """The rules, with counts limited to the available images."""
        known = [len(held.real) for held in self.evaluator.references.values()]
        return self.rules.within(len(self.given), min([len(self.target), *known]))

    @property
    def _border(self) -> int:
        """Pixels cropped before pairs are compared: the factor of super-resolution, as in its papers; else none."""
        factor = self.target.spec.size // self.inputs.spec.size
        return factor if factor > 1 else 0

    def _of_classes(self, features: Mapping[str, Features]) -> dict[str, float]:
        """The share that a classifier of all the data set's classes assigns to one of the target's classes."""
        scores = {}
        for extractor in self.evaluator.extractors:
            names = extractor.class_names
            if self.classes and len(names) > len(self.classes) and set(self.classes) <= set(names):
                wanted = torch.tensor([names.index(name) for name in self.classes])
                taken = torch.isin(features[extractor.name].logits.argmax(1), wanted)
                scores[f"{extractor.metric_prefix}target_share"] = float(taken.double().mean())
        return scores


def pair_scores(made: Tensor, wanted: Tensor, border: int = 0) -> dict[str, float]:
    """Means over pairs of uint8 [N, C, H, W]: psnr and ssim of all channels, psnr_y and ssim_y of the luminance.

    border: pixels cropped from each side first. SSIM is left out for images that are then below 11 pixels.
    """
    sums: dict[str, list[Tensor]] = {}
    for one, other in zip(torch.split(made, AT_ONCE), torch.split(wanted, AT_ONCE), strict=True):
        rows, columns = (slice(border, size - border) for size in one.shape[-2:])
        inside = (..., rows, columns)
        one, other = one[inside].double(), other[inside].double()
        for suffix, (a, b) in {"": (one, other), "_y": (luma(one), luma(other))}.items():
            sums.setdefault(f"psnr{suffix}", []).append(psnr(a, b))
            if min(a.shape[-2:]) >= WINDOW:
                sums.setdefault(f"ssim{suffix}", []).append(ssim(a, b))
    return {name: float(torch.cat(values).mean()) for name, values in sums.items()}


@torch.no_grad()
def translated(network: nn.Module, inputs: Tensor, device: torch.device) -> Tensor:
    """Translate uint8 [N, C', S', S'] by a network in evaluation mode; returns bytes on the host."""
    was_training = network.training
    network.eval()
    try:
        parts = [to_pixels(network(to_model_range(part.to(device)))).cpu() for part in torch.split(inputs, AT_ONCE)]
    finally:
        network.train(was_training)
    return torch.cat(parts)


@torch.no_grad()
def cycle_error(there: nn.Module, back: nn.Module, inputs: Tensor, device: torch.device) -> float:
    """Mean |F(G(x)) - x| of inputs uint8 [N, C, S, S], in grey levels of 255, without intermediate rounding."""
    total = 0.0
    for part in torch.split(inputs, AT_ONCE):
        given = to_model_range(part.to(device))
        total += float((back(there(given)) - given).abs().mean()) * 127.5 * len(part)
    return total / len(inputs)
