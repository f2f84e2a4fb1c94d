"""WAV files of what a model of sounds makes: samples of a generator, and sounds that a vocoder restores."""

from __future__ import annotations

from pathlib import Path

from papergan.atomic_files import write_whole
from papergan.errors import DataError, RecipeError
from papergan.inference.generator import Generator
from papergan.inference.sampling import Request
from papergan.inference.sound_model import SoundGenerator, SoundModel, Vocoder
from papergan.messages import sanitise
from papergan.sound.wav_files import SUFFIX, read_whole_sound


def sample_sounds(model: SoundModel, request: Request, out: Path) -> list[Path]:
    """Write the sounds of a request as WAV files into folder `out`, new or empty; returns the paths.

    Raises RecipeError for a vocoder, and for what only generators of images know: labels, truncation and formats;
    StorageError where the folder holds something or the disk refuses.
    """
    if not isinstance(model, SoundGenerator):
        raise RecipeError(f"system {model.system!r} is given sounds and cannot be sampled: use papergan vocode")
    if request.labels or request.truncation is not None or request.format != "png":
        raise RecipeError("a model of sounds writes WAV files: leave --class, --truncation and --format out")
    return model.sample(request.n, seed=request.seed).save(out)


def vocode_files(model: Generator | SoundModel, sounds: Path, out: Path) -> list[Path]:
    """Restore a WAV file, or every one of a folder, from its mel spectrogram, into folder `out`; returns the paths.

    Sounds become mono at the model's rate. What an earlier call wrote is replaced.
    Raises RecipeError for a model that is no vocoder, sounds that are too short, and where a result would take the
    place of its sound; DataError for a file that is no sound; StorageError where the disk refuses.
    """
    if not isinstance(model, Vocoder):
        raise RecipeError(f"system {model.system!r} is no vocoder; papergan sample shows what it makes")
    files = [sounds] if sounds.is_file() else sorted(one for one in sounds.iterdir() if one.suffix.lower() == SUFFIX)
    if not files:
        raise DataError(f"{sounds} holds no WAV files")
    targets = {file: out / file.name for file in files}
    for file, target in targets.items():
        if target.resolve() == file.resolve():
            raise RecipeError(f"{target} is one of the sounds, and would be replaced; name another folder with --out")
    for file, target in targets.items():
        try:
            made = model.restore(read_whole_sound(file, rate=model.rate)[None])
        except RecipeError as error:
            raise RecipeError(f"{sanitise(file)}: {str(error).removeprefix('restore: ')}") from error
        write_whole(target, made.wav(0))
    return list(targets.values())
