"""The list of all metrics: their names, directions, and the settings that each depends on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "half", "real"]

COMMON = ("num_samples", "truncation", "quantisation", "reference_name", "reference_split", "reference_digest",
          "reference_count", "direction")  # fmt: skip
HELD_OUT = ("held_out_digest", "held_out_count")
EXTRACTOR = ("extractor", "extractor_digest", "preprocessing")


@dataclass(frozen=True)
class Metric:
    """One number of a score card.

    name: without the extractor's prefix, "kid_mean" of "domain_kid_mean". title: for people. better: lower, higher,
    nearest to one half, or nearest to the value that real images have. pattern: of its label, with fields of a Protocol
    and its `train_count` in braces. deviation: the metric that is its standard deviation. rules: fields of a Protocol
    that it depends on in addition to the common ones. of_features: False if it is measured without an extractor.
    truncated: False if it is measured on untruncated latents, whatever the truncation.
    """

    name: str
    title: str
    better: Better
    pattern: str
    deviation: str = ""
    rules: tuple[str, ...] = ()
    of_features: bool = True
    truncated: bool = True

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The fields of a Protocol that must agree before two values may share a column."""
        common = [field for field in COMMON if self.truncated or field != "truncation"]
        return (*(EXTRACTOR if self.of_features else ()), *common, *self.rules)


_REAL = "{num_samples}v{reference_count}-{reference_split}"
_EQUAL = "{manifold_samples}v{manifold_samples}-{reference_split}"
_COPIES = "{memorisation_samples}v{train_count}-train"
_MANIFOLD, _COPIED = ("manifold_samples",), ("memorisation_samples", *HELD_OUT)
_NAS = "{nas_samples}/{nas_share:g}/{nas_epochs}x{nas_width}"
_AUGMENTED = ("nas_samples", "nas_share", "nas_epochs", "nas_width")
_KID = ("kid_subsets", "kid_subset_size")

