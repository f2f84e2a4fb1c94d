"""The page of guarantees speaks of tests that exist, and of every file it should."""

from __future__ import annotations

import re

import pytest

from helpers.project_run import PROJECT

PAGE = (PROJECT / "docs" / "guarantees.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:::(\w+))?", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_page_names_is_there(file, name):
    places = (PROJECT / "tests" / file, PROJECT / "src" / "papergan" / file, PROJECT / file)
    (path,) = [place for place in places if place.is_file()]
    if name:
        assert re.search(rf"^(    )?(def|class) {name}\b", path.read_text(), re.MULTILINE)


def test_there_are_fourteen_and_each_names_its_proof():
    sections = re.split(r"^## (\d+)\. ", PAGE, flags=re.MULTILINE)
    assert sections[1::2] == [str(number) for number in range(1, 15)]
    assert all("*Proof*" in text for text in sections[2::2])
