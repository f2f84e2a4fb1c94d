"""The bibliography, and how papers are named wherever people read."""

from __future__ import annotations

import re

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from helpers.cards import card
from helpers.project_run import PROJECT
from papergan.config import registry
from papergan.config.checked import Comparison
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import ModeStressRecipe
from papergan.config.papers import PAPERS, Paper, find_paper, papers
from papergan.config.registry import PARAMETERS
from papergan.config.study import SearchRecipe, StudyRecipe
from papergan.config.tools import ComparisonSettings
from papergan.errors import RecipeError
from papergan.evaluation.scorecard import ScoreCard
from papergan.hooks.catalog_checks import find_published_errors
from papergan.pipelines.comparison import compare
from papergan.pipelines.overview import overview

BASE = PROJECT / "conf" / "base"
GIVEN = {"title": "A Title", "authors": ["Lee, Ann"], "year": 2020}
SOURCES = {
    "000": ("tahvili2025", "Tahvili et al. 2025", "https://doi.org/10.71856/IMPCS.2025.1215292"),
    "001": ("purwono2025", "Purwono et al. 2025", None),
    "002": ("gan_optimisation_review", "GAN optimisation review", None),
    "003": ("song2023", "Song and Kim 2023", None),
    "004": ("zaika2025", "Zaika 2025", None),
}


def refused(given: object) -> str:
    with pytest.raises(RecipeError) as error:
        Recipe.parse("mine", {"paper": given, "system": "dcgan", "dataset": "cifar10", "training": {"steps": 1}})
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def written(folder, entries: dict[str, dict]):
    path = folder / "papers.yml"
    path.write_text(yaml.safe_dump(entries))
    return path


# ---- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SOURCES)
def test_the_five_have_names(number):
    (found,) = ((key, paper) for key, paper in papers().items() if paper.document == number)
    key, paper = found
    assert (key, paper.short_name, paper.link) == SOURCES[number]


def test_no_identifier_is_of_two_papers():
    identifiers = [one for paper in papers().values() for one in (paper.arxiv, paper.doi, paper.document) if one]
    assert len(set(identifiers)) == len(identifiers) > 20


def test_a_citation_holds_all_that_is_known():
    paper = Paper(**GIVEN, venue="ICML", arxiv="2001.00001")
    assert paper.citation == "Lee: A Title, ICML, 2020, https://arxiv.org/abs/2001.00001"
    assert Paper(title="T", name="the T review").citation == "the T review: T"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"autors": ["Lee, Ann"]}, "lee2020.*: unknown key 'autors'; did you mean 'authors'"),
        ({"year": "2020"}, r"lee2020\.year"),
        ({"authors": []}, "give authors and year, or a name"),
        ({"arxiv": "arXiv:2001.00001"}, r"lee2020\.arxiv"),
        ({"doi": "https://doi.org/10.1/x"}, r"lee2020\.doi"),
        ({"authors": ["Kim, Ann"]}, "'lee2020' is not a citation key of this paper: expected kim2020"),
        ({"year": 2021}, "'lee2020' is not a citation key of this paper: expected lee2021"),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path, change, message):
    with pytest.raises(RecipeError, match=message) as error:
        papers(written(tmp_path, {"lee2020": GIVEN | change}))
    assert "\n" not in str(error.value)


def test_letters_of_keys_are_plain_and_two_of_a_year_are_told_apart(tmp_path):
    entries = {"krahenbuhl2020": GIVEN | {"authors": ["Krähenbühl, P."]}, "lee2020": GIVEN, "lee2020b": GIVEN}
    assert set(papers(written(tmp_path, entries))) == set(entries)


# ---- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SOURCES)
def test_an_old_number_is_refused_with_the_key_that_took_its_place(number):
    key = SOURCES[number][0]
    assert refused(number) == f"mine.paper: papers have names: write {key} instead of '{number}'"


def test_an_unknown_key_is_refused_with_close_matches():
    assert "mine.paper: unknown paper 'tahvilli2025'" in refused("tahvilli2025")
    assert refused("tahvilli2025").endswith("; did you mean 'tahvili2025'?")


@pytest.mark.parametrize("wrong", ["2413.12345", "2410.123", "arXiv:2410.12345", "2410.12345v0", "2410.12345\n"])
def test_what_is_no_arxiv_identifier_is_an_unknown_paper(wrong):
    assert "and no arXiv identifier such as '2410.12345'" in refused(wrong)


def test_a_bare_number_needs_quotes():
    assert "write it in quotes" in refused(2410.12345)


