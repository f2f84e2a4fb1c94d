"""Tables, figures and the page of sounds of the sound study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from papergan.config.sound_study import SoundResult, SoundStudyRecipe, SoundTrial
from papergan.inference.model_folder import StoredModel
from papergan.inference.sound.models import stored_sound_model
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import with_deviation
from papergan.reporting.seed_groups import Measured
from papergan.sound.classifier import SoundClassifier
from papergan.sound.mel import MelSpectrogram, griffin_lim, log_mel_distance
from papergan.sound.sounds import SoundSplits, to_model_range, to_samples
from papergan.studies.named_trials import about_model, plot_seeds
from papergan.studies.seed_groups import NamedGroup
from papergan.studies.sound.trials import CHUNK, CLASS_ACCURACY, LOG_MEL_L1, SHOWN, restoration_scores
from papergan.training.history import Row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SoundGroup = NamedGroup[SoundTrial, SoundResult]

REAL, GRIFFIN_LIM = "real sounds", "Griffin-Lim"
SAME_CLASS, MEDIAN = "another sound of its class", "median spectrogram"
NUM_SPECTROGRAMS = 10  # in a row of the figure


class SoundKind(NamedTuple):
    """How the results of one kind of system are shown. title: of their table. paper: a citation key.

    columns: labels by score; the first is plotted over training. restores: whether its sounds are restored test sounds,
    and so are shown next to those of the Griffin-Lim algorithm.
    """

    title: str
    paper: str
    columns: Mapping[str, str]
    restores: bool


KINDS = {
    "wavegan": SoundKind(
        "sounds from latents", "donahue2019",
        {
            "inception_score": "Inception Score", "share_of_real": "share of real sounds' score",
            "frechet": "Fréchet distance", "classes_drawn": "classes drawn",
        },
        restores=False,
    ),
    "melgan": SoundKind(
        "sounds from their mel spectrograms", "kumar2019",
        {LOG_MEL_L1: "log mel L1", "of_griffin_lim": "ratio to Griffin-Lim's", CLASS_ACCURACY: "class accuracy"},
        restores=True,
    ),
}  # fmt: skip


def griffin_lim_sounds(samples: Tensor, mel: MelSpectrogram, iterations: int) -> Tensor:
    """Sounds restored from their mel spectrograms by the algorithm: int16 [N, L] -> int16 [N, L]."""
    parts = [griffin_lim(mel(to_model_range(part)), mel, iterations, seed=0) for part in torch.split(samples, CHUNK)]
    return to_samples(torch.cat(parts).clamp(-1.0, 1.0))


def baselines(recipe: SoundStudyRecipe, sounds: SoundSplits, classifier: SoundClassifier) -> dict[str, Row]:
    """The scores of baselines that replace the test sounds, by name.

    These are the test sounds themselves; Griffin-Lim's reconstructions from their mel spectrograms; a training sound of
    the same class for each; and the median of the spectrograms of as many training sounds, the same for all. A
    generator that comes no closer than the last two makes no use of its input.
    """
    mel, test, count = mel_spectrogram_of(recipe), sounds.test, recipe.samples
    instead = {
        REAL: test.samples[:count],
        GRIFFIN_LIM: griffin_lim_sounds(test.samples[:count], mel, recipe.griffin_lim_iterations),
        SAME_CLASS: sounds_of_the_same_classes(sounds, count),
    }
    scores = {name: restoration_scores(made, test, mel, classifier) for name, made in instead.items()}
    median = mel(to_model_range(sounds.train.samples[:count])).median(dim=0, keepdim=True).values
    wanted = mel(to_model_range(test.samples[:count]))
    return scores | {MEDIAN: {LOG_MEL_L1: log_mel_distance(median.expand_as(wanted), wanted)}}


def sounds_of_the_same_classes(sounds: SoundSplits, count: int) -> Tensor:
    """A training sound of the same class for each of the first test sounds, taken in order and cyclically."""
    rows = [(sounds.train.labels == label).nonzero().flatten() for label in range(len(sounds.train.classes))]
    taken = [0] * len(rows)
    chosen = []
    for label in sounds.test.labels[:count].tolist():
        chosen.append(int(rows[label][taken[label] % len(rows[label])]))
        taken[label] += 1
    return sounds.train.samples[chosen]


def mel_spectrogram_of(recipe: SoundStudyRecipe) -> MelSpectrogram:
    """The mel spectrogram of the recipe's sounds."""
    return MelSpectrogram(recipe.sounds.rate, recipe.mel.fft, recipe.mel.hop, recipe.mel.bands)


def summary(groups: Sequence[SoundGroup], lines: Mapping[str, Row]) -> pd.DataFrame:
    """A row per system of one kind, over seeds, and per baseline."""
    import pandas as pd

    kind = KINDS[groups[0].grid]
    columns = kind.columns
    rows = [_row(group, columns, lines) for group in groups]
    if kind.restores:
        rows += [
            {"system": name, **{label: text(line[key]) for key, label in columns.items() if key in line}}
            for name, line in lines.items()
        ]
    else:
        found = next((result.scores for group in groups for result in group.results if result.scores), {})
        real = {"system": REAL, "Inception Score": text(found.get("inception_score_real"))}
        rows += [real] if found else []
    return pd.DataFrame(rows).fillna("")


