"""The bibliography: the papers that this project refers to, by citation key; conf/base/papers.yml."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from papergan.config.yaml_file import read_entries
from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted
from papergan.project import CONFIGURATION
from papergan.validation import StrictModel

PAPERS = CONFIGURATION / "base" / "papers.yml"
ARXIV = r"\d{2}(0[1-9]|1[0-2])\.\d{4,5}(v[1-9]\d?)?"  # identifiers since April 2007
Text = Annotated[str, Field(min_length=1)]


class Paper(StrictModel):
    """A paper of the bibliography.

    authors: "Family, Given", in the paper's order; empty = unknown, and then `name` is cited. subject: a few words for
    headings. arxiv, doi: identifiers without a prefix. document: number of the source document, for the five papers
    that the project started with.
    """

    title: Text
    authors: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    name: Text | None = None
    subject: Text | None = None
    venue: Text | None = None
    year: Annotated[int, Field(ge=1900, le=2100)] | None = None
    arxiv: Annotated[str, Field(pattern=rf"^{ARXIV}$")] | None = None
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    document: Annotated[str, Field(pattern=r"^[0-9]{3}$")] | None = None

    @model_validator(mode="after")
    def _can_be_cited(self) -> Paper:
        if self.name is None and not (self.authors and self.year):
            raise ValueError("give authors and year, or a name where they are unknown")
        return self

    @property
    def families(self) -> tuple[str, ...]:
        """The authors' family names."""
        return tuple(author.partition(",")[0] for author in self.authors)

    @property
    def short_name(self) -> str:
        """The citation used in sentences: "Tahvili et al. 2025", "Song and Kim 2023", "Zaika 2025"."""
        if self.name is not None:
            return self.name
        first, *others = self.families
        who = first if not others else f"{first} and {others[0]}" if len(others) == 1 else f"{first} et al."
        return f"{who} {self.year}"

    @property
    def heading(self) -> str:
        """Authors, year and subject: "Tahvili et al. 2025: hybrid GAN"; the title where no subject is given."""
        about = self.subject or self.title
        return self.short_name if about == self.short_name else f"{self.short_name}: {about}"

    @property
    def link(self) -> str | None:
        """Address of the paper; None where no identifier is known."""
        if self.doi is not None:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv is not None else None

    @property
    def citation(self) -> str:
        """The full citation on one line: family names, title, venue, year, link."""
        who = f"{', '.join(self.families)}: " if self.authors else f"{self.name}: " if self.name else ""
        known = (self.title, self.venue, self.year, self.link)
        return who + ", ".join(str(part) for part in known if part is not None)


@cache
def papers(path: Path = PAPERS) -> dict[str, Paper]:
    """Every paper by citation key, in the file's order.

    Raises RecipeError for a file that cannot be read, a wrong entry, and a key that is not family name and year.
    """
    found = {}
    for key, entry in read_entries(path, "citation keys to papers").items():
        paper = Paper.parse(f"{path}: {key}", entry)
        wanted = f"{_first_author(paper)}{paper.year}" if paper.name is None else ""
        if wanted and not re.fullmatch(f"{wanted}[a-z]?", key):
            raise RecipeError(f"{path}: {quoted(key)} is not a citation key of this paper: expected {wanted}")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
            raise RecipeError(f"{path}: {quoted(key)} is not a citation key: expected lower-case letters, digits and _")
        found[key] = paper
    return found


def _first_author(paper: Paper) -> str:
    """The first author's family name as in keys: "Krähenbühl" -> "krahenbuhl"."""
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", paper.families[0]).lower())


def find_paper(key: str) -> Paper:
    """The paper of a citation key or an arXiv identifier. Raises RecipeError for any other key.

    An arXiv identifier without an entry is a paper of which nothing else is known.
    """
    known = papers()
    if key in known:
        return known[key]
    if re.fullmatch(ARXIV, key, re.ASCII):
        same = (paper for paper in known.values() if paper.arxiv == key.partition("v")[0])
        return next(same, Paper(title=f"arXiv:{key}", name=f"arXiv:{key}", arxiv=key))
    number = key.removeprefix("document_")
    for name, paper in known.items():
        if paper.document == number:
            raise RecipeError(f"papers have names: write {name} instead of {quoted(key)}")
    raise RecipeError(
        f"unknown paper {quoted(key)}, and no arXiv identifier such as '2410.12345'{did_you_mean(key, known)}"
    )


def _checked(key: str) -> str:
    find_paper(key)
    return key


PaperKey = Annotated[str, AfterValidator(_checked)]  # of a recipe


def citation(key: str) -> str:
    """The citation of the paper of a key. Raises RecipeError as `find_paper` does."""
    return find_paper(key).citation
