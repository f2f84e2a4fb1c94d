"""Declarations of data sets, as the catalog has them: strict models, checked before any file is read."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from papergan.data.download import check_address
from papergan.data.images import Background, ImageSpec, Mode
from papergan.data.own_declaration import YOURS
from papergan.messages import quoted
from papergan.validation import Positive, SampleCount, Seed, Size, StrictModel

OWN = "Apache-2.0, drawn by papergan"  # the licence of images that this project's own code draws


def _stays_inside(file: str) -> str:
    path = PurePosixPath(file)
    foreign = path.is_absolute() or bool(PureWindowsPath(file).drive) or "\\" in file or "\0" in file
    if foreign or not path.parts or ".." in path.parts:
        raise ValueError(f"file {quoted(file)} must be relative to the data folder and stay inside it")
    return file


def _trusted(url: str) -> str:
    check_address(url)
    return url


def _all_different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each class must have a name of its own")
    return names


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], Field(min_length=1, strict=False), AfterValidator(_all_different)]  # YAML: a list


class DataSetDeclaration(StrictModel):
    """What every declaration may say. licence: of the images, as their authors state it, and where they do."""

    licence: Text | None = None


class ParquetSplit(StrictModel):
    """One split of a data set, as its publisher declares it.

    file: where it lies under a data folder, for example "cifar10/train.parquet". rows: how many images.
    digest: `ImageSet.digest` of the content in canonical order. url: where it can be had.
    file_sha256: SHA-256 of the very file behind `url`, where it is known; copies from elsewhere may differ from it.
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


class DrawnDeclaration(DataSetDeclaration):
    """Images that are drawn. train, test: how many. seed: of the draw."""

    train: SampleCount
    test: SampleCount
    seed: Annotated[Seed, Field(ge=0)] = 0

    @property
    def num_train(self) -> int:
        return self.train


class SyntheticDeclaration(DrawnDeclaration):
    """Shapes, see `papergan.data.drawn.shapes`."""

    kind: Literal["synthetic_shapes"] = "synthetic_shapes"
    licence: Text = OWN

    @property
    def spec(self) -> ImageSpec:
        from papergan.data.drawn.shapes import CLASSES, SIZE

        return ImageSpec(3, SIZE, len(CLASSES))


class DigitsDeclaration(DrawnDeclaration):
    """Digits, see `papergan.data.drawn.digits`."""

    kind: Literal["synthetic_digits"] = "synthetic_digits"
    licence: Text = OWN

    @property
    def spec(self) -> ImageSpec:
        from papergan.data.drawn.digits import DIGITS
        from papergan.data.drawn.shapes import SIZE

        return ImageSpec(1, SIZE, len(DIGITS))


class StackedDeclaration(DrawnDeclaration):
    """Grey images of another data set in three channels, drawn with `seed`, see `papergan.data.stacked_images`.

    of: the other data set, each split of it for the same split of this one. size, classes: of its images.
    """

    kind: Literal["stacked"] = "stacked"
    of: Text
    size: Size
    classes: Names

    @property
    def spec(self) -> ImageSpec:
        from papergan.data.stacked_images import CHANNELS

        return ImageSpec(CHANNELS, self.size, len(self.classes) ** CHANNELS)


class UsersDeclaration(DataSetDeclaration):
    """A user's image files, which no digest pins. folder: where it lies under a data folder, for example "emoji"."""

    licence: Text = YOURS
    folder: Annotated[str, AfterValidator(_stays_inside)]
    size: Size

    @property
    def num_train(self) -> None:
        """Known when the files are read."""
        return


class FolderDeclaration(UsersDeclaration):
    """One subfolder for each class, or images without classes.

    mode, size, background: as in `read_images`. classes: the subfolders; None = without classes. held_out: images,
    drawn with `seed` as evenly over the classes as can be, that are the test split and never trained on.
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


class EmojiDeclaration(DrawnDeclaration):
    """Emoji that an installed font draws, see `papergan.data.drawn.emoji`. font: its file."""

    kind: Literal["emoji_font"] = "emoji_font"
    size: Size = 32
    font: Text | None = None

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(3, self.size, 0)


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
        from papergan.data.socofing import CLASSES

        return ImageSpec(1, self.size, len(CLASSES))


class FingerprintsDeclaration(DrawnDeclaration):
    """Fingerprints, see `papergan.data.drawn.fingerprints`."""

    kind: Literal["fingerprints"] = "fingerprints"
    licence: Text = OWN

    @property
    def spec(self) -> ImageSpec:
        from papergan.data.drawn.fingerprints import CLASSES, SIZE

        return ImageSpec(1, SIZE, len(CLASSES))