_ALL = (
    Metric("fid", "Frechet distance", "lower", f"fid@{_REAL}", "fid_bootstrap"),
    Metric(
        "kid_mean", "kernel distance", "lower", f"kid@{_REAL}/{{kid_subsets}}x{{kid_subset_size}}", "kid_bootstrap",
        _KID,
    ),
    Metric(
        "is_mean", "Inception Score", "higher", "is@{num_samples}/{inception_splits}", "is_std", ("inception_splits",)
    ),
    Metric(
        "log_is", "log Inception Score", "higher", "log_is@{num_samples}/{inception_splits}", "", ("inception_splits",)
    ),
    Metric("modified_is", "modified Inception Score", "real", "modified_is@{num_samples}"),
    Metric("precision", "precision", "higher", f"precision@{_EQUAL}/k3", "", _MANIFOLD),
    Metric("recall", "recall", "higher", f"recall@{_EQUAL}/k3", "", _MANIFOLD),
    Metric("density", "density", "real", f"density@{_EQUAL}/k5", "", _MANIFOLD),
    Metric("coverage", "coverage", "higher", f"coverage@{_EQUAL}/k5", "", _MANIFOLD),
    Metric("two_sample_accuracy", "1-NN two-sample accuracy", "half", f"two_sample@{_EQUAL}", "", _MANIFOLD),
    Metric("class_entropy", "class entropy", "higher", "class_entropy@{num_samples}"),
    Metric("classes_covered", "classes covered", "higher", "classes@{num_samples}"),
    Metric("class_divergence", "class divergence", "lower", f"class_divergence@{_REAL}"),
    Metric(
        "intra_fid", "Frechet distance within classes", "lower",
        "intra_fid@{class_samples}v{reference_count}-{reference_split}", "", ("class_samples",),
    ),
    Metric("class_accuracy", "accuracy of the class asked for", "higher", "class_accuracy@{num_samples}"),
    Metric("stacked_modes", "modes of stacked images", "higher", "stacked_modes@{num_samples}"),
    Metric("stacked_divergence", "divergence of the modes from even ones", "lower", "stacked_divergence@{num_samples}"),
    Metric("ppl", "perceptual path length", "lower", "ppl@{path_samples}", "", ("path_samples",), truncated=False),
    Metric(
        "ppl_w", "perceptual path length between styles", "lower", "ppl_w@{path_samples}", "", ("path_samples",),
        truncated=False,
    ),
    Metric("copy_rate", "copy rate, features", "real", f"copies@{_COPIES}", "", _COPIED),
    Metric("distance_ratio", "distance to training images, features", "real", f"nn_ratio@{_COPIES}", "", _COPIED),
    Metric("pixel_copy_rate", "copy rate, pixels", "real", f"pixel_copies@{_COPIES}", "", _COPIED, False),
    Metric(
        "pixel_distance_ratio", "distance to training images, pixels", "real", f"pixel_nn_ratio@{_COPIES}", "",
        _COPIED, False,
    ),
    Metric(
        "cas", "classification accuracy score", "higher", "cas@{cas_samples}/{cas_epochs}x{cas_width}", "",
        ("cas_samples", "cas_epochs", "cas_width", "cas_flip", *HELD_OUT), False,
    ),
    Metric(
        "nas_real", "accuracy of a classifier of the real training images", "higher", f"nas_real@{_NAS}", "",
        (*_AUGMENTED, *HELD_OUT), False,
    ),
    Metric(
        "nas_flips", "accuracy of a classifier of these and mirrored ones", "higher", f"nas_flips@{_NAS}", "",
        (*_AUGMENTED, "nas_flip", *HELD_OUT), False,
    ),
    Metric(
        "nas", "naive augmentation score", "higher", f"nas@{_NAS}", "", (*_AUGMENTED, *HELD_OUT), False,
    ),
    Metric("psnr", "PSNR of pairs", "higher", "psnr@{num_samples}", "", HELD_OUT, False),
    Metric("ssim", "SSIM of pairs", "higher", "ssim@{num_samples}", "", HELD_OUT, False),
    Metric("psnr_y", "PSNR of pairs, luminance", "higher", "psnr_y@{num_samples}", "", HELD_OUT, False),
    Metric("ssim_y", "SSIM of pairs, luminance", "higher", "ssim_y@{num_samples}", "", HELD_OUT, False),
    Metric(
        "lpips", "LPIPS of pairs", "lower", "lpips@{num_samples}-{lpips_network}", "",
        ("lpips_network", "lpips_backbone_digest", "lpips_weights_digest", *HELD_OUT), False,
    ),
    Metric("target_share", "share taken for the target's classes", "real", "target_share@{num_samples}"),
    Metric(
        "cycle_error", "difference after there and back, grey levels", "lower", "cycle_error@{num_samples}", "",
        HELD_OUT, False,
    ),
    Metric("content_kept", "clips whose content stays the same", "higher", "content_kept@{num_samples}", "", (), False),
    Metric("motion_recognised", "clips whose motion is recognised", "higher", "motion@{num_samples}", "", (), False),
    Metric("motion_entropy", "entropy of clips' motions", "higher", "motion_entropy@{num_samples}", "", (), False),
    Metric("ms_ssim", "MS-SSIM of pairs", "real", "ms_ssim@{similarity_pairs}", "", ("similarity_pairs",), False),
    Metric(
        "parzen_ll_historical", "Parzen log-likelihood", "higher", "parzen@{parzen_samples}",
        "parzen_ll_historical_std", ("parzen_samples", "parzen_validation", "parzen_bandwidths", *HELD_OUT), False,
    ),
    Metric("code_error", "error of the categorical code as a class label", "lower", "code_error", "", HELD_OUT, False),
    Metric("encoder_1nn_accuracy", "1-NN accuracy of encoder features", "higher", "encoder_1nn", "", HELD_OUT, False),
    Metric(
        "reconstruction_error", "distance of test images from their reconstructions", "lower", "reconstruction", "",
        HELD_OUT, False,
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
AUXILIARY_METRICS = (  # no columns of their own
    "num_samples", "fid_floor", "fid_at_floor_count", "kid_std", "parzen_bandwidth", "parzen_ll_validation",
    *(m.deviation for m in _ALL if m.deviation),
)  # fmt: skip
FLOOR = Metric("fid_floor", "Frechet distance of held-out images", "real", "", "", (*HELD_OUT, "floor_count"))
COLUMNS = {**METRICS, FLOOR.name: FLOOR}  # all that have a header in the table

DISCRIMINATOR_METRICS = {
    "discriminator_accuracy_zero": "discriminator accuracy at 0",
    "discriminator_accuracy_midpoint": "discriminator accuracy at the midpoint",
    "discriminator_gap": "mean real score - mean fake score",
    "discriminator_held_out_gap": "mean training score - mean held-out score",
    "membership_auc": "membership inference AUC",
}
BEST_AT_HALF = ("membership_auc",)
TO_INPUTS = "b_to_a"  # prefix of the metrics of a translation's reverse direction, to the input images of the recipe


# metrics that no other generators have
OF_TRANSLATIONS = ("psnr", "ssim", "psnr_y", "ssim_y", "lpips", "target_share", "cycle_error")
OF_CLIPS = ("content_kept", "motion_recognised", "motion_entropy")
OF_CONDITIONAL = ("intra_fid", "class_accuracy", "cas", "nas", "nas_real", "nas_flips")
BY_CLASS = ("intra_fid", "class_accuracy")  # which are reported alongside their values for each class


def of_class(name: str, label: int) -> str:
    """The name of a metric of BY_CLASS for one class: "domain_intra_fid_class_3"."""
    return f"{name}_class_{label}"


def metric_and_class(name: str) -> tuple[str, int] | None:
    """`("domain_intra_fid", 3)` for "domain_intra_fid_class_3"; None for any other name."""
    found = re.fullmatch(rf"((?:\w+_)?(?:{'|'.join(BY_CLASS)}))_class_(\d+)", name)
    return None if found is None else (found[1], int(found[2]))


def prefix_and_metric(name: str) -> tuple[str, Metric] | None:
    """`("domain_", kid_mean)` for "domain_kid_mean"; None for a name that is not in METRICS.

    For a translation's reverse direction `("b_to_a_domain_", kid_mean)`, and `("b_to_a_", cycle_error)`.
    """
    plain = name.removeprefix(f"{TO_INPUTS}_")
    if plain in METRICS:
        return name.removesuffix(plain), METRICS[plain]
    for known in sorted(METRICS, key=len, reverse=True):
        if METRICS[known].of_features and name.endswith(f"_{known}"):
            return name.removesuffix(known), METRICS[known]
    return None


def is_score(name: str) -> bool:
    """Whether a score card may have a number of this name: a metric, one of a class or the discriminator, auxiliary."""
    auxiliary = any(name == one or name.endswith(f"_{one}") for one in AUXILIARY_METRICS)
    of_images = prefix_and_metric(name) is not None or metric_and_class(name) is not None
    return of_images or auxiliary or name in DISCRIMINATOR_METRICS


def is_best_at_half(name: str) -> bool:
    """Whether a metric, of METRICS or of the discriminator, is best at 0.5, by its name without a prefix."""
    return name in BEST_AT_HALF or (name in METRICS and METRICS[name].better == "half")


def is_better(metric: Metric, new: float, old: float) -> bool:
    """Whether `new` is strictly better. Raises ValueError for a metric with no best value of its own."""
    if metric.better == "real":
        raise ValueError(f"{metric.name} is best where it is that of real images; neither value is better in itself")
    if metric.better == "half":
        return abs(new - 0.5) < abs(old - 0.5)
    return new < old if metric.better == "lower" else new > old
