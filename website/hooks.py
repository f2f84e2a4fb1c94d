"""What MkDocs calls while it builds the site: pages of the repository and generated ones, links, navigation.

Every page of the repository keeps its path on the site, so a link that is right when read in the repository is right on
the site. Nothing generated is written into the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import api_pages
import repository_pages
import result_pages
import table_pages
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ("website/site.css",)
PAPERS = (
    "docs/pipelines.md",
    "docs/tables.md",
    "docs/optimisation.md",
    "docs/limited_data.md",
    "docs/began.md",
    "docs/review.md",
    "docs/wireless_channels.md",
    "docs/sound.md",
    "docs/vectors.md",
)
GUIDES = ("docs/use_a_generator.md", "docs/running.md", "docs/results.md", "docs/metrics.md")  # first; then the others
HIDDEN = {"README.md": ["navigation"], "reference/recipes.md": ["toc"], "reference/studies.md": ["toc"]}


def generated(root: Path) -> dict[str, str]:
    """Every generated page, by its path on the site."""
    return {
        "reference/recipes.md": table_pages.recipes(root),
        "reference/studies.md": table_pages.studies_and_tools(root),
        "reference/systems.md": table_pages.systems(root),
        "reference/gallery.md": result_pages.gallery(root),
        **api_pages.pages(root),
    }


def on_files(files: Files, config: Any) -> Files:
    """The pages of the repository and the generated ones, in the place of what is in docs/; and the navigation."""
    pages, others = repository_pages.collect(ROOT)
    written = generated(ROOT)
    found = [file for file in files if not file.src_uri.endswith(".md") and not file.is_documentation_page()]
    for name in (*pages, *others, *ASSETS):
        found.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    listings = {f"{name}.md": repository_pages.listing(ROOT, name) for name in repository_pages.listed(ROOT, pages)}
    found += [File.generated(config, name, content=content) for name, content in (written | listings).items()]
    config.nav = navigation(pages, [*written], [*listings])
    return Files(found)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The text of a page, with links to sources led to their listings; a page that needs the width gets all of it."""
    page.meta |= {"hide": HIDDEN[page.file.src_uri]} if page.file.src_uri in HIDDEN else {}
    return repository_pages.with_listings(ROOT, page.file.src_uri, markdown)


def navigation(pages: list[str], written: list[str], listings: list[str]) -> list[dict[str, Any]]:
    """The sections and their pages. A new page of docs/ is the last of the guides, any other one of the project."""
    other = [name for name in pages if name.startswith("docs/") and name not in (*PAPERS, *GUIDES)]
    project = [name for name in pages if not name.startswith(("docs/", "benchmarks/results/")) and name != "README.md"]
    results = [name for name in pages if name.startswith("benchmarks/results/") and name.count("/") > 2]
    return [
        {"Home": "README.md"},
        {"Guides": [*GUIDES, *other]},
        {"Papers": [*PAPERS, "reference/recipes.md", "reference/studies.md", "reference/systems.md"]},
        {"Results": ["reference/gallery.md", "benchmarks/results/README.md", *result_pages.by_folder(results)]},
        {"Library": [{Path(name).stem: name} for name in written if name.startswith("reference/api/")]},
        {"Project": [*project, {"Files": listings}]},
    ]
