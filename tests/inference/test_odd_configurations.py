"""A published model of others: an odd configuration is one line, and writes nothing but text to a terminal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from inference.conftest import model_of
from papergan.command_line import main
from papergan.inference.description import describe_plain
from papergan.inference.model_folder import StoredModel, write_model
from papergan.weights import Weights


@pytest.fixture(scope="module")
def model() -> StoredModel:
    return model_of("dcgan")


def info(folder, model: StoredModel, *options: str, card: str = "", **changes: object):
    config = {**json.loads(json.dumps(model.config)), **changes}
    write_model(folder, replace(model, config=config, card=card))
    result = CliRunner().invoke(main, ["info", str(folder), *options])
    assert isinstance(result.exception, SystemExit | None)
    return result


ABOUT = {"experiment": "tiny", "dataset": "drawn"}
ODD = {
    "about is nothing": {"about": None},
    "about is a list": {"about": [1]},
    "metrics are a list": {"about": {**ABOUT, "metrics": [1, 2]}},
    "a recipe is text": {"about": {**ABOUT, "recipe": "x"}},
    "more about the progress": {"progress": {"step": 1, "images": 2, "epoch": 0.0, "more": 1}},
    "a step is text": {"progress": {"step": "a\nb"}},
    "no image": {"image": {}},
    "a size is text": {"image": {"channels": 3, "size": "x", "num_classes": 3}},
    "a size beyond all": {"image": {"channels": 3, "size": 1 << 40, "num_classes": 3}},
    "no channels": {"image": {"channels": 0, "size": 16, "num_classes": 3}},
    "no prior": {"prior": {}},
    "it diverged with an escape sequence": {"diverged": "at\n\x1b[2J"},
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_configuration_is_one_line(tmp_path, model, kind):
    result = info(tmp_path / "m", model, **ODD[kind])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("papergan: ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"about": {**ABOUT, "metrics": {"domain_fid": "abc"}}}, "domain_fid 'abc'"),
        ({"about": {**ABOUT, "metrics": {"domain_fid": None}}}, "domain_fid None"),
        ({"about": {**ABOUT, "metrics": {"domain_fid": 10**400}}}, "domain_fid 1000"),
        ({"about": {**ABOUT, "experiment": "x\n\x1b[2J\x07"}}, r"x\n\x1b[2J\x07: dcgan"),
        ({"weights": "ema\x1b[2J"}, r"weights ema\x1b[2J"),
        ({"classes": [1, 2, 3]}, "5 steps"),
    ],
)
def test_what_is_odd_in_a_description_is_text(tmp_path, model, changes, shown):
    result = info(tmp_path / "m", model, **changes)
    assert result.exit_code == 0
    assert shown in result.output
    assert all(line.isprintable() for line in result.output.split("\n"))


def test_a_translator_may_have_been_trained_on_anything(tmp_path):
    for given in ("x", {"kind": "domain"}, {"kind": "domain", "dataset": "horses", "classes": [1, "\x1b"]}):
        result = info(tmp_path / "m", model_of("cyclegan"), about={**ABOUT, "recipe": {"input": given}})
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.output


def test_a_card_is_text(tmp_path, model):
    result = info(tmp_path / "m", model, "--card", card="# Name\n\x1b[2J\x07" + "long" * 400)
    assert result.output == "# Name\n\\x1b[2J\\x07" + "long" * 400 + "\n"


def test_a_description_of_a_model_without_images_takes_any_numbers():
    config = {"system": "wavegan", "digest": "a" * 64, "progress": {}, "about": {"metrics": {"a": "b", "c": 0.25}}}
    lines = describe_plain(StoredModel(Weights({}), config), "generator", 5).splitlines()
    assert lines[1:4] == ["  trained on unknown data, None steps", "  a 'b'", "  c 0.25"]
