"""The kinds of data sets that the catalog may declare, by `kind`, and their checks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import ValidationError

from papergan.data.declarations import (
    DigitsDeclaration,
    EmojiDeclaration,
    FingerprintsDeclaration,
    FolderDeclaration,
    ParquetDeclaration,
    SocofingDeclaration,
    StackedDeclaration,
    SyntheticDeclaration,
)
from papergan.data.own_declaration import OwnImagesDeclaration
from papergan.errors import DataError, did_you_mean
from papergan.messages import quoted, sanitise
from papergan.validation import validation_errors

Declaration = (
    ParquetDeclaration
    | SyntheticDeclaration
    | DigitsDeclaration
    | FolderDeclaration
    | OwnImagesDeclaration
    | EmojiDeclaration
    | SocofingDeclaration
    | FingerprintsDeclaration
    | StackedDeclaration
)
_KINDS: dict[str, type[Declaration]] = {
    "parquet": ParquetDeclaration, "synthetic_shapes": SyntheticDeclaration, "folder": FolderDeclaration,
    "images": OwnImagesDeclaration, "emoji_font": EmojiDeclaration, "socofing": SocofingDeclaration,
    "fingerprints": FingerprintsDeclaration, "synthetic_digits": DigitsDeclaration,
    "stacked": StackedDeclaration,
}  # fmt: skip
_MADE_HERE = {
    "synthetic_shapes": ("synthetic", "drawn shapes"), "emoji_font": ("noto", "emoji of a font"),
    "fingerprints": ("synthetic", "drawn fingerprints"), "synthetic_digits": ("synthetic", "drawn digits"),
    "stacked": ("stacked", "stacked images"),
}  # fmt: skip


def parse_declarations(entries: Mapping[str, object]) -> dict[str, Declaration]:
    """`{name: {kind: ..., ...}}`, as it comes from YAML, to declarations. Raises DataError naming entry and key."""
    if not isinstance(entries, Mapping):
        raise DataError(f"data sets must be declared as `name: {{kind: ...}}`, got {quoted(entries)}")
    return {name: parse_declaration(name, entry) for name, entry in entries.items()}


def parse_declaration(name: str, entry: object) -> Declaration:
    """One entry. name: of the data set; it becomes a file name, and drawn shapes may not pass for something else."""
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
