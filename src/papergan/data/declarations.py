"""Declarations of data sets in the catalog: strict models, checked before any file is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, ValidationError

from papergan.data import socofing
from papergan.data.download import check_address
from papergan.data.drawn_declarations import (
    DataSetDeclaration,
    DigitsDeclaration,
    EmojiDeclaration,
    FingerprintsDeclaration,
    MovingDeclaration,
    Names,
    StackedDeclaration,
    SyntheticDeclaration,
    Text,
)
from papergan.data.images import Background, ImageSpec, Mode
from papergan.data.own_declaration import YOURS, OwnImagesDeclaration
from papergan.errors import DataError, did_you_mean
from papergan.messages import quoted, sanitise
from papergan.validation import Positive, Seed, Size, StrictModel, validation_errors


def _stays_inside(file: str) -> str:
    path = PurePosixPath(file)
    foreign = path.is_absolute() or bool(PureWindowsPath(file).drive) or "\\" in file or "\0" in file
    if foreign or not path.parts or ".." in path.parts:
        raise ValueError(f"file {quoted(file)} must be relative to the data folder and stay inside it")
    return file


def _trusted(url: str) -> str:
    check_address(url)
    return url


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ParquetSplit(StrictModel):
    """One split of a data set, as its publisher declares it.

    file: path below a data folder, for example "cifar10/train.parquet". rows: number of images.
    digest: `ImageSet.digest` of the content in canonical order. url: where it can be downloaded.
    file_sha256: SHA-256 of the exact file behind `url`, if known; copies from elsewhere may differ from that file.
    """

    file: Annotated[str, AfterValidator(_stays_inside)]
    rows: Positive
    digest: Sha256
    url: Annotated[str, AfterValidator(_trusted)] | None = None
    file_sha256: Sha256 | None = None


class ParquetDeclaration(DataSetDeclaration):
    """Images in parquet files. image_column, mode, size, classes: as in `read_parquet`."""

    kind: Literal["parquet"] = "parquet"
    image_column: Text
    mode: Mode
    size: Size
    classes: Names
    train: ParquetSplit
    test: ParquetSplit

    def split(self, name: Literal["train", "test"]) -> ParquetSplit:
        """The declaration of one split."""
        return self.train if name == "train" else self.test

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(len(self.mode), self.size, len(self.classes))

    @property
    def num_train(self) -> int:
        return self.train.rows


class UsersDeclaration(DataSetDeclaration):
    """A user's image files, which no digest pins. folder: path below a data folder, for example "emoji"."""

    licence: Text = YOURS
    folder: Annotated[str, AfterValidator(_stays_inside)]
    size: Size

    @property
    def num_train(self) -> None:
        """None: the number is known only once the files are read."""
        return


class FolderDeclaration(UsersDeclaration):
    """One subfolder for each class, or images without classes.

    mode, size, background: as in `read_images`. classes: the subfolders; None = without classes. held_out:
    number of images that form the test split and are never trained on, drawn with `seed` as evenly over the classes as
    possible.
    """

    kind: Literal["folder"] = "folder"
    mode: Mode
    classes: Names | None = None
    held_out: Positive
    background: Background | None = None
    seed: Annotated[Seed, Field(ge=0)] = 0

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(len(self.mode), self.size, len(self.classes or ()))


class SocofingDeclaration(UsersDeclaration):
    """A copy of SOCOFing, see `papergan.data.socofing`."""

    kind: Literal["socofing"] = "socofing"
    licence: Text = (
        "provided as is for non-commercial, not-for-profit research only, to be cited (Shehu et al. 2018, "
        "arXiv:1807.10609)"
    )
    held_out_subjects: Positive
    altered: bool = False

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(1, self.size, len(socofing.CLASSES))


Declaration = (
    ParquetDeclaration | SyntheticDeclaration | DigitsDeclaration | FolderDeclaration | OwnImagesDeclaration
    | EmojiDeclaration | SocofingDeclaration | FingerprintsDeclaration | StackedDeclaration
    | MovingDeclaration
)  # fmt: skip
_KINDS: dict[str, type[Declaration]] = {one.model_fields["kind"].default: one for one in get_args(Declaration)}
_MADE_HERE = {
    "synthetic_shapes": ("synthetic", "drawn shapes"), "emoji_font": ("noto", "emoji of a font"),
    "fingerprints": ("synthetic", "drawn fingerprints"), "synthetic_digits": ("synthetic", "drawn digits"),
    "stacked": ("stacked", "stacked images"), "moving": ("moving", "moving images"),
}  # fmt: skip


def parse_declarations(entries: Mapping[str, object]) -> dict[str, Declaration]:
    """Parse `{name: {kind: ..., ...}}`, as read from YAML, into declarations. Raises DataError naming entry and key."""
    if not isinstance(entries, Mapping):
        raise DataError(f"data sets must be declared as `name: {{kind: ...}}`, got {quoted(entries)}")
    return {name: parse_declaration(name, entry) for name, entry in entries.items()}


def parse_declaration(name: str, entry: object) -> Declaration:
    """Parse one entry. name: of the data set; it becomes a file name, and must show if the images are made here."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise DataError(f"data set name {quoted(name)}: only letters, digits, '_', '-' and '.' are allowed")
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise DataError(f"data set {quoted(name)}: unknown kind {quoted(kind)}{did_you_mean(str(kind), _KINDS)}")
    word, what = _MADE_HERE.get(kind, ("", ""))
    if word not in name:
        raise DataError(f"data set {quoted(name)}: {what} must be named as such, for example '{word}_{name}'")
    try:
        return _KINDS[kind].model_validate(entry)
    except ValidationError as error:
        raise DataError("; ".join(map(sanitise, validation_errors(f"data set {name!r}", error)))) from None
