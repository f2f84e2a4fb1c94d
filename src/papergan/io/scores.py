"""Score cards: one of one run, and the newest of every experiment."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NewType, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.errors import EvaluationError
from papergan.evaluation.scorecard import ScoreCard
from papergan.io.whole_file import WholeFileDataset

log = logging.getLogger(__name__)

JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name
FILE = "scores.json"


class ScoreCardDataset(WholeFileDataset[ScoreCard]):
    """A ScoreCard as JSON."""

    def _encode(self, data: ScoreCard) -> bytes:
        return data.model_dump_json(indent=1).encode()

    def _decode(self, content: bytes, path: Path) -> ScoreCard:
        return _parse(content, path)

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))


class ScoreCardsDataset(AbstractDataset[NoReturn, dict[str, ScoreCard]]):
    """Loads the newest card of every experiment, data set, variant of the recipe and seed, by `ScoreCard.run`, the
    oldest first.

    filepath: the folder that holds <experiment>/scores.json/<version>/scores.json. A card that cannot be read is
    named in a warning, and the one before it is taken.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, ScoreCard]:
        newest: dict[str, ScoreCard] = {}
        for path in sorted(self._folder.glob(f"*/{FILE}/*/{FILE}"), key=lambda path: path.parent.name):
            try:
                card = _parse(path.read_bytes(), path)
            except EvaluationError as error:
                log.warning("left out of the comparison: %s", error)
                continue
            newest.pop(card.run, None)  # so that it goes to the end
            newest[card.run] = card
        return newest

    def save(self, data: NoReturn) -> None:
        raise DatasetError("each experiment saves its own score card")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}


def _parse(content: bytes, path: Path) -> ScoreCard:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise EvaluationError(f"{path} is damaged ({error}); evaluate the run again") from error
    return ScoreCard.read(str(path), document)
