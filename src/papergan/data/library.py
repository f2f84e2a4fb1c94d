"""The image library: every declared data set by name, from its raw file or a checked copy of the decoded images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from papergan.data.collection import collection_of, hub_files, parquet_collection
from papergan.data.composed_images import composed
from papergan.data.declarations import (
    Declaration,
    FolderDeclaration,
    ParquetDeclaration,
    SocofingDeclaration,
    parse_declarations,
)
from papergan.data.drawn.digits import synthetic_digits
from papergan.data.drawn.emoji import emoji_splits, find_font
from papergan.data.drawn.fingerprints import synthetic_fingerprints
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.drawn_declarations import (
    ComposedDeclaration,
    DigitsDeclaration,
    DrawnDeclaration,
    EmojiDeclaration,
    FingerprintsDeclaration,
    SyntheticDeclaration,
)
from papergan.data.folder import read_images
from papergan.data.images import ImageSet, ImageSpec, ImageSplits, load_image_set, save_image_set
from papergan.data.own_declaration import HUB, OwnImagesDeclaration, OwnImagesSettings, dataset_name, is_path
from papergan.data.own_images import OwnImages, Pairing
from papergan.data.parquet import read_parquet
from papergan.data.preparation import drawn, without
from papergan.data.socofing import read_socofing
from papergan.data.sources import Sources
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
    decoded: the folder of decoded copies, "<name>-<split>.safetensors"; deleting it costs only a few seconds.
    """

    declarations: Mapping[str, Declaration]
    sources: Sources
    decoded: Path

    @classmethod
    def declared(cls, entries: Mapping[str, object], sources: Sources, decoded: Path) -> ImageLibrary:
        """A library of `{name: {kind: ..., ...}}`. Raises DataError if an entry is not a valid declaration."""
        return cls(parse_declarations(entries), sources, decoded)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that `load` knows, in alphabetical order."""
        return tuple(sorted(self.declarations))

    def licence(self, name: str) -> str | None:
        """The licence of a data set according to its declaration; None if it states none."""
        return self.find(name).licence if name in self.declarations or is_path(name) else None

    def find(self, name: str, size: int | None = None, own: OwnImagesSettings | None = None) -> Declaration:
        """The declaration of a data set, or one for images at a path.

        size, own: for a user's own images, instead of the declared settings. Raises DataError if there is no such
        name, or `own` is given for another kind.
        """
        declaration = self.declarations.get(name)
        if declaration is None and is_path(name):
            path = name if name.startswith(HUB) else str(Path(name).expanduser().absolute())
            declaration = OwnImagesDeclaration(source=path)
        if declaration is None:
            beside = f" (images in a folder {name} here: write ./{name})" if Path(name).exists() else ""
            raise DataError(f"unknown data set {quoted(name)}{beside}{did_you_mean(name, self.declarations)}")
        if isinstance(declaration, OwnImagesDeclaration):
            changes = {} if own is None else own.model_dump(exclude_unset=True)
            return declaration.model_copy(update=changes | ({} if size is None else {"size": size}))
        if own is not None:
            raise DataError(f"`images` says how images of one's own are used, and {quoted(name)} is no such data set")
        return declaration

    def kind_of_images(
        self, name: str, size: int | None = None, own: OwnImagesSettings | None = None
    ) -> tuple[ImageSpec, int | None]:
        """The spec of the images that `load` returns, and the number of training images if it is known.

        A user's own images are listed, not decoded. Raises DataError as `find` does, or if there are none.
        """
        declaration = self.find(name, size, own)
        if isinstance(declaration, OwnImagesDeclaration):
            images = self._own(name, declaration)
            return images.spec, images.num_train
        return declaration.spec, declaration.num_train

    def locate(self, name: str) -> None:
        """Check that the files of a data set exist, and download those that may be; no image is decoded.

        Raises DataError if one is missing. A user's own images are located by `kind_of_images`.
        """
        declaration = self.find(name)
        if isinstance(declaration, ComposedDeclaration):
            self.locate(declaration.of)
        if isinstance(declaration, FolderDeclaration | SocofingDeclaration):
            self.sources.find_folder(declaration.folder, name)
        if isinstance(declaration, EmojiDeclaration) and declaration.font is None:
            find_font(name)
        if isinstance(declaration, ParquetDeclaration):
            for split in get_args(Split):
                if not self._copy(name, split).exists():
                    self.sources.find(declaration.split(split), f"{name}/{split}")

    def _copy(self, name: str, split: Split) -> Path:
        return self.decoded / f"{name}-{split}.safetensors"

    def _own(self, name: str, declaration: OwnImagesDeclaration) -> OwnImages:
        if declaration.source.startswith(HUB):
            collection = parquet_collection(hub_files(declaration.source), declaration.source)
        else:
            collection = collection_of(self.sources.find_path(declaration.source, name))
        return OwnImages.of(dataset_name(name), collection, declaration)

    def pairs_of(self, name: str, inputs: str, size: int | None, own: OwnImagesSettings | None) -> Pairing:
        """The images at two paths, `name` and `inputs`, paired by their file names.

        Raises DataError if either is not a path, or the file names differ.
        """
        found = []
        for one in (name, inputs):
            declaration = self.find(one, size, own)
            if not isinstance(declaration, OwnImagesDeclaration):
                raise DataError(f"pairs are of two folders or zip files of your own; {quoted(one)} is neither")
            found.append(self._own(one, declaration))
        return Pairing(*found)

    def load(self, name: str, size: int | None = None, own: OwnImagesSettings | None = None) -> ImageSplits:
        """Both splits of a data set. Raises DataError if the name is unknown or the bytes are not as declared.

        size, own: for a user's own images; every other data set is loaded as published.
        """
        declaration = self.find(name, size, own)
        if isinstance(declaration, OwnImagesDeclaration):
            return self._own(name, declaration).load()
        if isinstance(declaration, EmojiDeclaration):
            font = None if declaration.font is None else Path(declaration.font).expanduser()
            how = declaration.model_dump(include={"train", "test", "size", "seed"})
            return emoji_splits(name, **how, font=font)
        if isinstance(declaration, FolderDeclaration):
            return self._folder(name, declaration)
        if isinstance(declaration, ComposedDeclaration):
            return self._composed(name, declaration)
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
        if declaration.classes is None:
            images = ImageSet(images.name, images.images, torch.zeros_like(images.labels))
        elif images.classes != tuple(sorted(declaration.classes)):
            wanted = ", ".join(f"{one}/" for one in sorted(declaration.classes))
            raise DataError(f"{path} must hold its images in {wanted} and nowhere else")
        if declaration.held_out >= len(images):
            raise DataError(f"{path} holds {len(images)} images, of which {declaration.held_out} are to be held out")
        test = drawn(images, declaration.held_out, declaration.seed)
        train = without(images, test)
        logger.info("%s: %d images of %s, of which %d are held out", name, len(images), path, len(test))
        return ImageSplits(train.called(f"{name}/train"), test.called(f"{name}/test"))

    def _composed(self, name: str, declaration: ComposedDeclaration) -> ImageSplits:
        single = self.load(declaration.of)
        train = composed(single.train, declaration.train, declaration, f"{name}/train")
        test = composed(single.test, declaration.test, declaration, f"{name}/test")
        logger.info("%s: %d and %d, made of %s", name, len(train), len(test), declaration.of)
        return ImageSplits(train, test)

    def _split(self, name: str, split: Split) -> tuple[ImageSet, str]:
        """A split, and where it came from, in words."""
        declaration = self.declarations[name]
        if isinstance(declaration, ParquetDeclaration):
            return self._read(name, split, declaration)
        assert isinstance(declaration, DrawnDeclaration)
        count = declaration.train if split == "train" else declaration.test
        images = DRAWINGS[type(declaration)](split, count, seed=declaration.seed)
        return images.called(f"{name}/{split}"), f"drawn with seed {declaration.seed}"

    def _read(self, name: str, split: Split, declaration: ParquetDeclaration) -> tuple[ImageSet, str]:
        copy = self._copy(name, split)
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
    """The decoded copy if it exists, is whole and matches the declared pin; else None, with the reason logged.

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
