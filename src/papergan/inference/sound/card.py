"""The model card of a model of sounds, in Markdown with the front matter of the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from papergan.inference.card_text import code, printable, text

UNKNOWN = "unknown"

USE = """\
## Intended use, misuse and risks

Research and teaching: looking at what a method of training does, and comparing methods under one protocol. Say of a
sound that it is generated; pass none off as the voice of a person or as a recording of an event. A generator can give
back sounds that it was trained on; that was not measured here. It repeats the gaps of its training sounds.
"""


def sound_card(config: Mapping[str, Any], task: str, use: str) -> str:
    """The card of a stored model's configuration; what is missing there is called unknown.

    task, use: what the model does, and the Python that calls it, `g` being the model.
    """
    about, sound, system = dict(config["about"]), config["sound"], str(config["system"])
    paper = dict(about.get("paper") or {})
    front = {
        "license": about.get("license", UNKNOWN), "library_name": "papergan",
        "tags": ["gan", "audio", "pytorch", system],
    }  # fmt: skip
    lines = [
        "---",
        *(f"{key}: {json.dumps(printable(value), ensure_ascii=False)}" for key, value in front.items()),
        "---",
        "",
        f"# {text(about.get('experiment', system))}\n",
        f"The system `{code(system)}` of papergan, {task}, {sound['length']} samples at "
        f"{sound['rate']} Hz, trained on {text(about.get('dataset', 'unknown sounds'))}.\n",
        "## How to load it\n",
        "```python\nimport papergan\n",
        'g = papergan.load("path/to/this/folder")',
        use,
        "```\n",
        f"SHA-256 of the weights: `{code(config['digest'])}`. Nothing in the files is executed when they are loaded.\n",
        "## Training and scores\n",
        "| | |\n|---|---|",
        *(f"| {text(name)} | {text(value)} |" for name, value in _facts(config, about).items()),
        f"\n<details><summary>Settings</summary>\n\n~~~json\n{_settings(config)}\n~~~\n\n</details>\n",
        USE,
        f"## Citation\n\n{text(paper.get('citation', 'The paper behind it is unknown.'))}\n",
    ]
    return "\n".join(lines)


def _facts(config: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, object]:
    scores = {name: f"{value:.4g}" for name, value in dict(about.get("metrics", {})).items()}
    return {
        "sounds": about.get("dataset", UNKNOWN), "digest of the sounds": about.get("data_digest", UNKNOWN),
        "classes": ", ".join(config["classes"]), "steps": config["progress"].get("step", UNKNOWN),
        "seed": about.get("seed", UNKNOWN), **scores, **dict(about.get("provenance", {})),
    }  # fmt: skip


def _settings(config: Mapping[str, Any]) -> str:
    return json.dumps(printable({"settings": config["settings"], "sound": config["sound"]}), indent=1)
