"""The sound study: trained, resumed to the same bits, scored, packed; refused before anything is trained."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from scipy.io import wavfile

import papergan
from helpers.project_run import run_here
from papergan.config.sound_study import SoundResult, SoundStudyRecipe, trials_of
from papergan.datasets.sound_splits import SoundSplitsDataset
from papergan.datasets.trial_results import SoundTrialStore
from papergan.errors import DataError, Interrupted, RecipeError
from papergan.hooks.study_checks import check_sound_study
from papergan.reporting.sound_page import SoundPage
from papergan.sound.classifier import load_classifier, train_classifier
from papergan.sound.data import load_sounds
from papergan.sound.mel import log_mel_distance
from papergan.sound.sounds import SoundSplits, to_model_range
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.sound import results as sound_results
from papergan.studies.sound import trials as sound_trials
from papergan.studies.sound.trials import (
    CLASS_ACCURACY,
    LOG_MEL_L1,
    MelGANTraining,
    WaveGANTraining,
    restoration_scores,
)

SMALL = {
    "paper": "donahue2019", "seeds": [0], "sounds": {"train": 20, "test": 10, "length": 1024, "rate": 8000},
    "mel": {"fft": 512, "hop": 128, "bands": 20}, "classifier": {"width": 2, "epochs": 1, "least_steps": 1},
    "systems": {
        "wavegan": {
            "system": "wavegan", "latent_dim": 4, "width": 2, "batch_size": 4, "critic_steps": 2, "steps": 4,
            "every_steps": 2,
        },
        "melgan": {
            "system": "melgan", "width": 2, "ratios": [8, 4, 2, 2], "residual_layers": 1, "discriminator_width": 2,
            "discriminators": 2, "segment": 1024, "batch_size": 4, "steps": 4, "every_steps": 2,
        },
    },
    "samples": 10, "monitored_samples": 4, "griffin_lim_iterations": 2,
}  # fmt: skip

WIDE = {"fft": 4096, "hop": 128, "bands": 20}


def never():
    return None


def recipe(**changes):
    return SoundStudyRecipe.parse("sound_study", SMALL | changes)


def system(name, **changes):
    return {"systems": {name: SMALL["systems"][name] | changes}}


@pytest.fixture(scope="module")
def sounds():
    return load_sounds(recipe().sounds)


@pytest.fixture(scope="module")
def classifier(sounds):
    return load_classifier(train_classifier(sounds.train, recipe().mel, recipe().classifier))


def trial(name, data, **changes):
    return next(one for one in trials_of(recipe(**changes), data.digest) if one.place == name)


def trained(one, sounds, classifier, stop=never, checkpoints=None):
    kind = WaveGANTraining if one.grid == "wavegan" else MelGANTraining
    return kind(one, sounds, classifier, lambda row: None, checkpoints).run(stop)


@pytest.mark.parametrize("name", ["wavegan", "melgan"])
def test_a_stopped_trial_goes_on_to_the_same_bits(tmp_path, monkeypatch, sounds, classifier, name):
    monkeypatch.setattr("papergan.studies.resumable.SECONDS_BETWEEN_SAVES", 0.0)
    one, store = trial(name, sounds), SoundTrialStore(tmp_path / "trials", tmp_path / "work")
    whole, asked = trained(one, sounds, classifier), []

    def at_the_third_step():
        asked.append(None)
        return 15 if len(asked) == 3 else None

    with store.unfinished(one.key) as checkpoints:
        with pytest.raises(Interrupted, match="run again to go on"):
            trained(one, sounds, classifier, at_the_third_step, checkpoints)
        assert checkpoints.steps() == [2]
        again = trained(one, sounds, classifier, checkpoints=checkpoints)
    assert (again.over_time, again.losses, again.scores) == (whole.over_time, whole.losses, whole.scores)
    assert again.tensors.keys() == whole.tensors.keys()
    assert all(torch.equal(again.tensors[key], whole.tensors[key]) for key in whole.tensors)
    store.keep(one.key, again)
    assert checkpoints.steps() == []
    found = store.find(one.key)
    assert found.scores == whole.scores
    assert torch.equal(found.tensors["sounds"], whole.tensors["sounds"])
    assert [row["step"] for row in found.over_time] == [0.0, 2.0, 4.0]


def test_a_result_without_its_sounds_is_made_again(tmp_path, sounds):
    store = SoundTrialStore(tmp_path / "trials", tmp_path / "work")
    store.keep("key", SoundResult(tensors={"sounds": torch.zeros(1, 8, dtype=torch.int16)}))
    assert store.find("key") is not None
    (tmp_path / "trials/key.safetensors").write_bytes(b"\0" * 100)
    assert store.find("key") is None


def test_sounds_of_another_result_are_not_taken_for_its_own(tmp_path):
    store = SoundTrialStore(tmp_path / "trials", tmp_path / "work")
    for key in ("one", "two"):
        draw = torch.Generator().manual_seed(len(key) + ord(key[0]))
        store.keep(key, SoundResult(tensors={"sounds": torch.randint(9, (1, 8), generator=draw).to(torch.int16)}))
    (tmp_path / "trials/one.safetensors").write_bytes((tmp_path / "trials/two.safetensors").read_bytes())
    assert store.find("one") is None
    assert store.find("two") is not None


def test_melgan_trains_on_segments_of_the_sounds_and_their_spectrograms(sounds, classifier, monkeypatch):
    one = trial("melgan", sounds, sounds=SMALL["sounds"] | {"length": 2048})
    longer = load_sounds(one.recipe.sounds)
    seen = []
    monkeypatch.setattr(sound_trials, "training_step", lambda game, batches, *rest: seen.append(batches) or {})
    run = MelGANTraining(one, longer, classifier, lambda row: None, None)
    run.training_values(0)
    run.training_values(0)
    ((batch,), (again,)) = seen
    assert batch["sound"].shape == (4, 1, 1024)
    assert batch["mel"].shape == (4, 20, 8)
    assert torch.equal(batch["sound"], again["sound"])
    whole = to_model_range(longer.train.samples)[:, 0]
    places = [
        (row, start)
        for sound in batch["sound"][:, 0]
        for row in range(len(whole))
        for start in range(1025)
        if torch.equal(whole[row, start : start + 1024], sound)
    ]
    assert len({start for _, start in places}) > 1
    assert len({row for row, _ in places}) > 1
    assert len(places) >= 4
    assert torch.equal(batch["mel"], run.mel(batch["sound"]))


def test_what_is_as_it_was_has_no_distance_and_noise_has_one(sounds, classifier):
    mel = sound_results.mel_spectrogram_of(recipe())
    same = restoration_scores(sounds.test.samples, sounds.test, mel, classifier)
    assert same[LOG_MEL_L1] == 0.0
    draw = torch.Generator().manual_seed(0)
    noise = torch.randint(-3000, 3000, sounds.test.samples.shape, generator=draw).to(torch.int16)
    other = restoration_scores(noise, sounds.test, mel, classifier)
    expected = log_mel_distance(mel(to_model_range(noise)), mel(to_model_range(sounds.test.samples)))
    assert other[LOG_MEL_L1] == pytest.approx(expected, rel=1e-5)
    assert other[LOG_MEL_L1] > 1.0
    logits = classifier(to_model_range(sounds.test.samples))
    assert same[CLASS_ACCURACY] == float((logits.argmax(1) == sounds.test.labels).double().mean())


def test_the_key_of_a_trial_is_of_what_decides_its_result(sounds):
    base = trial("wavegan", sounds)
    assert trial("wavegan", sounds, samples=11).key != base.key
    assert trial("wavegan", sounds, **system("wavegan", phase_shuffle=0)).key != base.key
    assert trials_of(recipe(), "another digest")[0].key != base.key
    assert trial("wavegan", sounds, griffin_lim_iterations=3).key == base.key
    other = SoundSplits(sounds.train, replace(sounds.test, samples=sounds.test.samples.flip(1)))
    assert trial("wavegan", other).key != base.key
    assert trial("wavegan", sounds, seeds=[0, 1], description="x", workers={"jobs": 2}).key == base.key
    both = {"systems": SMALL["systems"] | {"melgan": SMALL["systems"]["melgan"] | {"steps": 9}}}
    assert trial("wavegan", sounds, **both).key == base.key


def test_a_trial_that_diverges_says_so(monkeypatch, sounds, classifier):
    build = sound_trials.build

    def broken(one):
        game = build(one)
        next(game.networks["generator"].parameters()).fill_(float("nan"))
        return game

    monkeypatch.setattr(sound_trials, "build", broken)
    result = trained(trial("wavegan", sounds), sounds, classifier)
    assert result.diverged == "diverged at generated sounds [4, 1, 1024] hold values that are NaN or infinite"
    assert result.scores == {}


def test_the_table_has_means_over_seeds_beside_baselines(tmp_path, sounds):
    what, store = recipe(seeds=[0, 1]), SoundTrialStore(tmp_path, tmp_path / "work")
    for one in trials_of(what, "data"):
        scores = {"inception_score": 4.0 + one.seed, "inception_score_real": 9.0, "frechet": 1.0, "classes_drawn": 8.0}
        scores = scores if one.place == "wavegan" else {LOG_MEL_L1: 0.3 + 0.1 * one.seed, CLASS_ACCURACY: 0.9}
        store.keep(one.key, SoundResult(over_time=[{"step": 1.0}], seconds_per_step=0.1, scores=scores))
    lines = {
        "real sounds": {LOG_MEL_L1: 0.0, CLASS_ACCURACY: 1.0},
        "Griffin-Lim": {LOG_MEL_L1: 0.5, CLASS_ACCURACY: 0.8},
    }
    groups = grouped(NamedGroup, trials_of(what, "data"), store)
    made = sound_results.summary([group for group in groups if group.grid == "wavegan"], lines)
    assert list(made["system"]) == ["wavegan", "real sounds"]
    assert list(made["Inception Score"]) == ["4.50 ± 0.707", "9.00"]
    assert made["share of real sounds' score"][0] == "0.5 ± 0.0786"
    restored = sound_results.summary([group for group in groups if group.grid == "melgan"], lines)
    assert list(restored["system"]) == ["melgan", "real sounds", "Griffin-Lim"]
    assert restored["ratio to Griffin-Lim's"][0] == "0.7 ± 0.141"
    assert list(restored["log mel L1"])[1:] == ["0", "0.5"]


def test_sounds_are_read_as_they_were_saved(tmp_path, sounds):
    dataset = SoundSplitsDataset(filepath=str(tmp_path / "sounds.safetensors"))
    dataset.save(sounds)
    found = dataset.load()
    assert (found.train.digest, found.test.digest) == (sounds.train.digest, sounds.test.digest)
    assert (found.test.name, found.train.classes) == (sounds.test.name, sounds.train.classes)
    assert dataset.exists()
    content = bytearray(dataset.path.read_bytes())
    content[-1] ^= 1
    dataset.path.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="damaged"):
        dataset.load()
    assert not dataset.exists()


def test_the_page_plays_every_sound_and_needs_no_other_file(sounds):
    page = SoundPage("title <b>", 8000, {"real sounds": {"1 low string": sounds.test.samples[0]}})
    (name,) = page.files()
    assert name == "real_sounds-1_low_string.wav"
    rate, samples = wavfile.read(io.BytesIO(page.files()[name]))
    assert (rate, samples.tolist()) == (8000, sounds.test.samples[0].tolist())
    text = page.html()
    assert text.count("<audio controls") == 1
    assert "title &lt;b&gt;" in text
    assert "http" not in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"samples": 1}, "sound_study.samples: Input should be greater than or equal to 2"),
        ({"systems": {"../evil": SMALL["systems"]["wavegan"]}}, "sound_study.systems"),
        ({"mel": WIDE}, "sounds.length: at least 1985 samples for mel.fft 4096, got 1024"),
        ({"sounds": {"length": 4096}, "mel": WIDE}, "systems.melgan.segment: at least 1985 samples"),
        ({"classifier": {"noise_db": [-20.0, -60.0]}}, "noise_db: the lower level first"),
        ({"sounds": {"folder": "~nobody_at_all/sounds"}}, "is not a folder"),
        ({"sounds": {"length": 3000}}, "length: a power of two"),
        ({"sounds": {"folder": "/nowhere/at/all"}}, "sounds.folder: '/nowhere/at/all' is not a folder"),
        ({"systems": {}}, "sound_study.systems"),
        (system("melgan", ratios=[8, 8]), "melgan.ratios: their product is mel.hop, 128, got 64"),
        (system("melgan", segment=2048), "melgan.segment: at most sounds.length, 1024"),
        (system("melgan", residual_layers=8), "melgan.segment: 1024 samples are 8 frames"),
        (system("wavegan", system="wavegen"), "systems.wavegan"),
        ({"mel": {"fft": 128, "hop": 128, "bands": 80}}, "sound_study.mel: "),
        ({"mel": {"fft": 64, "hop": 128, "bands": 20}}, "mel.fft: at least mel.hop"),
        ({"seedz": [0]}, "unknown key 'seedz'; did you mean 'seeds'"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_in_one_line(changes, text):
    catalog = DataCatalog({"params:sound_study": MemoryDataset(SMALL | changes)})
    with pytest.raises(RecipeError, match=text) as refused:
        check_sound_study("sound_study", catalog)
    assert "\n" not in str(refused.value)


def test_what_ignores_the_sound_that_is_asked_for_is_scored_too(sounds, classifier):
    lines = sound_results.baselines(recipe(), sounds, classifier)
    assert list(lines) == ["real sounds", "Griffin-Lim", sound_results.SAME_CLASS, sound_results.MEDIAN]
    assert lines["real sounds"][LOG_MEL_L1] == 0 < lines[sound_results.MEDIAN][LOG_MEL_L1]
    kept = {
        tuple(one): int(label) for one, label in zip(sounds.train.samples.tolist(), sounds.train.labels, strict=True)
    }
    chosen = sound_results.sounds_of_the_same_classes(sounds, 10)
    assert [kept[tuple(one)] for one in chosen.tolist()] == sounds.test.labels[:10].tolist()
    mel = sound_results.mel_spectrogram_of(recipe())
    seen, wanted = mel(to_model_range(sounds.train.samples[:10])), mel(to_model_range(sounds.test.samples[:10]))
    median = torch.quantile(
        seen, 0.45, dim=0, interpolation="nearest"
    )  # of ten, the fifth: the lower one, as torch has
    assert lines[sound_results.MEDIAN][LOG_MEL_L1] == pytest.approx(float((median - wanted).abs().mean()), rel=1e-4)


def test_from_the_command_to_sounds_that_can_be_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    run_here("sound_study")
    folder, models = tmp_path / "data/08_reporting/sound_study", tmp_path / "data/06_models/sound_study/models"
    assert {path.name for path in folder.iterdir()} == {
        "trials", "finished.json", "baselines.json", "table", "spectrograms.png", "over_time.png", "sounds",
    }  # fmt: skip
    table = (folder / "table/table.md").read_text()
    assert "## sounds from latents" in table
    assert "| Griffin-Lim |" in table
    assert len(list((folder / "sounds").glob("*.wav"))) == 10 + 20 + 10 + 10
    generator, vocoder = papergan.load(models / "wavegan"), papergan.load(models / "melgan")
    made = generator.sample(2, seed=0)
    _, kept = wavfile.read(folder / "sounds/wavegan-2.wav")
    assert made.samples[1].tolist() == kept.tolist()
    _, real = wavfile.read(folder / "sounds/real_sounds-3_bass_drum.wav")
    restored = vocoder.restore(torch.from_numpy(real)[None])
    _, kept = wavfile.read(folder / "sounds/melgan-3_bass_drum.wav")
    assert (restored.samples[0].int() - torch.from_numpy(kept).int()).abs().max() <= 1


def test_files_of_ones_own_take_the_place_of_drawn_sounds(tmp_path, sounds):
    from papergan.sound.wav_files import wav_bytes

    for index, label in enumerate(sounds.train.labels.tolist()[:8]):
        place = tmp_path / sounds.train.classes[label % 2]
        place.mkdir(exist_ok=True)
        (place / f"{index}.wav").write_bytes(wav_bytes(sounds.train.samples[index], 8000))
    found = load_sounds(recipe(sounds=SMALL["sounds"] | {"folder": str(tmp_path), "held_out": 0.25}).sounds)
    assert (len(found.train), len(found.test)) == (6, 2)
    assert found.train.classes == ("high string", "low string")
    (tmp_path / "high string/9.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="9.wav is not a whole WAV file"):
        load_sounds(recipe(sounds=SMALL["sounds"] | {"folder": str(tmp_path)}).sounds)
