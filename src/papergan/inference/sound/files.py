"""WAV files from sound models: samples of a generator, and sounds restored by a vocoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from papergan.atomic_files import check_room, reading_errors, write_whole
from papergan.errors import DataError, RecipeError
from papergan.inference.generator import Generator
from papergan.inference.samples import check_empty
from papergan.inference.sampling import Request
from papergan.inference.sound.models import SoundGenerator, SoundModel, Vocoder
from papergan.inference.vectors import VectorGenerator
from papergan.messages import sanitise
from papergan.sound.wav_files import SUFFIX, read_whole_sound


def sample_sounds(
    model: SoundModel, request: Request, out: Path, *, batch_size: int = 256,
    advance: Callable[[int], object] = lambda count: None,
) -> list[Path]:  # fmt: skip
    """Write the sounds of a request as WAV files into folder `out`, new or empty; returns the paths.

    advance: called with the number of sounds written.

    Raises RecipeError for a vocoder, and for options of image generators: labels, truncation and formats; StorageError
    if the folder is not empty or the disk cannot be written.
    """
    if not isinstance(model, SoundGenerator):
        raise RecipeError(f"system {model.system!r} is given sounds and cannot be sampled: use papergan vocode")
    if request.labels or request.truncation is not None or request.format != "png":
        raise RecipeError("a model of sounds writes WAV files: leave --class, --truncation and --format out")
    check_empty(out)
    check_room(out / "000000.wav", request.n * (2 * model.length + 4096), f"{request.n} sounds")
    paths: list[Path] = []
    for part in model.stream(request.n, seed=request.seed, batch_size=batch_size):
        paths += part.write(out)
        advance(len(part))
    return paths


def vocode_files(model: Generator | SoundModel | VectorGenerator, sounds: Path, out: Path) -> list[Path]:
    """Restore a WAV file, or every one of a folder, from its mel spectrogram, into folder `out`; returns the paths.

    Sounds are converted to mono at the model's rate. Results of an earlier call are replaced.
    Raises RecipeError for a model that is not a vocoder, sounds that are too short, and a result that would overwrite
    its input; DataError for a file that is not a sound; StorageError if the disk cannot be written.
    """
    if not isinstance(model, Vocoder):
        raise RecipeError(f"system {model.system!r} is not a vocoder; papergan sample shows what it makes")
    files = [sounds] if sounds.is_file() else _in_folder(sounds)
    targets = {file: out / file.name for file in files}
    for file, target in targets.items():
        if target.resolve() == file.resolve():
            raise RecipeError(f"{target} is one of the sounds, and would be replaced; name another folder with --out")
    for file, target in targets.items():
        samples = read_whole_sound(file, rate=model.rate)
        if len(samples) < model.least_samples:
            lasts, least = (count / model.rate for count in (len(samples), model.least_samples))
            raise DataError(f"{sanitise(file)} lasts {lasts:.3g} s, expected at least {least:.3g}")
        write_whole(target, model.restore(samples[None]).wav(0))
    return list(targets.values())


def _in_folder(folder: Path) -> list[Path]:
    """The WAV files of a folder that are not hidden, sorted by name. Raises DataError if there are none."""
    with reading_errors(folder):
        found = [one for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []
    files = sorted(one for one in found if one.suffix.lower() == SUFFIX and not one.name.startswith("."))
    if not files:
        raise DataError(f"{sanitise(folder)} holds no WAV files")
    return files