def _row(group: SoundGroup, columns: Mapping[str, str], lines: Mapping[str, Row]) -> dict[str, str]:
    row = {"system": group.name, "seeds": ", ".join(str(seed) for seed, one in group.done if not one.diverged)}
    for key, label in columns.items():
        row[label] = with_deviation(_measured(group, key, lines))
    row["ms a step"] = with_deviation(group.over(lambda one: 1000 * one.seconds_per_step))
    row["flags"] = group.flags
    return row


def _measured(group: SoundGroup, key: str, lines: Mapping[str, Row]) -> Measured | None:
    if key == "share_of_real":
        return group.over(lambda one: one.scores["inception_score"] / one.scores["inception_score_real"])
    if key == "of_griffin_lim":
        return group.over(lambda one: one.scores[LOG_MEL_L1] / lines[GRIFFIN_LIM][LOG_MEL_L1])
    return group.over(lambda one: one.scores.get(key))


def model_of(group: SoundGroup, sounds: SoundSplits, recipe: SoundStudyRecipe) -> StoredModel | None:
    """The model of the first seed that finished; None if none did."""
    if group.first_ended is None:
        return None
    seed, result = group.first_ended
    settings = group.trial.settings
    sound = {"rate": sounds.train.rate, "length": sounds.train.length, "mel": recipe.mel.model_dump()}
    tensors = {name: tensor for name, tensor in result.tensors.items() if name.startswith("generator.")}
    return stored_sound_model(
        tensors, system=group.grid, settings=settings.model_dump(mode="json"), sound=sound,
        classes=sounds.train.classes, steps=settings.steps,
        about=about_model(group, seed, sounds.train, KINDS[group.grid].paper),
    )  # fmt: skip


def rows_of_sounds(
    groups: Sequence[SoundGroup], sounds: SoundSplits, recipe: SoundStudyRecipe
) -> dict[str, dict[str, Tensor]]:
    """Sounds int16 [L] by row name and caption: real ones, those of systems, and Griffin-Lim's.

    Systems show the first seed that finished; MelGAN's and Griffin-Lim's sounds restore the real ones above them.
    """
    test = sounds.test
    captions = [f"{place + 1} {test.classes[label]}" for place, label in enumerate(test.labels[:SHOWN].tolist())]
    rows = {REAL: dict(zip(captions, test.samples, strict=False))}
    for group in groups:
        if group.first_ended is None:
            continue
        shown = group.first_ended[1].tensors["sounds"]
        names = captions if KINDS[group.grid].restores else [str(place + 1) for place in range(len(shown))]
        rows[group.name] = dict(zip(names, shown, strict=False))
    if any(KINDS[group.grid].restores and group.name in rows for group in groups):
        made = griffin_lim_sounds(test.samples[:SHOWN], mel_spectrogram_of(recipe), recipe.griffin_lim_iterations)
        rows[GRIFFIN_LIM] = dict(zip(captions, made, strict=False))
    return rows


def spectrograms(rows: Mapping[str, Mapping[str, Tensor]], recipe: SoundStudyRecipe, title: str) -> Figure:
    """Log mel spectrograms of the first ten sounds of each row of `rows_of_sounds`, with their waveforms above."""
    from matplotlib.figure import Figure

    mel = mel_spectrogram_of(recipe)
    figure = Figure(figsize=(1.7 * NUM_SPECTROGRAMS, 2.3 * len(rows) + 0.6), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(
        2 * len(rows), NUM_SPECTROGRAMS, squeeze=False, gridspec_kw={"height_ratios": [1, 2] * len(rows)}
    )
    for place, (name, sounds) in enumerate(rows.items()):
        chosen = list(sounds.items())[:NUM_SPECTROGRAMS]
        pictures = mel(to_model_range(torch.stack([samples for _, samples in chosen])))
        for column in range(NUM_SPECTROGRAMS):
            waveform, picture = panels[2 * place, column], panels[2 * place + 1, column]
            for axes in (waveform, picture):
                axes.set(xticks=[], yticks=[])
                axes.set_visible(column < len(chosen))
            if column < len(chosen):
                caption, samples = chosen[column]
                _waveform(waveform, samples, caption)
                picture.imshow(pictures[column].numpy(), origin="lower", aspect="auto", vmin=-9.0, vmax=2.0)
        panels[2 * place + 1, 0].set_ylabel(name)
    return figure


def _waveform(axes: Axes, samples: Tensor, caption: str) -> None:
    axes.plot(samples.numpy() / 32768, linewidth=0.4)
    axes.set_ylim(-1, 1)
    axes.set_title(caption, fontsize="small")


def over_time(groups: Sequence[SoundGroup], lines: Mapping[str, Row], title: str) -> Figure:
    """Scores over training, a panel per kind of system, a line per seed; baselines dashed."""
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(group.grid for group in groups))
    figure = Figure(figsize=(6 * max(1, len(kinds)), 4), layout="constrained")
    figure.suptitle(title)
    for axes, kind in zip(figure.subplots(1, max(1, len(kinds)), squeeze=False)[0], kinds, strict=False):
        key, label = next(iter(KINDS[kind].columns.items()))
        plot_seeds(axes, [group for group in groups if group.grid == kind], key)
        if KINDS[kind].restores:
            for name, style in {GRIFFIN_LIM: "--", SAME_CLASS: "-.", MEDIAN: ":"}.items():
                axes.axhline(lines[name][LOG_MEL_L1], linestyle=style, color="grey", label=name)
        axes.set(xlabel="step", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure
