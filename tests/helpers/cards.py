"""Score cards as the evaluate node writes them, for tests of the table."""

from __future__ import annotations

from typing import Any

Card = dict[str, Any]


def protocol(extractor: str = "inception", **changes: object) -> dict[str, object]:
    rules: dict[str, object] = {
        "extractor": extractor, "extractor_digest": extractor[0] * 64, "preprocessing": "p", "num_samples": 10000,
        "reference_name": "cifar10/train", "reference_split": "train", "reference_digest": "r" * 64,
        "reference_count": 50000, "weights": "ema", "inception_splits": 10, "seed": 0, "quantisation": "round",
        "truncation": None, "kid_subsets": 100, "kid_subset_size": 1000, "manifold_samples": 10000,
        "similarity_pairs": 1000, "memorisation_samples": 1000, "path_samples": 1000, "parzen_samples": 0,
        "bootstrap": 20, "held_out_digest": "h" * 64, "held_out_count": 10000, "floor_count": 10000,
    }  # fmt: skip
    assert set(changes) <= set(rules)
    return rules | changes


def metrics(prefix: str = "", count: int = 10000, **changes: float) -> dict[str, float]:
    plain = {"fid": 30.0, "fid_floor": 3.0, "is_mean": 6.0, "is_std": 0.1, "num_samples": count, **changes}
    return {f"{prefix}{name}": value for name, value in plain.items()}


def card(experiment: str = "hybrid_cifar10", **changes: object) -> Card:
    content: Card = {
        "experiment": experiment, "system": "hybrid", "paper": "tahvili2025", "dataset": "cifar10",
        "data_digest": "c" * 64, "recipe_fingerprint": "f" * 12, "variant": "v" * 12, "seed": 0, "device": "cuda",
        "hardware": "NVIDIA H200", "commit": "0123456789abcdef",
        "dirty": False, "versions": {"torch": "2.15.0", "papergan": "0.1.0"}, "epochs": 1000.0, "steps": 781000,
        "images_seen": 49984000, "training_seconds": 3600.5, "diverged": None, "generator_digest": "a" * 64,
        "protocols": [protocol()],
        "final": metrics() | {"discriminator_accuracy_zero": 0.5, "discriminator_accuracy_midpoint": 0.9},
        "best_fid": {"epoch": 900, "step": 702900, **metrics(fid=25.0)},
        "best_is": {"epoch": 800, "step": 624800, **metrics(is_mean=6.5)}, "best_likelihood": None,
        "real_rows": [], "notes": [],
    }  # fmt: skip
    assert set(changes) <= set(content)
    return content | changes


def demo_card() -> Card:
    """A short run on synthetic images with domain metrics only."""
    rules = protocol("domain", num_samples=500, reference_name="synthetic_shapes/train", reference_count=2000)
    return card(
        "hybrid_fast", dataset="synthetic_shapes", protocols=[rules], final=metrics("domain_", 500), epochs=2.0,
        best_fid={"epoch": 1, "step": 10, **metrics("domain_", 500, fid=12.0)}, best_is=None, dirty=True,
    )  # fmt: skip