def test_an_arxiv_identifier_is_a_paper():
    paper = find_paper("2410.12345")
    assert (paper.short_name, paper.link) == ("arXiv:2410.12345", "https://arxiv.org/abs/2410.12345")
    assert find_paper("1703.10717v4").short_name == "Berthelot et al. 2017"
    assert Recipe(paper="2410.12345", system="dcgan", dataset="cifar10", training={"steps": 1}).paper == "2410.12345"


@pytest.mark.parametrize("model", [StudyRecipe, SearchRecipe, ModeStressRecipe], ids=lambda model: model.__name__)
def test_studies_and_tools_refuse_it_likewise(model):
    with pytest.raises(RecipeError, match=r"mine\.paper: papers have names: write song2023"):
        model.parse("mine", {"paper": "003"})


# ---- published numbers and claims ------------------------------------------------------------------------------------


def faults(dataset: str, content: object) -> list[str]:
    pipeline = Pipeline([node(lambda given: None, dataset, None, name="reads")])
    return list(find_published_errors(pipeline, DataCatalog({dataset: MemoryDataset(content)})))


@pytest.mark.parametrize("dataset", ["published", "pros_and_cons"])
def test_an_old_number_is_refused_before_the_run_that_needs_it(dataset):
    (line,) = faults(dataset, {"document_003": {}})
    assert line == f"{dataset}.yml: papers have names: write song2023 instead of 'document_003'"
    (line,) = faults(dataset, {"song203": {}})
    assert "did you mean 'song2023'" in line


@pytest.mark.parametrize("dataset", ["published", "pros_and_cons"])
def test_those_of_this_project_are_of_known_papers(dataset):
    assert faults(dataset, yaml.safe_load((BASE / f"{dataset}.yml").read_text())) == []


# ---- what people read ------------------------------------------------------------------------------------------------


def test_the_overview_has_experiments_below_their_paper_hybrid_first(capsys):
    entries = [*registry.discover(), *registry.studies()]
    overview({name: {"description": f"about {name}"} for name in entries})
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("Tahvili et al. 2025, https://doi.org/10.71856/IMPCS.2025.1215292")
    assert re.fullmatch(r"  hybrid_cifar10 +about hybrid_cifar10", lines[first + 1])
    order = [lines.index(name) for name in ("GAN optimisation review", "Song and Kim 2023", "Zaika 2025")]
    assert first < order[0] < order[1] < order[2]
    assert "bigan_cifar10" in lines[order[2] + 1]  # in the file of another paper
    shown = [line.split()[0] for line in lines if " about " in line]
    assert sorted(shown) == sorted(entries)


def test_the_overview_names_an_experiment_whose_paper_does_not_exist(monkeypatch):
    entry = registry.ExperimentEntry("mine", "000", "")
    monkeypatch.setattr(registry, "discover", lambda: {"mine": entry})
    monkeypatch.setattr(registry, "studies", dict)
    with pytest.raises(RecipeError, match=r"^mine\.paper: papers have names: write tahvili2025"):
        overview({"mine": {}})


def test_files_of_experiments_are_named_after_papers():
    files = [*PROJECT.glob("conf/*/parameters/*.yml")]
    assert {path.stem for path in files} - {"your_images"} <= set(papers())  # of every paper's
    assert len(files) > len(list(PARAMETERS.glob("*.yml"))) > 3
    assert next(iter(registry.discover())) == "hybrid_cifar10"


def test_the_comparison_names_papers_and_links_them():
    published = yaml.safe_load((BASE / "published.yml").read_text())
    page = compare(published, {"a": ScoreCard.read("a", card())}, {}, Comparison(ComparisonSettings()))
    assert page.csv.splitlines()[0].startswith("paper,table,row")
    for text in (page.html, page.markdown, page.csv):
        assert "Tahvili et al. 2025" in text
        assert "tahvili2025" not in text
    link = "https://doi.org/10.71856/IMPCS.2025.1215292"
    assert f'<a href="{link}">{link}</a>' in page.html


def test_a_score_card_of_an_earlier_commit_is_read():
    assert ScoreCard.read("old", card(paper="000")).paper == "000"


def test_nothing_speaks_of_documents_by_number():
    kinds = {".md", ".yml", ".py", ".ipynb"}
    below = [file for folder in ("docs", "conf", "src", "notebooks") for file in (PROJECT / folder).rglob("*")]
    files = [file for file in (*PROJECT.glob("*.md"), *below) if file.suffix in kinds]
    assert {PAPERS, PROJECT / "README.md", PROJECT / "notebooks" / "results.ipynb"} <= set(files)
    numbered = re.compile(r"documents?[ _]00\d", re.IGNORECASE)
    found = [file for file in files if numbered.search(f"{file.name} {file.read_text('utf-8')}")]
    assert not found
