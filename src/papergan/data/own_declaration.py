"""A user's own images in recipes and the catalog: settings, a declaration, and paths instead of names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import Background, Mode
from papergan.validation import Positive, Seed, Size, StrictModel

HUB = "hf://datasets/"
YOURS = "stated by nobody: yours to say"  # the licence of a user's images
_FILES = (".zip", ".parquet")
Text = Annotated[str, Field(min_length=1)]


class OwnImagesSettings(StrictModel):
    """How images of any size and kind become a data set, see `papergan.data.own_images`.

    mode: grey ("L") or colour, for all images. background: colour behind transparent pixels. held_out: share of each
    class, drawn with `seed`, that forms the test split; if the images come in train and test folders, those are the
    splits. limit: use only this many images, drawn with `seed`; None = all.
    """

    mode: Mode = "RGB"
    background: Background = "white"
    held_out: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    limit: Positive | None = None
    seed: Annotated[Seed, Field(ge=0)] = 0


class OwnImagesDeclaration(OwnImagesSettings):
    """A user's own images.

    source: a folder, a zip or parquet file, or "hf://datasets/ORGANISATION/NAME"; a relative path is below a data
    folder. size: pixels, if a recipe has no image_size.
    """

    kind: Literal["images"] = "images"
    licence: Text = YOURS
    source: Text  # not `path`: Kedro would make that absolute
    size: Size = 64


def is_path(dataset: str) -> bool:
    """Whether a recipe's `dataset` is a path or an address of images, not the name of a declared data set."""
    return "/" in dataset or dataset.startswith(("~", ".")) or dataset.lower().endswith(_FILES)


def dataset_name(dataset: str) -> str:
    """The name in tables and captions: for a path, its last part, "/data/cats.zip" -> "cats"."""
    if not is_path(dataset):
        return dataset
    path = Path(dataset.partition("@")[0] if dataset.startswith(HUB) else dataset).expanduser().absolute()
    name = path.name.removesuffix(path.suffix if path.suffix.lower() in _FILES else "")
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._-") or "images"
