"""Training of the domain classifier, once per data set."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional

from papergan.data.images import ImageSet, ImageSpec
from papergan.errors import EvaluationError
from papergan.extractors.domain_classifier import KIND, NUM_TURNS, ROTATION_KIND, DomainClassifier, DomainExtractor
from papergan.extractors.domain_progress import Fitting, Resuming
from papergan.extractors.feature_extractor import batches_of, full_precision
from papergan.image_range import to_model_range
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.randomness import seed_for, seeded
from papergan.training.numerics import numerics
from papergan.training.progress_bar import ProgressBar
from papergan.weights import Weights

logger = logging.getLogger(__name__)

WARM_UP = 0.2
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
SHIFT = 2
IMAGES_AT_ONCE = 500
MIN_CORRECTED_ACCURACY = 0.25  # accuracy corrected for chance, (a - 1/K) / (1 - 1/K) with K classes


def train_classifier_of_width(
    train: ImageSet, test: ImageSet, *, epochs: int, width: int, flip: bool, seed: int, device: torch.device | str,
    should_stop: Callable[[], bool] | None,
) -> Weights:  # fmt: skip
    """`train_domain_classifier` with `width` channels in the stem, eight times as many in the last group; not resumed.

    With deterministic kernels if these are switched on around it, as in an evaluation of a recipe that has them. Raises
    EvaluationError as that does, EvaluationStopped once `should_stop()` is true.
    """
    return train_domain_classifier(
        train, test, epochs=epochs, widths=[width * factor for factor in (1, 2, 4, 8)], seed=seed, device=device,
        flip=flip, deterministic=torch.are_deterministic_algorithms_enabled(),
        resuming=Resuming(should_stop=should_stop or (lambda: False)),
    )  # fmt: skip


def train_domain_classifier(
    train: ImageSet,
    test: ImageSet,
    *,
    epochs: int = 6,
    widths: Sequence[int] = (32, 64, 128, 256),
    seed: int = 0,
    device: torch.device | str = "cpu",
    flip: bool = True,
    deterministic: bool = False,
    batch_size: int = 250,
    learning_rate: float = 0.15,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    resuming: Resuming | None = None,
) -> Weights:
    """Train a DomainClassifier on `train`, with its feature statistics; `test` is only scored, never learned from.

    SGD with Nesterov momentum 0.9, weight decay 5e-4, linear warm-up over a fifth of the steps, then linear decay;
    images shifted by up to 2 pixels and, unless they are digits, flipped in every other epoch. bf16 where the hardware
    supports it. Labels are not smoothed: that would cap the Inception Score of perfect images far below the number
    of classes (6 of 10 for 0.1).
    Images without classes are each turned by a random quarter turn, redrawn every epoch, which is then the label
    (Gidaris et al. 2018, arXiv:1803.07728); the test accuracy is taken over all four turns of every test image.
    The defaults are for CIFAR-10 (86.4 % with seed 0; 105 s an epoch on two cores without bf16). Digits: flip=False.
    Synthetic shapes: widths (16, 32, 64, 128), 3 epochs of 10 000 images (100 % in about 12 s on one core).
    on_epoch(epoch from 1, {"loss", "accuracy"}): the means over that epoch's training batches.
    resuming: how the training is stopped and resumed, bit-identical to one that was never stopped.
    Seeded; deterministic makes repeats bit-identical on a GPU as well, see `numerics`. The caller's random state is not
    changed. Metadata of the result: data, recipe, `test_accuracy`.
    Raises EvaluationError if there are no images, or train and test differ in kind, and EvaluationStopped.
    """
    kind = KIND if train.classes else ROTATION_KIND
    if train.classes != test.classes or train.spec != test.spec or len(train) == 0 or len(test) == 0:
        raise EvaluationError(
            f"a {kind} needs training and test images of one kind, with the same classes; "
            f"got {len(train)} of {train.spec} and {len(test)} of {test.spec}"
        )
    device = torch.device(device)
    images = ImageSpec(train.spec.channels, train.spec.size, len(train.classes) or NUM_TURNS)
    with seeded(seed, KIND, device=device):
        network = DomainClassifier(images, widths).to(device).to(memory_format=torch.channels_last)
    about = {
        "kind": kind, "dataset": train.name, "data_digest": train.digest, "classes": json.dumps(train.classes),
        "channels": str(train.spec.channels), "size": str(train.spec.size), "widths": json.dumps(list(widths)),
        "epochs": str(epochs), "seed": str(seed), "flip": str(flip), "batch_size": str(batch_size),
        "learning_rate": str(learning_rate), "torch": torch.__version__,
    }  # fmt: skip
    with numerics("bfloat16", deterministic=deterministic):
        _fit(
            network, train, epochs, seed, flip, min(batch_size, len(train)), learning_rate, on_epoch, about,
            resuming or Resuming(),
        )  # fmt: skip
    _calibrate(network, train, device)
    accuracy = _accuracy(network, test, device)
    metadata = {**about, "test_accuracy": f"{accuracy:.4f}"}
    return Weights({name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}, metadata)


def is_near_chance(classifier: Weights) -> bool:
    """Whether its test accuracy is less than a quarter of the way from chance to 1, so that its metrics say nothing."""
    chance = 1.0 / (len(json.loads(classifier.metadata["classes"])) or NUM_TURNS)
    return (float(classifier.metadata["test_accuracy"]) - chance) / (1.0 - chance) < MIN_CORRECTED_ACCURACY


def _fit(
    network: DomainClassifier,
    train: ImageSet,
    epochs: int,
    seed: int,
    flip: bool,
    batch_size: int,
    learning_rate: float,
    on_epoch: Callable[[int, dict[str, float]], None] | None,
    about: Mapping[str, str],
    resuming: Resuming,
) -> None:
    device = network.feature_mean.device
    pixels = train.images.to(device).permute(0, 2, 3, 1).contiguous()
    steps = len(train) // batch_size
    optimiser = torch.optim.SGD(
        network.parameters(), lr=learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    fitting = Fitting(network, optimiser, about, resuming)
    if fitting.resume():
        logger.info(
            "Going on with the %s of %s after batch %d of %d", about["kind"], train.name, fitting.step, epochs * steps
        )
    network.train()
    began, before = time.monotonic(), fitting.step
    with ProgressBar(epochs * steps, fitting.step, about["kind"], "batch") as display:
        for epoch in range(fitting.step // steps, epochs):
            draw = torch.Generator().manual_seed(seed_for(seed, KIND, "epoch", epoch))
            order = torch.randperm(len(train), generator=draw)[: steps * batch_size].view(steps, batch_size)
            flips = alternating_flips(len(train), seed, epoch) if flip else None
            turns = None if train.classes else torch.randint(NUM_TURNS, (len(train),), generator=draw)
            labels = (train.labels if turns is None else turns).to(device)
            for step, index in enumerate(order, epoch * steps):
                shifts = torch.randint(-SHIFT, SHIFT + 1, (2, batch_size, 1), generator=draw)
                if step < fitting.step:  # done before this process began; only its random draws are repeated
                    continue
                fitting.stop_if_requested()
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate * _triangle(step / (epochs * steps))
                target = labels[index.to(device)]
                with _mixed_precision(device):
                    logits = network(_augmented(pixels, index, shifts, flips, turns)).logits
                loss = functional.cross_entropy(logits, target)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                fitting.sums += torch.stack([loss.detach().float(), (logits.argmax(1) == target).sum().float()])
                fitting.step += 1
                display.step()
                display.show(fitting.step, (time.monotonic() - began) / (fitting.step - before))
            loss_sum, hits = fitting.sums.tolist()
            fitting.sums.zero_()
            fitting.keep()
            if on_epoch is not None:
                with display.aside():
                    on_epoch(epoch + 1, {"loss": loss_sum / steps, "accuracy": hits / (steps * batch_size)})


def _triangle(progress: float) -> float:
    return min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))


def alternating_flips(count: int, seed: int, epoch: int) -> Tensor:
    """Which images to flip, bool [N]: a random half, and in the next epoch the other half.

    Two epochs show every image both ways; independent draws would show half of them the same way twice.
    Source: Jordan 2024, arXiv:2404.00498, section 3.6.
    """
    draw = torch.Generator().manual_seed(seed_for(seed, KIND, "flip"))
    return (torch.rand(count, generator=draw) < 0.5) ^ (epoch % 2 == 1)


def _augmented(pixels: Tensor, index: Tensor, shifts: Tensor, flips: Tensor | None, turns: Tensor | None) -> Tensor:
    """Float images [B, C, S, S] from uint8 [N, S, S, C], each shifted (border repeated), perhaps flipped and turned.

    shifts: in pixels, down and to the right, int64 [2, B, 1].
    """
    size = pixels.shape[1]
    rows, columns = (torch.arange(size) + shifts).clamp_(0, size - 1)
    if flips is not None:
        columns = torch.where(flips[index, None], columns.flip(1), columns)
    where = [part.to(pixels.device) for part in (index[:, None, None], rows[:, :, None], columns[:, None, :])]
    images = to_model_range(pixels[where[0], where[1], where[2]].permute(0, 3, 1, 2))
    return images if turns is None else turned(images, turns[index])


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """Each image of [B, C, S, S] turned to the left by its number of quarter turns, int64 [B] in 0..3."""
    every = torch.stack([images.rot90(turn, (2, 3)) for turn in range(NUM_TURNS)])
    return every[turns.to(images.device), torch.arange(len(images), device=images.device)]


def _mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bf16 autocast where the hardware supports bf16 (2.1 times as fast on such a CPU), else plain float32."""
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # emulated bf16 would be slower than float32; the private test is the only one torch has
        supported = device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    return torch.autocast(device.type, torch.bfloat16, enabled=supported)


