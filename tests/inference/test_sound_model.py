"""Models of sounds: loaded, sampled, given spectrograms; what is for images refuses them in one line."""

from __future__ import annotations

import io

import pytest
import torch
from click.testing import CliRunner
from scipy.io import wavfile

import papergan
from inference.sound_models import SETTINGS, SOUND, stored, written
from papergan.command_line import main
from papergan.errors import CheckpointError, RecipeError, StorageError
from papergan.inference import SoundGenerator, Vocoder
from papergan.inference.model_folder import StoredModel
from papergan.sound.mel import MelSpectrogram
from papergan.sound.sounds import to_samples
from papergan.sound.wav_files import wav_bytes
from papergan.weights import Weights


@pytest.fixture
def generator():
    return SoundGenerator(stored("wavegan"))


@pytest.fixture
def vocoder():
    return Vocoder(stored("melgan"))


def noise(count, length):
    draw = torch.Generator().manual_seed(0)
    return torch.randint(-9000, 9000, (count, length), generator=draw).to(torch.int16)


def command(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_sounds_depend_on_the_seed_and_their_number_alone(generator):
    many, few = generator.sample(5, seed=3), generator.sample(2, seed=3)
    assert many.samples.shape == (5, 1024)
    assert many.samples.dtype == torch.int16
    assert int((many.samples[:2].int() - few.samples.int()).abs().max()) <= 1  # of 32 768, by rounding
    assert not torch.equal(few.samples, generator.sample(2, seed=4).samples)
    assert (many.rate, many.seconds) == (8000, 0.128)
    with pytest.raises(RecipeError):
        generator.sample(0)


def test_latents_are_drawn_on_the_cpu_wherever_the_network_lies(generator, monkeypatch):
    elsewhere = SoundGenerator(stored("wavegan")).to("meta")  # which holds no numbers: any device but the CPU
    monkeypatch.setattr(elsewhere, "device", torch.device("cpu"))
    monkeypatch.setattr(elsewhere.sampler, "decode", generator.sampler.decode)
    assert torch.equal(elsewhere.sample(2, seed=3).samples, generator.sample(2, seed=3).samples)


def test_wav_files_hold_the_samples(generator, tmp_path):
    made = generator.sample(2, seed=1)
    paths = made.save(tmp_path / "out")
    assert [path.name for path in paths] == ["000000.wav", "000001.wav"]
    rate, samples = wavfile.read(paths[1])
    assert (rate, samples.tolist()) == (8000, made.samples[1].tolist())
    assert wavfile.read(io.BytesIO(made.wav(0)))[1].tolist() == made.samples[0].tolist()
    with pytest.raises(StorageError):
        made.save(tmp_path / "out")


def test_a_vocoder_gives_what_its_network_makes_of_the_spectrogram(vocoder):
    sounds = noise(3, 700)  # ten hops and a rest
    made = vocoder.restore(sounds)
    assert made.samples.shape == (3, 640)
    mel = MelSpectrogram(8000, 256, 64, 20)
    log_mel = mel(sounds[:, :640].float().unsqueeze(1) / 32768)
    assert torch.equal(made.samples, to_samples(vocoder.generator(log_mel)))
    assert torch.equal(vocoder.vocode(log_mel).samples, made.samples)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(1, 19, 8), r"expected log mel spectrograms \[N, 20, 4 or more\], got \[1, 19, 8\]"),
        (torch.zeros(1, 20, 3), "4 or more"),
        (torch.zeros(20, 8), r"got \[20, 8\]"),
        (torch.full((1, 20, 8), float("nan")), "not finite"),
        (torch.zeros(1, 20, 2**18 + 1), "at most 16,777,216 samples"),
    ],
)
def test_other_spectrograms_are_refused(vocoder, given, message):
    with pytest.raises(RecipeError, match=message):
        vocoder.vocode(given)


@pytest.mark.parametrize("given", [noise(1, 255), noise(1, 1024).float(), noise(1, 1024)[0]])
def test_other_sounds_are_refused(vocoder, given):
    with pytest.raises(RecipeError, match="restore: expected int16"):
        vocoder.restore(given)


def test_a_folder_is_loaded_with_its_card(tmp_path):
    generator, vocoder = (papergan.load(written(tmp_path, name)) for name in ("wavegan", "melgan"))
    assert isinstance(generator, SoundGenerator)
    assert isinstance(vocoder, Vocoder)
    assert torch.equal(generator.sample(1).samples, SoundGenerator(stored("wavegan")).sample(1).samples)
    assert vocoder.mel.hop == SOUND["mel"]["hop"]
    card = generator.stored.card
    assert "1024 samples at 8000 Hz, trained on drawn_sounds/train" in card
    assert "| inception_score | 2.5 |" in card
    assert "Donahue et al. 2019" in card
    assert "sound_study, wavegan: wavegan generator of sounds" in repr(generator)
    assert papergan.load(tmp_path / "wavegan/model.safetensors").sample(1).rate == 8000


