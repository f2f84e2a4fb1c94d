"""The model card: a description of a trained generator, in Markdown with the front matter of the Hugging Face Hub.

Everything comes from `config.json`. The following entries of its `about` are read; each may be missing:

experiment: name. recipe: settings by section. paper: {key, title, authors, year, link}. dataset: name. data_digest.
data_license: of the training images. license: of the weights, an identifier of the Hub. protocol: by extractor, fields
of `evaluation.protocol.Protocol`. metrics: final values by name. published: rows, fields of
`reporting.published_results.PublishedRow`. caveats: lines about the published numbers. versions: by package. commit.
hardware. training_seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from papergan.inference.card_text import HERE, UNKNOWN, code, printable, text
from papergan.inference.compression_section import compression_section
from papergan.inference.model_folder import PICTURE
from papergan.metrics.registry import DISCRIMINATOR_METRICS, METRICS, metric_and_class, of_class, prefix_and_metric
from papergan.reporting.published_results import PublishedRow

COPIES = ("copy_rate", "distance_ratio", "membership_auc")  # suffixes of metric names
COMPARABLE = {  # published metrics, and their names here
    "fid": "fid", "is": "is_mean", "psnr_y": "psnr_y", "ssim_y": "ssim_y",
}  # fmt: skip
PUBLISHED = (
    "Published numbers rarely name their samples, splits, reference images and weights of Inception: compare with "
    "care. Numbers by other extractors (`domain_fid`) have no published counterpart."
)
NOT_MEASURED = "Not measured: it may give back training images.\n"
BEST = {"lower": "lowest", "higher": "highest", "half": "0.5", "real": "that of real images"}
OF_PROTOCOL = ("num_samples", "reference_name", "reference_split", "reference_count", "truncation", "quantisation")

USE = """\
## Intended use

Research and teaching: looking at what a method of training does, comparing methods under one protocol, making images
for illustration that are said to be generated. Scores hold for this data set and this protocol, not for others.

## Misuse and risks

- **Deception.** Do not pass its images off as photographs or records: as evidence, news, faces or voices of people,
  identity documents, signatures. Say where an image is generated. The PNG files that papergan writes say so in their
  metadata, which anybody can remove.
- **Privacy.** Generated is not the same as anonymous: a generator can give back images that it was trained on. The
  measures above find close copies and nothing else; a low rate proves nothing. Publish no generator of images of
  patients or other persons without their consent and a check of its own.
- **Decisions.** It repeats the gaps and the bias of its training images and may leave out whole kinds of them. Use its
  images in medicine, or to train what decides about people, only where it is open how they were made and their effect
  was measured on real images.

