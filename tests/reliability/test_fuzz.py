"""Whatever bytes lie where a file of ours should: it is read as it was written, or refused in one line."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.formats import FORMATS, Format
from helpers.project_run import score_card
from papergan.data.declarations import parse_declarations
from papergan.datasets.digested_json import KEY, encode_with_digest
from papergan.errors import EvaluationError, PaperganError
from papergan.evaluation.scorecard import ScoreCard
from papergan.reporting.published_results import published_notes, published_rows

QUICK, LONG = 60, 1000
EFFORTS = pytest.mark.parametrize("examples", [QUICK, pytest.param(LONG, marks=pytest.mark.reliability)])
pytestmark = pytest.mark.filterwarnings("ignore")  # what libraries say on their way to an error
DOCUMENTS = [name for name, one in FORMATS.items() if one.document]


def hunt(examples: int, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], None]:
    """Run the decorated check on so many examples, the same ones every time where there are few."""
    how = settings(
        max_examples=examples, deadline=None, derandomize=examples == QUICK, database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    return lambda check: how(given(*strategies)(check))()


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Callable[[str], Path]:
    """A folder with a valid file of each kind."""
    made: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("format")
            FORMATS[name].write(made[name])
        return made[name]

    return folder_of


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Every damage is said aloud, which takes longer than to notice it."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


# What is done to files


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Cut, bytes changed, a slice removed, doubled or replaced; places are taken modulo what there is."""
    kind = draw(st.sampled_from(("cut", "flip", "change", "remove", "double", "replace")))
    first, step = draw(st.integers(0, 2**16)), draw(st.integers(0, 2**16))
    other = draw(st.binary(min_size=1, max_size=12))

    def mutate(content: bytes) -> bytes:
        start = first % len(content)
        if kind in ("flip", "change"):
            changed = bytearray(content)
            for index, value in enumerate(other[:4]):
                changed[(start + index * step) % len(content)] ^= 1 << value % 8 if kind == "flip" else value
            return bytes(changed)
        end = start + 1 + step % min(64, len(content))
        middle = {"cut": b"", "remove": b"", "double": content[start:end] * 2, "replace": other}[kind]
        return content[:start] + middle + (b"" if kind == "cut" else content[end:])

    return mutate


def json_values() -> st.SearchStrategy[Any]:
    numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(2**63), 1e308, 0, -1])
    words = st.text(max_size=8) | st.sampled_from(["../../x", "/x", "a\nb", "\ud800", "\x00", "0" * 64, "a" * 500])
    plain = st.none() | st.booleans() | numbers | words
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
    )


def nodes(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every node."""
    yield path
    if isinstance(document, dict | list):
        for key, child in document.items() if isinstance(document, dict) else enumerate(document):
            yield from nodes(child, (*path, key))


def with_node(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def as_json(document: Any, signed: bool) -> bytes:
    """signed: with a digest that fits, where there can be one."""
    if signed and isinstance(document, dict):
        try:
            return encode_with_digest({key: value for key, value in document.items() if key != KEY})
        except EvaluationError:  # a number that is not finite
            pass
    return json.dumps(document).encode()


# What must hold


def expect_one_line(error: BaseException, named: str) -> None:
    """One of our errors, or caused by one, that says where in one line."""
    known: BaseException | None = error
    while known is not None and not isinstance(known, PaperganError):
        known = known.__cause__
    assert known is not None, f"{type(error).__name__} escaped: {error}"
    assert str(known).isprintable(), str(known)
    assert named in str(known), str(known)


def attempt(form: Format, folder: Path, content: bytes, original: object = None) -> None:
    """original: what must be read if anything is, where the format is vouched for."""
    (folder / form.file).write_bytes(content)
    read, found = True, original
    try:
        found = form.read(folder)
    except Exception as error:
        read = False
        expect_one_line(error, str(folder))
    if form.exists is not None:
        assert form.exists(folder) == read
    assert not form.verified or original is None or found == original


@EFFORTS
@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes(name, examples, folders):
    form, folder = FORMATS[name], folders(name)
    head = (folder / form.file).read_bytes()[:16]

    @hunt(examples, st.booleans(), st.binary(max_size=100))
    @example(begins_well=False, content=b"")
    @example(begins_well=False, content=b"[" * 100_000)
    @example(begins_well=False, content=b'{"a":' * 100_000)
    @example(begins_well=False, content=b"9" * 5000)
    @example(begins_well=True, content=b"images\nlosses," + b"9" * 200_000 + b",1,1\n")
    @example(begins_well=True, content=b"images\nlosses,inf,1,1\n")
    def check(begins_well: bool, content: bytes) -> None:
        attempt(form, folder, head * begins_well + content)


@EFFORTS
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file(name, examples, folders):
    form, folder = FORMATS[name], folders(name)
    form.write(folder)
    whole, original = (folder / form.file).read_bytes(), form.read(folder)

    @hunt(examples, mutations())
    def check(mutate: Callable[[bytes], bytes]) -> None:
        attempt(form, folder, mutate(whole), original)


@EFFORTS
@pytest.mark.parametrize("name", DOCUMENTS)
def test_any_document(name, examples, folders):
    form, folder = FORMATS[name], folders(name)

    @hunt(examples, json_values(), st.booleans())
    def check(document: Any, signed: bool) -> None:
        attempt(form, folder, as_json(document, signed))


@EFFORTS
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_with_another_value(name, examples, folders):
    """Both as an accident leaves it, and vouched for anew, as somebody leaves it who means harm."""
    form, folder = FORMATS[name], folders(name)
    form.write(folder)
    document, original = json.loads((folder / form.file).read_bytes()), form.read(folder)

    @hunt(examples, st.sampled_from(list(nodes(document))), json_values(), st.booleans())
    def check(path: tuple[Any, ...], value: Any, signed: bool) -> None:
        changed = with_node(document, path, value)
        attempt(form, folder, as_json(changed, signed), None if signed else original)


DECLARED = {
    "toy": {
        "kind": "parquet", "image_column": "img", "mode": "RGB", "size": 8, "classes": ["a", "b"],
        "train": {"file": "toy/train.parquet", "rows": 6, "digest": "0" * 64, "url": "https://example.invalid/x"},
        "test": {"file": "toy/test.parquet", "rows": 6, "digest": "0" * 64},
    },
    "synthetic_toy": {"kind": "synthetic_shapes", "train": 20, "test": 10},
}  # fmt: skip
PUBLISHED = {
    "tahvili2025": {
        "dataset": "d", "notes": ["n"],
        "table_iv": {"metric": "is", "caption": "c", "rows": [{"row": "r", "value": 6.8, "experiments": ["e"]}]},
    },
}  # fmt: skip
CARD = json.loads(score_card().model_dump_json())
CONFIGURED: dict[str, tuple[Any, Callable[[Any], object], str]] = {
    "declarations": (DECLARED, parse_declarations, "data set"),
    "published rows": (PUBLISHED, published_rows, "published numbers"),
    "published notes": (PUBLISHED, lambda published: published_notes(published, str), "published numbers"),
    "score card": (CARD, lambda document: ScoreCard.read("some.json", document), "scores of some.json"),
}


@EFFORTS
@pytest.mark.parametrize("name", CONFIGURED)
def test_any_configuration(name, examples):
    valid, read, named = CONFIGURED[name]
    read(valid)

    @hunt(examples, st.sampled_from(list(nodes(valid))), json_values())
    def check(path: tuple[Any, ...], value: Any) -> None:
        try:
            read(with_node(valid, path, value))
        except Exception as error:
            expect_one_line(error, named)
