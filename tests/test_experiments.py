import pytest

from papergan.config import registry
from papergan.errors import RecipeError


def test_every_top_level_key_is_an_experiment(tmp_path):
    (tmp_path / "a.yml").write_text("first: {paper: 'purwono2025', description: one}\nsecond: {paper: 'purwono2025'}\n")
    (tmp_path / "b.yml").write_text("third: {paper: 'gan_optimisation_review'}\n")
    found = registry.discover(tmp_path)
    assert list(found) == ["first", "second", "third"]
    assert found["first"].description == "one"
    assert found["third"].paper == "gan_optimisation_review"


def test_a_name_is_defined_once(tmp_path):
    for file in ("a.yml", "b.yml"):
        (tmp_path / file).write_text("same: {paper: 'purwono2025'}\n")
    with pytest.raises(RecipeError, match="'same' is defined twice"):
        registry.discover(tmp_path)


@pytest.mark.parametrize("text", ["- a list\n", "name: 3\n", "just text\n"])
def test_anything_but_a_mapping_of_recipes_is_refused(tmp_path, text):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(RecipeError, match="expected a mapping"):
        registry.discover(tmp_path)


def test_unknown_experiments_are_refused_with_close_matches():
    with pytest.raises(RecipeError, match="unknown experiment 'hybrid_cifr10'; did you mean 'hybrid_cifar10'"):
        registry.refuse_unknown({"hybrid_cifar10": {}, "hybrid_cifr10": {}})


def test_the_documents_experiments_are_there():
    expected = {"hybrid_cifar10", "hybrid_logistic", "hybrid_minimax", "hybrid_all", "hybrid_fast"}
    assert expected | {"dcgan_cifar10", "wgan_gp_cifar10"} <= set(registry.discover())
