"""The model card of a model that makes no images, in Markdown with the front matter of the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from papergan.inference.card_text import UNKNOWN, code, printable, text


def plain_card(
    config: Mapping[str, Any], *, tags: Sequence[str], what: str, use: str, risks: str, facts: Mapping[str, object],
    shown: Mapping[str, Any], place: str,
) -> str:  # fmt: skip
    """The card from a stored model's configuration; missing entries are called unknown.

    tags: for the Hub, besides "gan", "pytorch" and the system. what: what the model makes, and from which data. use:
    the Python code that calls it, with `g` the model. risks: the section on its use. facts: rows of the table before
    the scores. shown: the part of the configuration shown as JSON. place: of the model, as for `papergan.load`.
    """
    about, system = dict(config["about"]), str(config["system"])
    paper = dict(about.get("paper") or {})
    front = {
        "license": about.get("license", UNKNOWN), "library_name": "papergan",
        "tags": ["gan", *tags, "pytorch", system],
    }  # fmt: skip
    scores = {name: f"{value:.4g}" for name, value in dict(about.get("metrics", {})).items()}
    rows = {
        **facts, "steps": config["progress"].get("step", UNKNOWN), "seed": about.get("seed", UNKNOWN), **scores,
        **dict(about.get("provenance", {})),
    }  # fmt: skip
    lines = [
        "---",
        *(f"{key}: {json.dumps(printable(value), ensure_ascii=False)}" for key, value in front.items()),
        "---",
        "",
        f"# {text(about.get('experiment', system))}\n",
        f"The system `{code(system)}` of papergan, {what}.\n",
        "## How to load it\n",
        "```python\nimport papergan\n",
        f'g = papergan.load("{code(place)}")',
        use,
        "```\n",
        f"SHA-256 of the weights: `{code(config['digest'])}`. Nothing in the files is executed when they are loaded.\n",
        "## Training and scores\n",
        "| | |\n|---|---|",
        *(f"| {text(name)} | {text(value)} |" for name, value in rows.items()),
        "\n<details><summary>Settings</summary>\n",
        f"~~~json\n{json.dumps(printable(shown), indent=1)}\n~~~\n\n</details>\n",
        risks,
        f"## Citation\n\n{text(paper.get('citation', 'The paper behind it is unknown.'))}\n",
    ]
    return "\n".join(lines)