def test_other_weights_and_systems_are_refused():
    model = stored("wavegan")
    fewer = {name: tensor for name, tensor in model.tensors.tensors.items() if not name.endswith("first.bias")}
    with pytest.raises(CheckpointError, match="the weights do not fit system 'wavegan'"):
        SoundGenerator(StoredModel(Weights(fewer), model.config))
    from papergan.inference.sound.models import sound_model

    with pytest.raises(CheckpointError, match="system 'wavenet' makes no sounds"):
        sound_model(StoredModel(model.tensors, {**model.config, "system": "wavenet"}))
    vocoder = stored("melgan")
    for change in (
        {"sound": {"length": 1024}},
        {"settings": {"width": 2}},
        {"settings": {**SETTINGS["melgan"], "width": -1}},
    ):
        with pytest.raises(CheckpointError, match="damaged|do not fit"):
            sound_model(StoredModel(vocoder.tensors, {**vocoder.config, **change}))
    with pytest.raises(CheckpointError, match="are not those of a hop of 32"):
        mel = SOUND["mel"] | {"hop": 32}
        sound_model(StoredModel(vocoder.tensors, {**vocoder.config, "sound": {**SOUND, "mel": mel}}))


def test_batches_are_parts_of_the_same_sounds(generator):
    wanted = generator.sample(7, seed=2).samples
    parts = list(generator.stream(7, seed=2, batch_size=3))
    assert [part.first for part in parts] == [0, 3, 6]
    assert (torch.cat([part.samples for part in parts]).int() - wanted.int()).abs().max() <= 1


def test_the_command_writes_wav_files(tmp_path):
    place = written(tmp_path, "wavegan")
    done = command("sample", place, "-n", 3, "--seed", 5, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    wanted = SoundGenerator(stored("wavegan")).sample(3, seed=5).samples
    for index in range(3):
        assert wavfile.read(tmp_path / f"out/{index:06d}.wav")[1].tolist() == wanted[index].tolist()
    assert "wavegan generator of sounds" in command("info", place).output
    refused = command("sample", place, "--class", "0", "--out", tmp_path / "other")
    assert refused.exit_code == 1
    assert "leave --class, --truncation and --format out" in refused.output
    assert not (tmp_path / "other").exists()


def test_the_command_restores_wav_files(tmp_path):
    place, files = written(tmp_path, "melgan"), tmp_path / "in"
    files.mkdir()
    sounds = noise(2, 700)
    for index in range(2):
        (files / f"{index}.wav").write_bytes(wav_bytes(sounds[index], 8000))
    done = command("vocode", place, files, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    wanted = Vocoder(stored("melgan")).restore(sounds).samples
    for index in range(2):
        found = torch.from_numpy(wavfile.read(tmp_path / f"out/{index}.wav")[1].copy())
        assert (found.int() - wanted[index].int()).abs().max() <= 1
    for arguments, message in (
        ((place, files, "--out", files), "would be replaced"),
        ((written(tmp_path, "wavegan"), files), "is not a vocoder"),
        ((place, tmp_path / "out", "--out", tmp_path / "out"), "would be replaced"),
        ((place, written(tmp_path, "melgan")), "holds no WAV files"),
    ):
        refused = command("vocode", *arguments)
        assert refused.exit_code == 1
        assert message in refused.output
        assert refused.output.count("\n") == 1
    (files / "._0.wav").write_bytes(b"left by a system")
    (files / "short.wav").write_bytes(wav_bytes(sounds[0, :200], 8000))
    refused = command("vocode", place, files, "--out", tmp_path / "again")
    assert "short.wav lasts 0.025 s, expected at least 0.032" in refused.output
    assert "holds no WAV files" in command("vocode", place, "/dev/null").output
    refused = command("sample", place, "--out", tmp_path / "s")
    assert "is given sounds and cannot be sampled" in refused.output


@pytest.mark.parametrize(
    "arguments", [("export", "{model}"), ("evaluate", "{model}", "--real", "."), ("translate", "{model}", "."),
                  ("measure", "{model}", ".")]
)  # fmt: skip
def test_what_is_for_images_refuses_them_in_one_line(tmp_path, arguments):
    place = written(tmp_path, "wavegan")
    refused = command(*(one.replace("{model}", str(place)) for one in arguments))
    assert refused.exit_code == 1
    assert "this model, of system 'wavegan', makes sounds, and images are needed" in refused.output
    assert refused.output.count("\n") == 1
