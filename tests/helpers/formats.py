"""Every kind of file that is read: a valid small one, how it is read, and what of it must come back unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from helpers.parquet_files import CLASSES, pixels, pngs, write
from helpers.project_run import PROJECT, score_card
from helpers.toy_extractor import PixelExtractor
from papergan.data.folder import read_images
from papergan.data.images import ImageSet, ImageSplits, load_image_set, save_image_set
from papergan.data.parquet import _in_canonical_order, read_parquet
from papergan.datasets.digested_json import ModelDataset
from papergan.datasets.history import HistoryDataset
from papergan.datasets.image_splits import ImageSplitsDataset
from papergan.datasets.page import Page, PageDataset
from papergan.datasets.picture import PictureDataset
from papergan.datasets.references import ReferencesDataset, cached_features
from papergan.datasets.scores import ScoreCardDataset
from papergan.datasets.weights import WeightsDataset
from papergan.evaluation.metric_sanity import Case
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.evaluation.scorecard import ImageScores, RealRow
from papergan.extractors.pretrained import PretrainedFile
from papergan.reporting.image_grid import ImageGrid
from papergan.training.history import History
from papergan.weights import Weights

PRETRAINED = PretrainedFile("toy weights", "https://example.invalid/toy.pth", "toy_weights", "do without", (2, 3), 2)


@dataclass(frozen=True)
class Format:
    """One kind of file.

    file: the one to be damaged, relative to the folder that `write` fills. read: the content, from that folder.
    exists: what Kedro would be told. verified: a file that is read although it was changed has the same content still.
    document: its bytes are JSON.
    """

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    exists: Callable[[Path], bool] | None = None
    verified: bool = False
    document: bool = False


def image_set(name: str = "toy/train", count: int = 4) -> ImageSet:
    """A few images of four pixels."""
    values = torch.arange(count * 12, dtype=torch.uint8).reshape(count, 3, 2, 2)
    return ImageSet(name, values, torch.arange(count) % 2, ("a", "b"))


def weights() -> Weights:
    """Two tensors and what is to be known about them."""
    return Weights({"a.w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}, {"step": "12", "epoch": "0.5"})


def history() -> History:
    """Two rows of losses and one of metrics."""
    made = History()
    made.losses = [{"step": step, "epoch": step / 8, "images": 8 * step, "generator.loss": 0.125} for step in (2, 4)]
    made.metrics = [{"step": 4, "epoch": 0.5, "images": 32, "domain_fid": 12.5}]
    return made


def real_row() -> RealRow:
    """Real images scored under the rules of the score card."""
    return RealRow(name="real test set", dataset="toy/test", protocols=score_card().protocols, metrics={"fid": 1.5})


def image_scores() -> ImageScores:
    """Scores of a folder."""
    return ImageScores(
        fake="/fake", real="/real", held_out=None, fake_digest="f" * 64, protocols=score_card().protocols,
        metrics={"domain_fid": 2.5}, real_rows=(real_row(),), hardware="a processor", commit="c" * 40, dirty=False,
        versions={"torch": "2"},
    )  # fmt: skip


def references(folder: Path) -> dict[str, Reference]:
    """One reference, its features on the cache."""
    train, test = (image_set(name, count) for name, count in (("toy/train", 6), ("toy/test", 4)))
    extractor = PixelExtractor()
    seen = [ImageFeatures.of(images, extractor, 50) for images in (train, test)]
    dataset, facts = ReferencesDataset(filepath=str(folder / "a.json"), cache=str(folder)), ExtractorFacts.of(extractor)
    for images in seen:
        cached_features(dataset._cache, facts, images.name, images.digest, len(images), images.to_weights)
    return {"domain": Reference.between(facts, *seen, "train", 4)}


def catalogued(entry: str) -> Callable[..., ModelDataset]:
    """The dataset of this entry of catalog.yml, but with another file."""
    known = yaml.safe_load((PROJECT / "conf/base/catalog.yml").read_text())[entry]
    return partial(ModelDataset, **{key: known[key] for key in ("model", "what", "remedy", "key") if key in known})


def caption(dataset: PictureDataset) -> str:
    """The caption in a PNG that is whole."""
    dataset._check_at(dataset.path)
    with Image.open(dataset.path) as picture:
        return str(picture.info["Description"])


def _of_dataset(make: Callable[[Path], Any], sample: Callable[[Path], object], file: str = "a", **rest: Any) -> Format:
    def exists(folder: Path) -> bool:
        return bool(make(folder).exists())

    return Format(
        file, lambda folder: make(folder).save(sample(folder)), lambda folder: make(folder).load(), exists, **rest
    )


def _dataset(kind: Any, sample: Callable[[], object], **rest: Any) -> Format:
    return _of_dataset(lambda folder: kind(filepath=str(folder / "a")), lambda _: sample(), **rest)


def _images_in(folder: Path) -> str:
    return read_images(folder, name="x").digest


def _image_format(suffix: str, **options: Any) -> Format:
    def save(folder: Path) -> None:
        Image.fromarray(pixels(1, 8)[0]).save(folder / f"a.{suffix}", **options)

    return Format(f"a.{suffix}", save, _images_in)


@cache
def _pin() -> str:
    return _in_canonical_order("toy", pixels(), np.arange(6) % 3, CLASSES).digest


def declared_parquet(path: Path, **changes: Any) -> str:
    """The six images of `pngs()` as they would be declared."""
    declared = {
        "name": "toy", "image_column": "img", "mode": "RGB", "size": 8, "classes": CLASSES, "rows": 6, "digest": _pin()
    }  # fmt: skip
    return read_parquet(path, **(declared | changes)).digest


def _splits(folder: Path) -> ImageSplitsDataset:
    return ImageSplitsDataset(filepath=str(folder / "a.json"), store=str(folder))


def _summary(read: Callable[[Path], Any], of: Callable[[Any], object]) -> Callable[[Path], object]:
    return lambda folder: of(read(folder))


def _summarised(made: Format, of: Callable[[Any], object]) -> Format:
    return replace(made, read=_summary(made.read, of))


FORMATS = {
    "weights": _summarised(
        _dataset(WeightsDataset, weights, verified=True), lambda read: (read.digest, dict(read.metadata))
    ),
    "image set": Format(
        "a.safetensors",
        lambda folder: save_image_set(folder / "a.safetensors", image_set()),
        lambda folder: load_image_set(folder / "a.safetensors").digest,
        verified=True,
    ),
    "declared parquet": Format(
        "a.parquet",
        lambda folder: write(folder / "a.parquet", pngs()),
        lambda folder: declared_parquet(folder / "a.parquet"),
        verified=True,
    ),
    "any parquet": Format("a.parquet", lambda folder: write(folder / "a.parquet", pngs(3)), _images_in),
    "npy": Format(
        "a.npy",
        lambda folder: np.save(folder / "a.npy", pixels(2, 4)),
        lambda folder: _images_in(folder / "a.npy"),
    ),
    "npz": Format(
        "a.npz",
        lambda folder: np.savez_compressed(folder / "a.npz", images=pixels(2, 4)),
        lambda folder: _images_in(folder / "a.npz"),
    ),
    "png": _image_format("png"),
    "jpeg": _image_format("jpg"),
    "bmp": _image_format("bmp"),
    "webp": _image_format("webp"),
    "lossless webp": _image_format("webp", lossless=True),
    "score card": _dataset(ScoreCardDataset, score_card, verified=True, document=True),
    "image scores": _dataset(catalogued("evaluate_images.scores"), image_scores, verified=True, document=True),
    "real rows": _dataset(catalogued("{experiment}.real_rows"), lambda: (real_row(),), verified=True, document=True),
    "sanity cases": _dataset(
        catalogued("metric_sanity.cases"),
        lambda: (Case(corruption="blur", strength=0.5, metrics={"domain_fid": 1.5}),),
        verified=True,
        document=True,
    ),
    "references": _summarised(
        _of_dataset(
            lambda folder: ReferencesDataset(filepath=str(folder / "a.json"), cache=str(folder)), references,
            file="a.json", verified=True, document=True,
        ),
        lambda read: {name: (one.extractor, one.split, one.real.digest, one.floor) for name, one in read.items()},
    ),
    "images": _summarised(
        _of_dataset(
            _splits, lambda _: ImageSplits(image_set(), image_set("toy/test", 2)),
            file="a.json", verified=True, document=True,
        ),
        lambda read: [(one.name, one.digest) for one in (read.train, read.test)],
    ),
    "history": _summarised(_dataset(HistoryDataset, history), lambda read: (read.losses, read.metrics)),
    "pretrained": Format(
        "a.pth",
        lambda folder: torch.save({"fc.weight": torch.arange(6.0).reshape(2, 3), "x": torch.ones(2)}, folder / "a.pth"),
        lambda folder: sorted(PRETRAINED.read(folder / "a.pth")),
    ),
    "page": _of_dataset(
        lambda folder: PageDataset(filepath=str(folder), stem="a"), lambda _: Page("# a", "a,b", "<p>"), file="a.md"
    ),
    "grid": replace(
        _of_dataset(
            lambda folder: PictureDataset(filepath=str(folder / "a")),
            lambda _: ImageGrid(image_set().images, "what it shows"), verified=True,
        ),
        read=lambda folder: caption(PictureDataset(filepath=str(folder / "a"))),
    ),
}  # fmt: skip
