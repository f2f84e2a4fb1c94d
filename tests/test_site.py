"""The documentation site: what is generated is what configuration and code say, and every link leads somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from helpers.project_run import PROJECT
from papergan.config.registry import PARAMETERS, TOOLS, discover, studies

sys.path.append(str(PROJECT / "website"))
import api_pages
import repository_pages
import result_pages
import table_pages

sys.path.pop()
NEEDED = ("mkdocs", "material", "mkdocstrings")
SYSTEMS = sorted(path.stem for path in (PROJECT / "src/papergan/systems").glob("*.py") if path.stem != "__init__")


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| (?:`|\[)(\w+)", text, re.MULTILINE)


def test_every_recipe_has_a_row():
    text = table_pages.recipes(PROJECT)
    assert sorted(first_cells(text)) == sorted(discover(PARAMETERS))
    row = next(line for line in text.splitlines() if line.startswith("| `dcgan_cifar10_1000` |"))
    assert row.endswith("| [dcgan](systems.md#dcgan) | cifar10, 1000 images | 200 epochs, batch 32 |")
    assert "`learning_rate=0.01`" in row
    assert "| 5 000 000 images, batch 64 |" in text
    assert "Data set `emoji`: the user's own if present" in text


def test_every_study_and_tool_has_a_row():
    assert first_cells(table_pages.studies_and_tools(PROJECT)) == [*studies(), *TOOLS]


def test_every_system_has_a_row_and_a_section():
    text = table_pages.systems(PROJECT)
    table, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert first_cells(table) == SYSTEMS == [section.partition("\n")[0] for section in sections]
    section = sections[SYSTEMS.index("wgan_gp")]
    assert "| `critic_steps` | `5` |" in section
    assert "WGAN-GP. Gulrajani et al. 2017, arXiv:1704.00028." in section


def test_the_gallery_has_every_picture_and_table():
    text = result_pages.gallery(PROJECT)
    folder = PROJECT / "benchmarks/results"
    wanted = {path.parent for path in folder.glob("*/*.png")}
    assert text.count("{ loading=lazy }") == len(wanted) > 10
    files = {
        path for one in wanted for path in one.iterdir() if path.suffix in (".png", ".gif", ".csv", ".json", ".md")
    }
    links = {(PROJECT / "reference" / link).resolve() for link in re.findall(r"\]\((\.\./[^)]+)\)", text)}
    assert links == files | {folder / "README.md"}


def test_the_reference_has_every_module_of_the_library():
    pages = api_pages.pages(PROJECT)
    package = PROJECT / "src/papergan"
    rooms = {Path(name).stem for name in pages} - {"papergan", "single_files"}
    assert {"game", "objectives", "networks", "systems", "training", "metrics", "inference", "evaluation"} <= rooms
    assert not rooms & {"pipelines", "hooks", "datasets", "tracking", "studies", "maintenance", "config"}
    for room in rooms:
        modules = {path.stem for path in (package / room).glob("*.py")} - {"__init__"}
        assert set(re.findall(rf"^::: papergan\.{room}\.(\w+)$", pages[f"reference/api/{room}.md"], re.M)) == modules
    assert "::: papergan.load\n" in pages["reference/api/papergan.md"]


FILES = {
    "README.md": "# A\n\n[b](docs/b.md) [c](conf/c.yml#x)\n\n```\n[no](conf/c.yml)\n```\n",
    "CONTRIBUTING.md": "# C\n",
    "CHANGELOG.md": "# D\n",
    "docs/b.md": "# B\n\n[out](../../x.py) [far](https://e.org/c.yml) [d](../other/d.md)\n",
    "conf/c.yml": "a: ```` b\n",
    "other/d.md": "# D\n\n[data](e.bin)\n",
    "other/e.bin": "0",
    "unlinked.py": "1\n",
}


def a_repository(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return folder


def test_pages_are_those_of_the_repository_and_what_they_link_to(tmp_path):
    root = a_repository(tmp_path)
    pages, others = repository_pages.collect(root)
    assert sorted(pages) == ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "docs/b.md", "other/d.md"]
    assert others == ["other/e.bin"]
    assert repository_pages.listed(root, pages) == ["conf/c.yml"]
    assert repository_pages.listing(root, "conf/c.yml") == "# conf/c.yml\n\n`````yaml\na: ```` b\n`````\n"


def test_only_links_to_sources_are_changed(tmp_path):
    root = a_repository(tmp_path)
    readme, page = (root / "README.md").read_text(), (root / "docs/b.md").read_text()
    assert repository_pages.with_listings(root, "README.md", readme) == readme.replace("c.yml#x", "c.yml.md#x")
    assert repository_pages.with_listings(root, "docs/b.md", page) == page


class Page(HTMLParser):
    """Addresses, anchors, and what a browser loads by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given.get("id", ""), given.get("name", "")}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("img", "script", "iframe", "source", "video") and "src" in given:
            self.loaded.append(given["src"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: `make docs` installs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder], cwd=PROJECT, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src")}, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_is_built_and_every_link_leads_somewhere(site):
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 60
    lost = []
    for path, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = pages[target].anchors if target in pages else {parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in known:
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


@pytest.mark.slow
def test_nothing_is_loaded_from_other_hosts(site):
    loaded = [one for path in site.rglob("*.html") for one in Page(path.read_text(encoding="utf-8")).loaded]
    assert len(loaded) > 100
    assert [one for one in loaded if re.match(r"(https?:)?//", one)] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert [one for text in styles for one in re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']+", text)] == []


def test_what_is_built_is_ignored_by_git():
    done = subprocess.run(["git", "check-ignore", "site/index.html"], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.strip() == "site/index.html"
