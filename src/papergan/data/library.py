"""The image library: every declared data set by name, from its raw file or a checked copy of the decoded images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from papergan.data.declarations import (
    Declaration,
    DigitsDeclaration,
    DrawnDeclaration,
    EmojiDeclaration,
    FingerprintsDeclaration,
    FolderDeclaration,
    ParquetDeclaration,
    SocofingDeclaration,
    SyntheticDeclaration,
    parse_declarations,
)
from papergan.data.drawn_digits import synthetic_digits
from papergan.data.emoji import emoji_splits
from papergan.data.fingerprints import synthetic_fingerprints
from papergan.data.folder import read_images
from papergan.data.image_file import load_image_set, save_image_set
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.parquet import read_parquet
from papergan.data.preparation import drawn, without
from papergan.data.socofing import read_socofing
from papergan.data.sources import Sources
from papergan.data.synthetic import synthetic_shapes
from papergan.errors import DataError, did_you_mean
from papergan.messages import quoted

logger = logging.getLogger(__name__)

Split = Literal["train", "test"]

DRAWINGS: Mapping[type, Callable[..., ImageSet]] = {
    SyntheticDeclaration: synthetic_shapes,
    DigitsDeclaration: synthetic_digits,
    FingerprintsDeclaration: synthetic_fingerprints,
}


@dataclass(frozen=True)
class ImageLibrary:
    """The declared data sets and where their bytes are.

    declarations: by name; `ImageLibrary.declared` makes them from YAML. sources: where raw files are found.
    decoded: the folder of decoded copies, "<name>-<split>.safetensors"; deleting it costs a few seconds, nothing else.
    """

    declarations: Mapping[str, Declaration]
    sources: Sources
    decoded: Path

    @classmethod
    def declared(cls, entries: Mapping[str, object], sources: Sources, decoded: Path) -> ImageLibrary:
        """A library of `{name: {kind: ..., ...}}`. Raises DataError where an entry is not a valid declaration."""
        return cls(parse_declarations(entries), sources, decoded)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that `load` knows, in alphabetical order."""
        return tuple(sorted(self.declarations))

    def licence(self, name: str) -> str | None:
        """The licence of a data set, as its declaration has it; None where that says nothing."""
        return self.declarations[name].licence if name in self.declarations else None

    def load(self, name: str) -> ImageSplits:
        """Both splits of a data set. Raises DataError where the name is unknown or the bytes are not as declared."""
        if name not in self.declarations:
            raise DataError(f"unknown data set {quoted(name)}{did_you_mean(name, self.declarations)}")
        declaration = self.declarations[name]
        if isinstance(declaration, EmojiDeclaration):
            font = None if declaration.font is None else Path(declaration.font).expanduser()
            how = declaration.model_dump(include={"train", "test", "size", "seed"})
            return emoji_splits(name, **how, font=font)
        if isinstance(declaration, FolderDeclaration):
            return self._folder(name, declaration)
        if isinstance(declaration, SocofingDeclaration):
            how = declaration.model_dump(include={"size", "held_out_subjects", "altered"})
            return read_socofing(self.sources.find_folder(declaration.folder, name), name, **how)
        train, train_from = self._split(name, "train")
        test, test_from = self._split(name, "test")
        logger.info("%s; %s", _line(train, train_from), _line(test, test_from))
        return ImageSplits(train, test)

    def _folder(self, name: str, declaration: FolderDeclaration) -> ImageSplits:
        path = self.sources.find_folder(declaration.folder, name)
        how = declaration.model_dump(include={"size", "mode", "background"})
        images = read_images(path, name=f"{name}/all", **how)
        if images.classes != tuple(sorted(declaration.classes)):
            wanted = ", ".join(f"{one}/" for one in sorted(declaration.classes))
            raise DataError(f"{path} must hold its images in {wanted} and nowhere else")
        if declaration.held_out >= len(images):
            raise DataError(f"{path} holds {len(images)} images, of which {declaration.held_out} are to be held out")
        test = drawn(images, declaration.held_out, declaration.seed)
        train = without(images, test)
        logger.info("%s: %d images of %s, of which %d are held out", name, len(images), path, len(test))
        return ImageSplits(train.called(f"{name}/train"), test.called(f"{name}/test"))

    def _split(self, name: str, split: Split) -> tuple[ImageSet, str]:
        """A split, and from where it came, in words."""
        declaration = self.declarations[name]
        if isinstance(declaration, ParquetDeclaration):
            return self._read(name, split, declaration)
        assert isinstance(declaration, DrawnDeclaration)
        count = declaration.train if split == "train" else declaration.test
        images = DRAWINGS[type(declaration)](split, count, seed=declaration.seed)
        return images.called(f"{name}/{split}"), f"drawn with seed {declaration.seed}"

    def _read(self, name: str, split: Split, declaration: ParquetDeclaration) -> tuple[ImageSet, str]:
        copy = self.decoded / f"{name}-{split}.safetensors"
        declared = declaration.split(split)
        known = _from_copy(copy, declared.digest)
        if known is not None:
            return known.called(f"{name}/{split}"), str(copy)
        path = self.sources.find(declared, f"{name}/{split}")
        how = declaration.model_dump(include={"image_column", "mode", "size", "classes"})
        images = read_parquet(path, name=f"{name}/{split}", **how, rows=declared.rows, digest=declared.digest)
        _keep_copy(copy, images)
        return images, str(path)


def _from_copy(copy: Path, pin: str) -> ImageSet | None:
    """The decoded copy if it is there, whole, and of what the declaration pins now; else None, and the reason logged.

    The pin is the digest of the decoded content itself, so the comparison covers every pixel and label.
    """
    if not copy.exists():
        return None
    try:
        images = load_image_set(copy)
    except DataError as error:
        logger.warning("%s; the raw file is decoded again", error)
        return None
    if images.digest != pin:
        logger.info("%s is a copy of other content than is declared now; the raw file is decoded again", copy)
        return None
    return images


def _keep_copy(copy: Path, images: ImageSet) -> None:
    try:
        save_image_set(copy, images)
    except OSError as error:  # the images are good; only the next start will be slower
        logger.warning("no decoded copy could be kept at %s (%s); the raw file is decoded each time", copy, error)


def _line(images: ImageSet, origin: str) -> str:
    return f"{images.name}: {len(images)} images from {origin}, digest {images.digest[:12]}"