On deception, on privacy and on openness in medicine after Purwono et al. 2025, section V.E.
"""


def model_card(
    config: Mapping[str, Any], published: Sequence[PublishedRow] = (), *, picture: bool = False,
    place: str = HERE,
) -> str:  # fmt: skip
    """The card from a stored model's configuration; missing entries are left out or called unknown.

    published: rows in addition to those of `about`. picture: whether samples.png is next to the card. place: of the
    model, as accepted by `papergan.load`.
    """
    about = dict(config.get("about", {}))
    rows = [*about.get("published", ()), *map(asdict, published)]
    metrics = {name: float(value) for name, value in about.get("metrics", {}).items()}
    parts = [
        _front_matter(config, about, metrics), f"# {text(about.get('experiment', config['system']))}\n",
        _introduction(config, about), compression_section(about), f"![Samples]({PICTURE})\n" if picture else "",
        _loading(config, place),
        _training(config, about), _numbers(about, metrics), _by_class(config, metrics),
        _beside(rows, metrics, str(about.get("dataset", "")).split("/")[0], about.get("caveats", ())),
        _copies(metrics), USE, _citation(about),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _front_matter(config: Mapping[str, Any], about: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """The YAML front matter, written as JSON, a subset of YAML."""
    entries = {
        "license": about.get("license", UNKNOWN),
        "library_name": "papergan",
        "pipeline_tag": _task(config),
        "tags": list(dict.fromkeys(["gan", "image-generation", "pytorch", config["system"]])),
        "datasets": [about["dataset"]] if "dataset" in about else [],
        "metrics": sorted({found[1].name for name in metrics if (found := prefix_and_metric(name))}),
    }
    lines = (f"{key}: {json.dumps(printable(value), ensure_ascii=False)}" for key, value in entries.items() if value)
    return "\n".join(["---", *lines, "---", ""])


def _task(config: Mapping[str, Any]) -> str:
    """The Hub's name of the model's task; "" if there is none."""
    if "input" in config["image"]:
        return "image-to-image"
    return "" if config.get("conditional") else "unconditional-image-generation"


def _introduction(config: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    image, paper = config["image"], about.get("paper") or {}
    frames = image.get("frames", 1)
    size = f"{image['size']} x {image['size']} pixels, {'colour' if image['channels'] == 3 * frames else 'grey'}"
    of = f", after {text(_cited(paper))}" if paper else ""
    what = f"draws images from random numbers{', of a class where one is given' if config.get('conditional') else ''}"
    if (given := image.get("input")) is not None:
        what = f"translates images of {given['channels']} channels, trained at {given['size']} x {given['size']} pixels"
    return (
        f"A generator of images ({size}): the system `{code(config['system'])}` of papergan{of}, trained on "
        f"{text(about.get('dataset', 'an unknown data set'))}. It {what}.\n"
    )


def _loading(config: Mapping[str, Any], place: str) -> str:
    use = f"g.sample(64, seed=0{', labels=[0]' if config.get('conditional') else ''})"
    use = "images = ...  # uint8 [N, H, W, C]\ng.translate(images)" if "input" in config["image"] else use
    return (
        "## How to load it\n\n```python\nimport papergan\n\n"
        f'g = papergan.load("{code(place)}")\n{use}.grid().save("grid.png")\n```\n\n'
        f"SHA-256 of the weights: `{code(config['digest'])}`. Nothing in the files is executed when they are loaded.\n"
    )


def _training(config: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    progress, seconds = config.get("progress", {}), about.get("training_seconds")
    facts = {
        "data set": about.get("dataset", UNKNOWN),
        "digest of the data": about.get("data_digest", UNKNOWN),
        "licence of the data": about.get("data_license", UNKNOWN),
        "classes": ", ".join(map(str, config["classes"])) if config.get("conditional") else "",
        "steps": progress.get("step", UNKNOWN),
        "weights": {"ema": "average over training", "raw": "last of training"}.get(str(config.get("weights")), UNKNOWN),
        "prior": ", ".join(map(str, config.get("prior", {}).values())),
        "training time": "" if seconds is None else f"{seconds / 3600:.2f} hours",
        "hardware": about.get("hardware", UNKNOWN),
        "commit": about.get("commit", UNKNOWN),
        "versions": ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items()),
    }
    table = _table(("", ""), ((name, value) for name, value in facts.items() if value != ""))
    recipe = json.dumps(
        printable({"settings": config.get("settings", {}), "recipe": about.get("recipe", {})}), indent=1
    )
    return f"## Training\n\n{table}\n<details><summary>Recipe</summary>\n\n~~~json\n{recipe}\n~~~\n\n</details>\n"


def _numbers(about: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    deviations = {f"{prefix}{one.deviation}" for prefix in _prefixes(metrics) for one in METRICS.values()}
    known = {name: found for name in metrics if (found := prefix_and_metric(name)) and not name.endswith(COPIES)}
    rows = [
        (f"{metric.title}, `{code(name)}`", _value(metrics, name), BEST[metric.better])
        for name, (_, metric) in known.items()
        if name not in deviations
    ]
    if not rows:
        return "## Measured\n\nNothing was measured, or the numbers were not stored.\n"
    protocol = about.get("protocol") or {}
    protocols = protocol if all(isinstance(one, Mapping) for one in protocol.values()) else {"protocol": protocol}
    lines = [f"- {text(name)}: {_protocol(one)}\n" for name, one in protocols.items()] or ["- protocol: unknown\n"]
    return f"## Measured\n\n{_table(('measure', 'value', 'best is'), rows)}\n{''.join(lines)}"


def _by_class(config: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """For a conditional generator, a line for each class with the metrics measured within it; "" for any other."""
    found = {name: one for name in metrics if (one := metric_and_class(name)) is not None}
    if not found:
        return ""
    columns, names = list(dict.fromkeys(metric for metric, _ in found.values())), config["classes"]
    rows = (
        (
            names[label] if label < len(names) else f"class {label}",
            *(_value(metrics, cell) if (cell := of_class(column, label)) in metrics else "" for column in columns),
        )
        for label in sorted({label for _, label in found.values()})
    )
    table = _table(("class asked for", *(f"`{code(column)}`" for column in columns)), rows)
    return f"<details><summary>By class</summary>\n\n{table}\n</details>\n"


def _beside(
    rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, float], dataset: str, caveats: Iterable[str]
) -> str:
    if not rows:
        return ""
    cells = []
    for row in rows:
        name = COMPARABLE.get(str(row.get("metric")), "")
        deviation = "" if row.get("std") is None else f" ± {row['std']:g}"
        elsewhere = f"on {row['dataset']}" if row.get("dataset", dataset) != dataset else ""
        remark = "; ".join(filter(None, [elsewhere, *(str(row[key]) for key in ("note", "source") if row.get(key))]))
        where = " ".join(str(row[key]) for key in ("paper", "table") if row.get(key))
        here = _value(metrics, name) if name in metrics else "not measured"
        cells.append((f"{row['row']} ({where})", row.get("metric"), f"{row['value']:g}{deviation}", here, remark))
    table = _table(("published", "measure", "there", "here", "remark"), cells)
    notes = [PUBLISHED, *caveats]
    return f"## Beside what was published\n\n{table}\n" + "".join(f"- {text(note)}\n" for note in notes)


def _copies(metrics: Mapping[str, float]) -> str:
    rows = []
    for name in (name for name in metrics if name.endswith(COPIES)):
        found = prefix_and_metric(name)
        best = BEST[found[1].better] if found else "0.5"
        title = found[1].title if found else DISCRIMINATOR_METRICS["membership_auc"]
        rows.append((f"{title}, `{code(name)}`", _value(metrics, name), best))
    table = _table(("measure", "value", "best is"), rows) if rows else NOT_MEASURED
    return f"## Memorisation and membership\n\n{table}"


def _citation(about: Mapping[str, Any]) -> str:
    paper = about.get("paper") or {}
    if not paper:
        return "## Citation\n\nThe paper behind it is unknown.\n"
    known = (_cited(paper), paper.get("title"), paper.get("link"))
    return f"## Citation\n\n{text('. '.join(str(part) for part in known if part))}\n"


def _cited(paper: Mapping[str, Any]) -> str:
    """The citation, as in "Tahvili et al. 2025"; the paper's key if the authors are unknown."""
    authors = paper.get("authors") or ()
    names = [authors] if isinstance(authors, str) else [str(one).partition(",")[0] for one in authors]
    if not names:
        return str(paper.get("key", paper.get("title", UNKNOWN)))
    who = ", ".join(names) if len(names) < 4 else f"{names[0]} et al."
    return f"{who} {paper.get('year', '')}".strip()


def _protocol(fields: Mapping[str, Any]) -> str:
    shown = [name for name in OF_PROTOCOL if fields.get(name) is not None] or sorted(fields)
    return ", ".join(f"{text(name.replace('_', ' '))} {text(fields[name])}" for name in shown)


def _prefixes(metrics: Mapping[str, float]) -> set[str]:
    return {found[0] for name in metrics if (found := prefix_and_metric(name))}


def _value(metrics: Mapping[str, float], name: str) -> str:
    """The value of a metric, with its standard deviation if that was stored."""
    found = prefix_and_metric(name)
    deviation = metrics.get(f"{found[0]}{found[1].deviation}") if found and found[1].deviation else None
    return f"{metrics[name]:.4g}" if deviation is None else f"{metrics[name]:.4g} ± {deviation:.2g}"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *([text(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