def _calibrate(network: DomainClassifier, train: ImageSet, device: torch.device) -> None:
    """Set the feature mean and scale from the training images, upright even for a classifier of turns."""
    extractor = DomainExtractor(network, train.spec, digest="", device=device)
    statistics = FeatureStatistics(network.dimension)
    for batch in batches_of(train.images, IMAGES_AT_ONCE):
        statistics.update(extractor(batch).features)
    scale = statistics.covariance.diagonal().sqrt()
    network.feature_mean.copy_(statistics.mean)
    # a channel that never fires on real images carries no information; divided by zero it would dominate
    network.feature_scale.copy_(torch.where(scale > 1e-6 * scale.max(), scale, 1.0))


@torch.inference_mode()
def _accuracy(network: DomainClassifier, test: ImageSet, device: torch.device) -> float:
    """Accuracy, 0..1, over the test images; without classes, over all four turns of each."""
    right = 0
    with full_precision(device):
        for turn in range(1 if test.classes else NUM_TURNS):
            for first in range(0, len(test), IMAGES_AT_ONCE):
                part = slice(first, first + IMAGES_AT_ONCE)
                images = to_model_range(test.images[part].to(device)).rot90(turn, (2, 3))
                found = network(images.contiguous(memory_format=torch.channels_last)).logits.argmax(1).cpu()
                right += int((found == (test.labels[part] if test.classes else turn)).sum())
    return right / (len(test) * (1 if test.classes else NUM_TURNS))
