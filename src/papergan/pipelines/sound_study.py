"""The sound study: WaveGAN and MelGAN trained on sounds over seeds: scores, spectrograms, sounds to listen to."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline
from torch import Tensor

from papergan.config.checked import SoundStudy
from papergan.config.papers import citation
from papergan.config.sound_study import SoundTrial, trials_of
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import SoundTrialStore
from papergan.inference.model_folder import StoredModel
from papergan.pipelines.groups import named_node
from papergan.reporting.sound_page import SoundPage
from papergan.sound.classifier import load_classifier, train_classifier
from papergan.sound.data import load_sounds
from papergan.sound.sounds import SoundSplits
from papergan.studies.named_trials import grouped_named, notes_of, packaged, train_named, trial_table
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.sound import results as sound_results
from papergan.studies.sound.trials import CLASS_ACCURACY, SoundTrainer
from papergan.studies.tables import study_page
from papergan.studies.worker import failures
from papergan.tracking import Tracker
from papergan.training.history import Row
from papergan.weights import Weights

NAME = "sound_study"
TRUSTED = 0.9  # accuracy of the classifier below which the page warns about its scores


def ingest_sounds(study: SoundStudy) -> SoundSplits:
    """The sounds of the recipe: drawn, or read from WAV files."""
    return load_sounds(study.recipe.sounds)


def train_sound_classifier(study: SoundStudy, sounds: SoundSplits, feature_cache: FeatureCache) -> Weights:
    """The classifier of the sounds, trained once for these sounds and settings."""
    mel, settings = study.recipe.mel, study.recipe.classifier
    made_from = {"sounds": sounds.train.digest, "mel": mel.model_dump(), "settings": settings.model_dump()}
    return feature_cache.get_or_compute(
        "sound_classifier", made_from, lambda: train_classifier(sounds.train, mel, settings)
    )


def train_systems(
    study: SoundStudy, sounds: SoundSplits, classifier: Weights, trials: SoundTrialStore, tracker: Tracker
) -> dict[str, str]:
    """Run every trial that is not finished, as in `train_named`."""
    trainer = SoundTrainer(trials, sounds, classifier)
    return train_named(study.recipe.workers, _trials(study, sounds), trainer, trials, tracker)


def _trials(study: SoundStudy, sounds: SoundSplits) -> list[SoundTrial]:
    return trials_of(study.recipe, sounds.digest)


def score_baselines(study: SoundStudy, sounds: SoundSplits, classifier: Weights) -> dict[str, Row]:
    """The scores of real sounds, of the Griffin-Lim algorithm, and of baselines that ignore the target sound."""
    return sound_results.baselines(study.recipe, sounds, load_classifier(classifier))


def tabulate(
    study: SoundStudy, sounds: SoundSplits, trials: SoundTrialStore, finished: Mapping[str, str],
    baselines: Mapping[str, Row],
) -> Page:  # fmt: skip
    """The page: scores of every system over seeds, next to the baselines."""
    groups = grouped_named(_trials(study, sounds), trials, finished)
    tables = [
        (kind.title, sound_results.summary(mine, baselines))
        for system, kind in sound_results.KINDS.items()
        if (mine := [group for group in groups if group.grid == system])
    ]
    return study_page(
        tables, [], f"{study.name}: {study.recipe.description}", _notes(study, sounds, groups, baselines),
        trial_table(groups, baselines), sentences=[" ".join(one) for one in failures(finished).items()],
    )  # fmt: skip


def _notes(
    study: SoundStudy, sounds: SoundSplits, groups: list[sound_results.SoundGroup], baselines: Mapping[str, Row]
) -> list[str]:  # fmt: skip
    recipe, (missing, made_by) = study.recipe, notes_of(groups)
    accuracy = baselines[sound_results.REAL][CLASS_ACCURACY]
    warning = f"the classifier has {100 * accuracy:.1f} % of the test sounds right: its scores say little"
    return [
        *missing,
        *([warning] if accuracy < TRUSTED else []),
        f"{len(sounds.train)} training and {len(sounds.test)} test sounds ({sounds.train.name}, {sounds.test.name}) of "
        f"{sounds.train.length} samples at {sounds.train.rate} Hz in {len(sounds.train.classes)} classes, digest "
        f"{sounds.train.digest[:12]}",
        f"Inception Score and Fréchet distance: of {recipe.samples} sounds by a classifier of these sounds, which has "
        f"{100 * accuracy:.1f} % of the test sounds right; numbers by another classifier cannot be compared with them",
        f"log mel L1: mean absolute difference of mel spectrograms' natural logarithms, {recipe.mel.bands} bands, "
        f"windows of {recipe.mel.fft} samples, one every {recipe.mel.hop}; of test sounds, never trained on",
        f"Griffin-Lim: {recipe.griffin_lim_iterations} iterations from the magnitudes that a mel spectrogram tells, "
        "which is what log mel L1 compares: of phases it says little, and they can be heard",
        f"{sound_results.SAME_CLASS}: a training sound; {sound_results.MEDIAN}: of training sounds, the same for all; "
        "a system that comes no nearer makes nothing of its input",
        *(citation(sound_results.KINDS[one].paper) for one in dict.fromkeys(group.grid for group in groups)),
        f"± over seeds {', '.join(map(str, recipe.seeds))} (N - 1)",
        *made_by,
    ]


def gather_shown(
    study: SoundStudy, sounds: SoundSplits, trials: SoundTrialStore, finished: Mapping[str, str]
) -> dict[str, dict[str, Tensor]]:
    """Sounds int16 [L] to look at and to listen to, by kind and caption."""
    return sound_results.rows_of_sounds(grouped(NamedGroup, _trials(study, sounds), trials), sounds, study.recipe)


def draw_spectrograms(study: SoundStudy, shown: Mapping[str, Mapping[str, Tensor]]) -> object:
    """A matplotlib Figure of waveforms and mel spectrograms, real and generated."""
    return sound_results.spectrograms(shown, study.recipe, f"{study.name}: log mel spectrograms")


def collect_sounds(study: SoundStudy, sounds: SoundSplits, shown: Mapping[str, Mapping[str, Tensor]]) -> SoundPage:
    """The sounds of the figure and more of them, to listen to."""
    return SoundPage(f"{study.name}: {study.recipe.description}", sounds.train.rate, shown)


def draw_over_time(
    study: SoundStudy, sounds: SoundSplits, trials: SoundTrialStore, finished: Mapping[str, str],
    baselines: Mapping[str, Row],
) -> object:  # fmt: skip
    """A matplotlib Figure of scores over training."""
    groups = grouped(NamedGroup, _trials(study, sounds), trials)
    return sound_results.over_time(groups, baselines, f"{study.name}: scores while training")


def package_models(
    study: SoundStudy, sounds: SoundSplits, trials: SoundTrialStore, finished: Mapping[str, str]
) -> dict[str, StoredModel]:
    """The model of each system, from its first seed that finished; `papergan.load` reads it."""
    groups = grouped(NamedGroup, _trials(study, sounds), trials)
    return packaged(groups, lambda group: sound_results.model_of(group, sounds, study.recipe))


def create_pipeline() -> Pipeline:
    """The pipeline of the sound study. Finished trials are kept: the same command continues."""
    recipe = "params:recipe"
    inputs = [recipe, "sounds", "trials", "finished"]
    nodes = [
        named_node(ingest_sounds, recipe, "sounds"),
        named_node(train_sound_classifier, [recipe, "sounds", "feature_cache"], "classifier"),
        named_node(train_systems, [recipe, "sounds", "classifier", "trials", "tracker"], "finished"),
        named_node(score_baselines, [recipe, "sounds", "classifier"], "baselines"),
        named_node(tabulate, [*inputs, "baselines"], "page"),
        named_node(gather_shown, inputs, "shown"),
        named_node(draw_spectrograms, [recipe, "shown"], "spectrograms"),
        named_node(draw_over_time, [*inputs, "baselines"], "over_time"),
        named_node(collect_sounds, [recipe, "sounds", "shown"], "sound_page"),
        named_node(package_models, inputs, "models"),
    ]
    return Pipeline(nodes, namespace=NAME, inputs={"feature_cache"}, parameters={recipe: f"params:{NAME}"})
