"""The gallery: what benchmarks/results holds, a card for each folder with pictures."""

from __future__ import annotations

import re
from pathlib import Path

MAIN = ("samples.png", "samples_", "sanity.png", "scaling.png", "over_time.png", "curves.png")  # shown first
TABLES = (".md", ".csv", ".json")


def gallery(root: Path) -> str:
    """A card for every folder: its picture, its title, links to its page, its other pictures and its tables."""
    folder = root / "benchmarks" / "results"
    cards = [_card(one) for one in sorted(folder.iterdir()) if one.is_dir() and any(one.glob("*.png"))]
    return "\n".join(
        [
            "# Gallery",
            "",
            "Every picture is of a run that the page behind it describes, with its command and its hardware; most are",
            "reduced runs on a CPU, as their pages say. All results, those without pictures too:",
            "[benchmarks/results](../benchmarks/results/README.md).",
            "",
            '<div class="grid cards" markdown>',
            "",
            *cards,
            "</div>",
            "",
        ]
    )


def title(page: Path) -> str:
    """The first heading of a page; the name of its folder where it has none, as tables that a benchmark wrote."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.parent.name


def by_folder(pages: list[str]) -> list[dict[str, list[str]]]:
    """Sections of the navigation: every folder with its pages, the one that describes it first."""
    folders: dict[str, list[str]] = {}
    for page in sorted(pages, key=lambda page: (Path(page).parent, Path(page).name != "README.md", page)):
        folders.setdefault(Path(page).parent.name, []).append(page)
    return [{name: found} for name, found in folders.items()]


def _card(folder: Path) -> str:
    place = f"../benchmarks/results/{folder.name}"
    first = next(path for name in ("README.md", "*.md") for path in sorted(folder.glob(name)))
    pictures = sorted((*folder.glob("*.png"), *folder.glob("*.gif")), key=_rank)
    tables = [path for path in sorted(folder.iterdir()) if path.suffix in TABLES and path.name != first.name]
    lines = [
        f"-   [![{pictures[0].stem}]({place}/{pictures[0].name}){{ loading=lazy }}]({place}/{first.name})",
        "",
        f"    **[{title(first)}]({place}/{first.name})**",
        "",
    ]
    for label, files in (("Pictures", pictures[1:]), ("Tables", tables)):
        if files:
            lines += [f"    {label}: " + ", ".join(f"[{path.name}]({place}/{path.name})" for path in files), ""]
    return "\n".join(lines)


def _rank(picture: Path) -> tuple[int, str]:
    return next((rank for rank, name in enumerate(MAIN) if picture.name.startswith(name)), len(MAIN)), picture.name
