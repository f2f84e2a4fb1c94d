"""The vocabulary: no private language in names and first lines of docstrings, British spelling."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("src/**/*.py"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]

PRIVATE_NAMES = {
    "aloud", "asked", "bury", "dials", "faults", "hear", "judge", "judged", "knob", "lopsided", "mend", "ruler",
    "rulers", "said", "shelf", "sight", "tell", "told", "twin", "untold", "vouched",
}  # fmt: skip
PRIVATE_PHRASES = re.compile(
    r"\b(aloud|became of|bury|hears?|judg\w+|luck|mend|nobody|said|shelf|swept|tells?|told|vouch\w*|whoever)\b|-play->"
)
AMERICAN = re.compile(
    "initializ|normaliz|optimiz|regulariz|generaliz|summariz|synchroniz|behavior|color|gray|neighbor", re.I
)
LIBRARY_WORDS = {"color", "Normalize"}  # the function of DiffAugment, by its authors' name; torchvision's transform
QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|https?://\S+|Noto Color Emoji")


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every function, class, argument and variable that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


def parts(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def private_words(source: str) -> list[str]:
    tree = ast.parse(source)
    lines = ((line, text.splitlines()[0]) for line, text in docstrings(tree))
    return [
        *(f"{line}: {name}" for line, name in names(tree) if PRIVATE_NAMES & parts(name)),
        *(f"{line}: {text}" for line, text in lines if PRIVATE_PHRASES.search(text.lower())),
    ]


def american_words(text: str) -> list[str]:
    words = re.findall(r"\w+", QUOTED.sub("", text))
    return [word for word in words if AMERICAN.search(word) and word not in LIBRARY_WORDS]


def american_words_of_code(source: str) -> list[str]:
    """American spelling in defined names, docstrings and comments; calls of libraries do not count."""
    tree = ast.parse(source)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
    texts = [*(name for _, name in names(tree)), *(text for _, text in docstrings(tree)), *comments]
    return [word for text in texts for word in american_words(text)]


def found_in(paths: list[Path], words_of: Callable[[str], list[str]]) -> dict[str, list[str]]:
    words = {str(path.relative_to(ROOT)): words_of(path.read_text(encoding="utf-8")) for path in paths}
    return {path: found for path, found in words.items() if found}


def test_names_and_docstrings_are_plain():
    assert not found_in(SOURCES, private_words)


def test_the_spelling_is_british():
    assert not found_in(SOURCES, american_words_of_code) | found_in(TEXTS, american_words)


@pytest.mark.parametrize(
    "source",
    [
        "told = 1", "def faults_of_recipe(): ...", "class Judged: ...", "self.untold = []", "def f(ruler): ...",
        '"""Who is told."""', 'def f():\n    """What became of a trial."""', '"""trials -play-> results"""',
    ],
)  # fmt: skip
def test_a_private_word_would_be_found(source):
    assert private_words(source)


@pytest.mark.parametrize("source", ["optimizer = 1", "def normalize(): ...", '"""Colors."""', "# initialize it"])
def test_american_spelling_would_be_found(source):
    assert american_words_of_code(source)


def test_names_of_libraries_may_be_american():
    assert not american_words_of_code("from torch.optim import Optimizer\naxes.plot(x, color=colour)  # `Normalize`")
