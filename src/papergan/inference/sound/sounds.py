"""Sounds that a model made, and their WAV files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from papergan.atomic_files import write_whole
from papergan.inference.samples import check_empty
from papergan.sound.sounds import to_model_range
from papergan.sound.wav_files import wav_bytes


@dataclass(frozen=True, eq=False)
class Sounds:
    """Sounds from a model. samples: int16 [N, L], on the host. rate: sampling rate, Hz. first: index of the first."""

    samples: Tensor
    rate: int
    first: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def seconds(self) -> float:
        """The length of each sound."""
        return self.samples.shape[1] / self.rate

    @property
    def tensor(self) -> Tensor:
        """float32 [N, 1, L] in [-1, 1)."""
        return to_model_range(self.samples)

    def wav(self, index: int) -> bytes:
        """The content of the WAV file of one sound."""
        return wav_bytes(self.samples[index], self.rate)

    def save(self, folder: str | Path) -> list[Path]:
        """Write each sound as folder/000000.wav, numbered by its index; returns the paths.

        Raises StorageError if the folder exists and is not empty, or the disk cannot be written.
        """
        folder = Path(folder).expanduser()
        check_empty(folder)
        return self.write(folder)

    def write(self, folder: Path) -> list[Path]:
        """As `save`, but into a folder that may hold other files."""
        paths = [folder / f"{self.first + index:06d}.wav" for index in range(len(self))]
        for index, path in enumerate(paths):
            write_whole(path, self.wav(index))
        return paths
