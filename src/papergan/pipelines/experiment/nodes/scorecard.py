"""The score card of a run: metrics, budget, protocol, hardware and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from papergan import systems
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.evaluation.protocol import Protocol
from papergan.evaluation.scorecard import BestScore, RealRow, ScoreCard
from papergan.pipelines.experiment.restore import device_of
from papergan.tracking import provenance


def card(
    experiment: Experiment,
    trained: Mapping[str, str],
    *,
    protocols: Sequence[Protocol] = (),
    final: Mapping[str, float] | None = None,
    best: Mapping[str, BestScore] | None = None,
    real_rows: Sequence[RealRow] = (),
    diverged: str | None = None,
    pruned: str | None = None,
    sampling_seconds: float | None = None,
    generator_digest: str | None = None,
    remarks: Sequence[str] = (),
) -> ScoreCard:
    """The score card of an experiment. trained: metadata of the trained game, with the commit, device, hardware and
    versions of the training. sampling_seconds: of one image.

    best: by criterion, "best_fid", "best_is" and "best_likelihood".

    generator_digest: of the generator that was scored; None where the run ended early. remarks: notes on the scores,
    placed after the settings that differ from the system's defaults.
    """
    name, recipe = experiment
    device, best = device_of(recipe), best or {}
    return ScoreCard(
        experiment=name,
        system=recipe.system,
        paper=recipe.paper,
        dataset=trained["dataset"],
        data_digest=trained["data_digest"],
        models=json.loads(trained.get("models", "{}")),
        recipe_fingerprint=recipe.fingerprint,
        variant=recipe.variant,
        seed=recipe.seed,
        **({"device": str(device), **provenance.facts(device)} | provenance.from_metadata(trained)),
        epochs=float(trained["epoch"]),
        steps=int(trained["step"]),
        images_seen=int(trained["images"]),
        training_seconds=float(trained["seconds"]),
        sampling_seconds=sampling_seconds,
        diverged=diverged,
        pruned=pruned,
        generator_digest=generator_digest,
        protocols=tuple(protocols),
        final=dict(final or {}),
        best_fid=best.get("best_fid"),
        best_is=best.get("best_is"),
        best_likelihood=best.get("best_likelihood"),
        real_rows=tuple(real_rows),
        notes=(*non_default_settings(recipe), *remarks),
    )


def non_default_settings(recipe: Recipe) -> tuple[str, ...]:
    """Settings and numerics that differ from the system's defaults, which mark a reduced run in tables."""
    defaults = systems.ADDED | systems.resolve(recipe.system, {})
    chosen = {name: value for name, value in recipe.settings().items() if value != defaults[name]}
    settings = [f"{name}={recipe.overrides[name]}" for name in sorted(chosen)]
    if recipe.training.precision != "float32":
        settings.append(f"precision={recipe.training.precision}")
    return (f"with {', '.join(settings)}",) if settings else ()
