"""Samples of a generator: images, latents and labels, and methods to display and save them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from papergan.atomic_files import storage_errors, write_whole
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError, StorageError
from papergan.image_range import to_model_range, to_pixels
from papergan.reporting.image_grid import ImageGrid, encode_png, film_strips

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Images made by a generator.

    tensor: float32 [N, C, H, W] in [-1, 1], on the host. latents: float32 [N, Z]. labels: int64 [N], None if the
    generator has no classes. names: of the classes. first: index of the first sample in the stream of its seed.
    members: int64 [N], which generator of a mixture made each; None if there is only one.
    """

    tensor: Tensor
    latents: Tensor
    labels: Tensor | None = None
    names: tuple[str, ...] = ()
    caption: str = ""
    first: int = 0
    about: dict[str, str] = field(default_factory=dict)
    members: Tensor | None = None

    def __len__(self) -> int:
        return len(self.tensor)

    def __repr__(self) -> str:
        channels, height, width = self.tensor.shape[1:]
        return f"Samples({len(self)} images, {channels}x{height}x{width}, {self.caption!r})"

    @property
    def pixels(self) -> Tensor:
        """uint8 [N, C, H, W]."""
        return to_pixels(self.tensor)

    @property
    def images(self) -> np.ndarray[Any, Any]:
        """uint8 [N, H, W, C], the layout of NumPy, PIL and matplotlib."""
        return self.pixels.permute(0, 2, 3, 1).contiguous().numpy()

    def pil(self) -> list[Image]:
        """Each image as a PIL image, "L" or "RGB"; for clips, the film strip."""
        from PIL import Image

        shown = film_strips(self.pixels).permute(0, 2, 3, 1).contiguous().numpy()
        return [Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one) for one in shown]

    def grid(self, columns: int | None = None, scale: int = 2) -> Grid:
        """All samples in one picture. columns: None = as near to a square as possible."""
        return Grid(ImageGrid(self.pixels, self.caption, columns), scale)

    def save(self, folder: str | Path) -> list[Path]:
        """Write each as folder/000000.png, numbered by its index in the stream; returns the paths. Clips: film strips.

        Raises StorageError if the folder exists and is not empty, or the disk cannot be written.
        """
        folder = Path(folder).expanduser()
        check_empty(folder)
        return self.write(folder)

    def write(self, folder: Path) -> list[Path]:
        """As `save`, but into a folder that may hold other files. Each file is complete or absent, but not synced."""
        paths = [folder / self.file_name(index) for index in range(len(self))]
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path, image in zip(paths, film_strips(self.pixels), strict=True):
                aside = path.with_suffix(".part")
                aside.write_bytes(encode_png(image, self.about))
                aside.replace(path)
        return paths

    def file_name(self, index: int) -> str:
        """The file name of one sample: 000012.png, or 000012-cat.png if there are classes."""
        if self.labels is None:
            return f"{self.first + index:06d}.png"
        return f"{self.first + index:06d}-{re.sub(r'[^0-9A-Za-z_-]', '_', self.name_of(index))}.png"

    def name_of(self, index: int) -> str:
        """The class name of one sample; "class 3" if classes have no names."""
        assert self.labels is not None
        label = int(self.labels[index])
        return self.names[label] if label < len(self.names) else f"class {label}"

    @staticmethod
    def join(parts: list[Samples]) -> Samples:
        """Concatenate parts of one stream, in order."""
        first, labels = parts[0], [part.labels for part in parts if part.labels is not None]
        members = [part.members for part in parts if part.members is not None]
        return Samples(
            torch.cat([part.tensor for part in parts]), torch.cat([part.latents for part in parts]),
            torch.cat(labels) if labels else None, first.names, first.caption, first.first, first.about,
            torch.cat(members) if members else None,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Grid:
    """A picture of many samples."""

    content: ImageGrid
    scale: int

    def png(self) -> bytes:
        """The picture as a PNG file."""
        return encode_png(self.content.picture(scale=self.scale), {"Description": self.content.caption})

    def save(self, path: str | Path) -> Path:
        """Write the PNG, replacing an existing file. Raises StorageError if the disk cannot be written."""
        path = Path(path).expanduser()
        write_whole(path, self.png())
        return path

    def pil(self) -> Image:
        """The picture as a PIL image."""
        from PIL import Image

        picture = self.content.picture(scale=self.scale).permute(1, 2, 0).numpy()
        return Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)

    def _repr_png_(self) -> bytes:
        return self.png()


def check_empty(folder: Path) -> None:
    """Raise StorageError if `folder` exists and is not an empty folder."""
    with storage_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StorageError(f"{folder} exists and is not an empty folder; name another one, or empty it")


def check_no_folder(path: Path) -> None:
    """Raise StorageError if the path of a file to be written is a folder."""
    with storage_errors(path):
        if path.is_dir():
            raise StorageError(f"{path} is a folder, expected a file to write; name one with --out")


def images_as_given(images: Any, image: ImageSpec) -> Tensor:
    """Images as float [N, C, H, W] in [-1, 1], from bytes [N, H, W, C] or such floats. Else raises RecipeError."""
    given = torch.as_tensor(images)
    if given.dtype == torch.uint8 and given.dim() == 4:
        given = to_model_range(given.permute(0, 3, 1, 2))
    wanted = (image.channels, image.size, image.size)
    if given.dim() != 4 or tuple(given.shape[1:]) != wanted or not given.is_floating_point():
        raise RecipeError(f"invert: expected images [N, {wanted[1]}, {wanted[2]}, {wanted[0]}] as bytes, or float "
                          f"[N, {', '.join(map(str, wanted))}], got {given.dtype} {list(given.shape)}")  # fmt: skip
    return given
