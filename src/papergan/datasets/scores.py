"""Datasets of score cards, of one run and the newest of every run, and of the first samples of those runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from papergan.atomic_files import DOCUMENT_BYTES
from papergan.config.registry import TOOLS
from papergan.datasets.atomic_file import FolderDataset, read_bytes
from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.errors import EvaluationError, PaperganError
from papergan.evaluation.scorecard import ScoreCard
from papergan.reporting.image_grid import top_of_picture
from papergan.weights import decode

logger = logging.getLogger(__name__)

FILE, GENERATOR, SAMPLES = "scores.json", "generator.safetensors", "samples.png"


class ScoreCardDataset(DigestedJSONDataset[ScoreCard]):
    """A ScoreCard as JSON. Raises EvaluationError for anything else."""

    what, remedy = "score card", "evaluate the run again"

    def _to_document(self, data: ScoreCard) -> dict[str, Any]:
        return data.model_dump(mode="json")

    def _from_document(self, document: dict[str, Any]) -> ScoreCard:
        return ScoreCard.model_validate(document)


class ScoreCardsDataset(FolderDataset[dict[str, ScoreCard]]):
    """Loads the newest score card of every run, by `ScoreCard.run`, the oldest first.

    A run is one experiment, data set, variant of the recipe and seed. filepath: the folder that holds
    <experiment>/scores.json/<version>/scores.json. models: the folder that holds the generators,
    <experiment>/generator.safetensors/<version>/generator.safetensors; if a card's generator is there, it must be the
    one that was scored. A card that cannot be read, or that belongs to another generator than the one there, is named
    in a warning, and the card before it is used.
    """

    saved_by = "each experiment saves its own score card"

    def __init__(self, *, filepath: str, models: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._models = Path(models)

    def load(self) -> dict[str, ScoreCard]:
        return {run: card for run, (card, _) in self._newest().items()}

    def versions(self) -> dict[str, str]:
        """The version of every card that `load` returns, by run."""
        return {run: version for run, (_, version) in self._newest().items()}

    def _newest(self) -> dict[str, tuple[ScoreCard, str]]:
        newest: dict[str, tuple[ScoreCard, str]] = {}
        for path in _score_cards(self.folder):
            try:
                card = ScoreCardDataset(filepath=str(path))._decode(read_bytes(path, DOCUMENT_BYTES), path)
                if card.run not in newest:  # only these are shown, so only their generators are hashed
                    self._check_generator(card, path)
                    newest[card.run] = card, path.parent.name
            except PaperganError as error:
                logger.warning("left out of the comparison: %s", error)
        return dict(reversed(newest.items()))

    def _check_generator(self, card: ScoreCard, path: Path) -> None:
        """Raise EvaluationError if the generator is not the one scored. Its tensors are hashed again."""
        experiment, version = path.parents[2].name, path.parent.name
        generator = self._models / experiment / GENERATOR / version / GENERATOR
        if not generator.exists():  # scored in a later session than trained, or removed to save room
            return
        digest = decode(read_bytes(generator), generator).digest
        if digest != card.generator_digest:
            scored = (card.generator_digest or "none")[:12]
            raise EvaluationError(
                f"{path} is of generator {scored}, but {generator} is {digest[:12]}; evaluate the run again"
            )

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "models": str(self._models)}


class SampleStripsDataset(FolderDataset[dict[str, bytes]]):
    """Loads the top of the newest sample grid of every run that has one, as PNG, by `ScoreCard.run`.

    filepath: the folder that holds <experiment>/scores.json/<version>/ and <experiment>/samples.png/<version>/.
    """

    saved_by = "each experiment saves its own samples"

    def load(self) -> dict[str, bytes]:
        strips: dict[str, bytes] = {}
        for path in _score_cards(self.folder):
            picture = path.parents[2] / SAMPLES / path.parent.name / SAMPLES
            if not picture.is_file():
                continue
            try:
                run = ScoreCardDataset(filepath=str(path))._decode(read_bytes(path, DOCUMENT_BYTES), path).run
                if run not in strips:
                    strips[run] = top_of_picture(read_bytes(picture), str(picture))
            except PaperganError as error:
                logger.warning("no samples in the comparison: %s", error)
        return strips


def _score_cards(folder: Path) -> list[Path]:
    """The files of all score cards, the newest first, except those of tools, which score images, not runs."""
    found = [path for path in folder.glob(f"*/{FILE}/*/{FILE}") if path.parents[2].name not in TOOLS]
    return sorted(found, key=lambda path: path.parent.name, reverse=True)
