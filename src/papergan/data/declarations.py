"""What a data set is declared to be: strict, checked before a byte of it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from papergan.data.parquet import Mode, ParquetSplit
from papergan.errors import DataError, did_you_mean

_T = TypeVar("_T")


@dataclass(frozen=True)
class ParquetDeclaration:
    """Images in parquet files. image_column, mode, size, classes: as in `read_parquet`."""

    image_column: str
    mode: Mode
    size: int
    classes: tuple[str, ...]
    train: ParquetSplit
    test: ParquetSplit

    def split(self, name: Literal["train", "test"]) -> ParquetSplit:
        """The declaration of one split."""
        return self.train if name == "train" else self.test


@dataclass(frozen=True)
class SyntheticDeclaration:
    """Drawn shapes. train, test: how many images. seed: of the draw."""

    train: int
    test: int
    seed: int = 0


Declaration = ParquetDeclaration | SyntheticDeclaration
_KINDS: dict[str, type[ParquetDeclaration] | type[SyntheticDeclaration]] = {
    "parquet": ParquetDeclaration,
    "synthetic_shapes": SyntheticDeclaration,
}


def parse_declarations(entries: Mapping[str, object]) -> dict[str, Declaration]:
    """`{name: {kind: ..., ...}}`, as it comes from YAML, to declarations. Raises DataError naming entry and key."""
    return {name: parse_declaration(name, entry) for name, entry in entries.items()}


def parse_declaration(name: str, entry: object) -> Declaration:
    """One entry. name: of the data set; it becomes a file name, so letters, digits, `_`, `-` and `.` only."""
    if not isinstance(name, str) or not name.replace("_", "a").replace("-", "a").replace(".", "a").isalnum():
        raise DataError(f"data set name {name!r}: only letters, digits, '_', '-' and '.' are allowed")
    values = _mapping(f"data set {name!r}", entry)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise DataError(f"data set {name!r}: unknown kind {kind!r}{did_you_mean(str(kind), _KINDS)}")
    return _build(_KINDS[kind], f"data set {name!r}", values)


def _build(cls: type[_T], where: str, values: Mapping[str, object]) -> _T:
    """A declaration from a mapping: exactly its fields, each of its type."""
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise DataError(f"{where}: unknown key {key!r}{did_you_mean(str(key), fields)}")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise DataError(f"{where}: missing {', '.join(missing)}")
    arguments = {key: _value(f"{where}, {key}", str(fields[key].type), value) for key, value in values.items()}
    try:
        return cls(**arguments)
    except DataError as problem:
        raise DataError(f"{where}: {problem}") from problem


def _value(where: str, annotation: str, value: object) -> object:
    """The value if it is what the field's annotation says; YAML's 10 for "10" and true for 1 are errors."""
    if annotation == "ParquetSplit":
        return _build(ParquetSplit, where, _mapping(where, value))
    if annotation == "Mode":
        return _expect(where, value in ("RGB", "L"), "'RGB' or 'L'", value)
    if annotation == "int":
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return _expect(where, whole, "a whole number", value)
    if annotation == "tuple[str, ...]":
        names = isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(one, str) for one in value)
        return tuple(_expect(where, names and len(set(value)) == len(value), "a list of different texts", value))  # type: ignore[call-overload]
    optional = annotation == "str | None" and value is None
    return _expect(where, optional or (isinstance(value, str) and value != ""), "a text", value)


def _expect(where: str, is_so: bool, expected: str, value: object) -> object:
    if not is_so:
        raise DataError(f"{where} must be {expected}, got {value!r}")
    return value


def _mapping(where: str, value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise DataError(f"{where} must be a mapping of keys to values, got {value!r}")
    return dict(value)
