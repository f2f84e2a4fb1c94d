"""What is published of a trained game: the averaged generator, pictures of its samples, curves of its training."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.data.grid import ImageGrid
from papergan.game.knobs import Progress
from papergan.game.sampler import Sampler
from papergan.pipelines.checked import Experiment
from papergan.pipelines.experiment.restore import progress_of, published_sampler, trained_game
from papergan.pixels import to_pixels
from papergan.training.history import History
from papergan.training.publish import publish
from papergan.weights import Weights

NUM_SHOWN = 64


def swap_in_average(experiment: Experiment, trained: Weights) -> Weights:
    """The generator that is published: the average of its weights, its BatchNorm statistics re-estimated.

    Document 000, section V.E. Where the system keeps no average, the generator as it ended.
    """
    recipe = experiment.recipe
    game = trained_game(recipe, trained)
    sampler = publish(
        game, progress_of(trained), seed=recipe.seed, batch_norm_batches=recipe.training.batch_norm_batches
    )
    weights = "raw" if game.average is None else "ema"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sampler.state_dict().items()}
    about = {**trained.metadata, "kind": "generator", "weights": weights, "experiment": experiment.name}
    return Weights(tensors, about)


def sample(experiment: Experiment, generator: Weights) -> ImageGrid:
    """64 images of fixed latents: the same ones at every evaluation and in every run of this recipe."""
    progress = progress_of(generator)
    pixels = draw(published_sampler(experiment.recipe, generator), experiment.recipe.seed, progress)
    return ImageGrid(pixels, caption(experiment.name, generator.metadata["dataset"], progress))


def draw(sampler: Sampler, seed: int, progress: Progress) -> Tensor:
    """The first 64 of the images that are also scored, uint8 [64, C, S, S]."""
    return to_pixels(torch.cat(list(sampler.stream(NUM_SHOWN, seed=seed, progress=progress)))).cpu()


def caption(experiment: str, dataset: str, progress: Progress) -> str:
    """What the picture shows, so that nobody takes drawn shapes for photographs."""
    return f"{experiment}, trained on {dataset}: epoch {progress.epoch:g}, step {progress.step}"


def draw_curves(experiment: Experiment, history: History) -> object:
    """Losses, scores and the discriminator's accuracy over epochs, one panel each, as in document 000, figure 2.

    Returns a matplotlib Figure; not annotated so, because importing it takes half a second and Kedro reads annotations.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7), layout="constrained")
    figure.suptitle(f"{experiment.name} on {experiment.recipe.dataset}, recipe {experiment.recipe.fingerprint}")
    losses = {name for row in history.losses for name in row if "." in name and "norm" not in name}
    scores = {name for row in history.metrics for name in row}
    panels = [
        ("losses, weighted", history.losses, losses),
        ("Frechet distance", history.metrics, {name for name in scores if name.endswith("fid")}),
        ("Inception Score", history.metrics, {name for name in scores if name.endswith("is_mean")}),
        ("discriminator accuracy", history.metrics, {name for name in scores if "accuracy" in name}),
    ]
    for place, (title, rows, names) in enumerate(panels, 1):
        axes = figure.add_subplot(2, 2, place)
        for name in sorted(names):
            seen = [row for row in rows if name in row]
            marker = "." if len(seen) < 100 else ""
            axes.plot([row["epoch"] for row in seen], [row[name] for row in seen], marker=marker, label=name)
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        if names:
            axes.legend(fontsize="small")
    return figure
