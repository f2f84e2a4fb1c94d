"""The pages that are written in the repository, and the links between them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
SHOWN = {".py": "python", ".yml": "yaml", ".toml": "toml", "": "text"}  # a page of their own; other files are copied
FIRST = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


@cache
def tracked(root: Path) -> tuple[str, ...]:
    """Every file that git has or would add, in order; without git, every file there is."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode == 0:
        return tuple(sorted(name for name in done.stdout.splitlines() if (root / name).is_file()))
    return tuple(sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()))


def collect(root: Path) -> tuple[list[str], list[str]]:
    """The pages, and the other files that they link to or show, as paths in the repository."""
    files = tracked(root)
    pages = [*FIRST, *(name for name in files if re.fullmatch(r"docs/[^/]+\.md|benchmarks/results/.*\.md", name))]
    for page in pages:  # which grows: what a page links to is a page too
        pages += [one for one in targets(root, page) if one.endswith(".md") and one not in pages]
    linked = {one for page in pages for one in targets(root, page) if not one.endswith(".md")}
    results = {name for name in files if re.fullmatch(r"benchmarks/results/.*\.(png|gif|csv|json)", name)}
    return pages, sorted(results | {one for one in linked if Path(one).suffix not in SHOWN})


def listed(root: Path, pages: list[str]) -> list[str]:
    """The sources that pages link to; each has a page that lists it."""
    return sorted({one for page in pages for one in targets(root, page) if Path(one).suffix in SHOWN})


def listing(root: Path, name: str) -> str:
    """The page of a source file."""
    text = (root / name).read_text(encoding="utf-8").rstrip("\n")
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"# {name}\n\n{fence}{SHOWN[Path(name).suffix]}\n{text}\n{fence}\n"


def targets(root: Path, page: str) -> Iterator[str]:
    """Files of the repository that a page links to; a broken link is left for MkDocs to report."""
    text = FENCE.sub("", (root / page).read_text(encoding="utf-8"))
    for _, link, _, _ in LINK.findall(text):
        name = _target(page, link)
        if name is not None and (root / name).is_file():
            yield name


def with_listings(root: Path, page: str, text: str) -> str:
    """The text, with links to sources led to the pages that list them."""

    def led(found: re.Match[str]) -> str:
        name = _target(page, found[2])
        if name is None or Path(name).suffix not in SHOWN or not (root / name).is_file():
            return found[0]
        return f"{found[1]}{found[2]}.md{found[3] or ''}{found[4]}"

    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(led, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(led, text[end:])])


def _target(page: str, link: str) -> str | None:
    """The path in the repository that a relative link names; None for addresses, and for what is outside."""
    if "://" in link or link.startswith(("/", "mailto:")):
        return None
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / link).parts:
        if part == ".." and not parts:
            return None
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)
