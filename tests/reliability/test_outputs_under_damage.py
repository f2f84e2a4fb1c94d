"""What exists is whole; what is damaged is said to be so and made again; no table shows what nothing vouches for."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kedro.io import DataCatalog, DatasetError, MemoryDataset, Version
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from matplotlib.figure import Figure
from PIL import Image

from helpers.formats import FORMATS, image_set, weights
from helpers.project_run import EXPERIMENT, run_here, score_card
from papergan.data.decoding import damage_of_png
from papergan.datasets.digested_json import KEY, decode_with_digest, encode_with_digest
from papergan.datasets.picture import PictureDataset
from papergan.datasets.scores import ScoreCardDataset, ScoreCardsDataset
from papergan.datasets.weights import WeightsDataset, decode, encode
from papergan.errors import CheckpointError, EvaluationError
from papergan.evaluation.scorecard import ScoreCard
from papergan.reporting.image_grid import ImageGrid
from papergan.weights import Weights

DATASETS = [name for name, form in FORMATS.items() if form.exists is not None]
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "the last byte gone": lambda content: content[:-1],
    "half of it gone": lambda content: content[: len(content) // 2],
    "another file": lambda content: b"\xff\xfe none",
    "one bit": lambda content: flipped(content, len(content) // 2),
}


def flipped(content: bytes, place: int, bit: int = 0) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


# Exists


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", DATASETS)
def test_what_is_damaged_does_not_exist_and_that_is_said_once(tmp_path, caplog, name, damage):
    form = FORMATS[name]
    assert not form.exists(tmp_path)
    assert not warnings_in(caplog)
    form.write(tmp_path)
    path = tmp_path / form.file
    whole = path.read_bytes()
    assert form.exists(tmp_path)
    path.write_bytes(DAMAGES[damage](whole))
    if (name, damage) in {("history", "one bit")} | {("page", one) for one in DAMAGES if one != "another file"}:
        return  # a digit of a curve, a letter of a text: nothing there can be known to be wrong
    assert not form.exists(tmp_path)
    (record,) = warnings_in(caplog)
    assert record.getMessage().startswith(f"{path} is damaged and will be made again: ")
    assert record.getMessage().isprintable()
    assert str(path) not in record.getMessage()[len(str(path)) :]
    form.write(tmp_path)
    assert form.exists(tmp_path)


@pytest.mark.parametrize("name", ["images", "references"])
def test_what_a_pointer_leads_to_must_be_whole_as_well(tmp_path, caplog, name):
    form = FORMATS[name]
    form.write(tmp_path)
    kept = sorted(tmp_path.glob("*.safetensors"))
    assert len(kept) == 2
    for path in kept:
        content = path.read_bytes()
        for damaged in (None, content[:-1], flipped(content, len(content) - 1)):
            path.write_bytes(damaged) if damaged is not None else path.unlink()
            caplog.clear()
            assert not form.exists(tmp_path)
            assert "is damaged and will be made again" in caplog.text
            form.write(tmp_path)
            assert form.exists(tmp_path)
            path.write_bytes(content)


def test_features_of_other_images_are_noticed(tmp_path):
    form = FORMATS["references"]
    form.write(tmp_path)
    first, second = sorted(tmp_path.glob("*.safetensors"))
    first.write_bytes(second.read_bytes())  # whole in itself, and not what its name says
    assert not form.exists(tmp_path)
    with pytest.raises(DatasetError, match=r"does not hold the features of .*; delete it"):
        form.read(tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a\0b"])
def test_a_reference_cannot_lead_elsewhere(tmp_path, name):
    form = FORMATS["references"]
    form.write(tmp_path)
    document = decode_with_digest((tmp_path / form.file).read_bytes(), tmp_path, "")
    document["domain"]["extractor"]["name"] = name
    (tmp_path / form.file).write_bytes(encode_with_digest(document))
    with pytest.raises(DatasetError, match="holds no reference .*an extractor called"):
        form.read(tmp_path)


def test_the_newest_version_counts_even_if_it_is_damaged(tmp_path):
    def version(name: str | None) -> WeightsDataset:
        return WeightsDataset(filepath=str(tmp_path / "w"), version=Version(None, name))

    for name in ("2026-01-01", "2026-01-02"):
        version(name).save(weights())
    newest = version(None)
    assert newest.exists()
    newest.path.write_bytes(newest.path.read_bytes()[:-1])
    assert not version(None).exists()
    with pytest.raises(DatasetError) as error:  # the older one is good, but it is not what was asked for
        version(None).load()
    assert isinstance(error.value.__cause__, CheckpointError)
    version("2026-01-03").save(weights())
    assert version(None).exists()


def test_a_clock_that_was_set_back_is_known(tmp_path):
    def version(save: str | None, load: str | None = None) -> WeightsDataset:
        return WeightsDataset(filepath=str(tmp_path / "w"), version=Version(load, save))

    assert version("2026-01-02").later_version is None
    version("2026-01-02").save(weights())
    assert version("2026-01-02").later_version is None  # its own
    assert version("2026-01-03").later_version is None
    assert version("2026-01-01").later_version == "2026-01-02"
    version("2026-01-05").save(weights())
    assert version("2026-01-01").later_version == version("2026-01-04").later_version == "2026-01-05"
    assert WeightsDataset(filepath=str(tmp_path / "w")).later_version is None  # without versions


# Pictures


def pictures() -> dict[str, bytes]:
    figure, grid = io.BytesIO(), ImageGrid(image_set().images, "what it shows")
    Figure().savefig(figure, format="png")
    return {"grid": PictureDataset(filepath="x")._encode(grid), "figure": figure.getvalue()}


def test_a_cut_picture_is_noticed_at_every_byte_where_pillow_notices_nothing():
    for content in pictures().values():
        assert damage_of_png(content) is None
        assert all(damage_of_png(content[:length]) for length in range(len(content)))
        assert damage_of_png(content + b"\0")
        with Image.open(io.BytesIO(content[:-12])) as picture:
            picture.load()  # no error: this is why


def test_every_flipped_bit_of_a_picture_is_noticed():
    content = pictures()["grid"]
    assert all(damage_of_png(flipped(content, place, bit)) for place in range(len(content)) for bit in range(8))


def test_damaged_pictures_have_no_caption(tmp_path):
    dataset = PictureDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(ImageGrid(image_set().images, "what it shows"))
    assert dataset.caption() == "what it shows"
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-12])
    with pytest.raises(EvaluationError, match=r"a\.png is not a whole PNG: it ends within .*; draw it again"):
        dataset.caption()


# Numbers that go into tables


def test_every_flipped_bit_of_a_score_card_is_noticed(tmp_path):
    """Or changes nothing that is read, such as the space between two words."""
    path = tmp_path / "scores.json"
    content = encode_with_digest(score_card().model_dump(mode="json"))
    original = decode_with_digest(content, path, "evaluate")
    silent = 0
    for place in range(len(content)):
        for bit in range(8):
            try:
                assert decode_with_digest(flipped(content, place, bit), path, "evaluate the run again") == original
                silent += 1
            except EvaluationError as error:
                message = str(error)
                assert message.startswith(str(path))
                assert message.endswith("; evaluate the run again")
                assert message.isprintable()
    assert silent < len(content) / 4


def test_a_document_says_what_it_is_and_what_to_do(tmp_path):
    path = tmp_path / "scores.json"
    with pytest.raises(EvaluationError, match=rf"{path} has no 'sha256' that vouches for it; evaluate"):
        decode_with_digest(score_card().model_dump_json().encode(), path, "evaluate the run again")
    document = json.loads(encode_with_digest({"a": 1.5, "b": [1, "x"]}))
    assert document == {"a": 1.5, "b": [1, "x"], KEY: document[KEY]}
    for order in (sorted, reversed):  # neither order nor spaces count
        text = json.dumps({key: document[key] for key in order(list(document))}, indent=5)
        assert decode_with_digest(text.encode(), path, "") == {"a": 1.5, "b": [1, "x"]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_not_saved_as_one(tmp_path, value):
    case = {"corruption": "blur", "strength": 1.0, "metrics": {"domain_fid": value}}
    with pytest.raises(EvaluationError, match="not finite"):
        encode_with_digest({"cases": [case]})
    for signed in ('{"a": NaN}', '{"a": Infinity}'):
        with pytest.raises(EvaluationError, match="damaged"):
            decode_with_digest(signed.encode(), tmp_path, "")


def test_every_flipped_bit_of_weights_is_noticed_in_their_metadata_too(tmp_path):
    content = encode(weights())
    original = (weights().digest, dict(weights().metadata))
    noticed = 0
    for place in range(len(content)):
        for bit in (0, 3, 5):
            try:
                read = decode(flipped(content, place, bit), tmp_path / "w")
                assert (read.digest, dict(read.metadata)) == original
            except CheckpointError:
                noticed += 1
    assert noticed > len(content) * 2.5
    assert decode(content, tmp_path / "w").metadata == weights().metadata


# Scores and the generator they are of


def publish(folder: Path, version: str, generator: Weights | None, digest: str | None = None, **changes: Any) -> Path:
    """A score card, and the generator of the same version beside it."""
    name = changes.get("experiment", EXPERIMENT)
    if generator is not None:
        place = folder / "models" / name / "generator.safetensors" / version / "generator.safetensors"
        WeightsDataset(filepath=str(place)).save(generator)
        digest = digest or generator.digest
    path = folder / "reporting" / name / "scores.json" / version / "scores.json"
    ScoreCardDataset(filepath=str(path)).save(score_card(generator_digest=digest or "a" * 64, **changes))
    return path


def cards(folder: Path) -> list[ScoreCard]:
    return list(ScoreCardsDataset(filepath=str(folder / "reporting"), models=str(folder / "models")).load().values())


def generator(value: float) -> Weights:
    return Weights({"w": torch.full((4,), value)}, {"kind": "generator"})


def test_a_card_of_another_generator_is_left_out_with_a_warning(tmp_path, caplog):
    publish(tmp_path, "1", generator(1.0), final={"domain_fid": 1.0})
    path = publish(tmp_path, "2", generator(2.0), generator(3.0).digest, final={"domain_fid": 2.0})
    (card,) = cards(tmp_path)
    assert card.final["domain_fid"] == 1.0  # the one before it
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"left out of the comparison: {path} is of generator {generator(3.0).digest[:12]}"
    )
    assert record.getMessage().endswith("evaluate the run again")


@pytest.mark.parametrize("damage", ["one bit", "half of it gone", "empty"])
def test_a_card_whose_generator_is_damaged_is_left_out_with_a_warning(tmp_path, caplog, damage):
    publish(tmp_path, "1", generator(1.0), experiment="other")
    publish(tmp_path, "1", generator(1.0))
    (path,) = (tmp_path / "models" / EXPERIMENT).rglob("generator.safetensors/*/generator.safetensors")
    content = path.read_bytes()
    path.write_bytes(flipped(content, len(content) - 1) if damage == "one bit" else DAMAGES[damage](content))
    assert [card.experiment for card in cards(tmp_path)] == ["other"]
    assert f"left out of the comparison: {path} is" in caplog.text


def test_a_card_whose_generator_is_gone_or_never_was_is_shown(tmp_path, caplog):
    publish(tmp_path, "1", None)
    publish(tmp_path, "1", None, experiment="other", diverged="diverged at step 3")
    assert {card.experiment for card in cards(tmp_path)} == {EXPERIMENT, "other"}
    assert not caplog.records


def test_only_the_generators_of_cards_that_are_shown_are_hashed(tmp_path, monkeypatch):
    looked_at: list[Path] = []
    monkeypatch.setattr(
        "papergan.datasets.scores.decode", lambda content, path: looked_at.append(path) or decode(content, path)
    )
    for version in "123":
        publish(tmp_path, version, generator(float(version)))
    cards(tmp_path)
    assert [path.parent.name for path in looked_at] == ["3"]


def test_a_finished_card_says_which_generator_it_is_of(tmp_path):
    with pytest.raises(ValueError, match="generator_digest: a finished run must say"):
        score_card(generator_digest=None)
    assert score_card(generator_digest=None, diverged="diverged at step 3").generator_digest is None


# Kedro


def test_only_what_is_damaged_is_made_again(tmp_path):
    made: list[str] = []

    def learn(seed: int) -> Weights:
        made.append("weights")
        return weights()

    def draw(read: Weights) -> tuple[ImageGrid, Figure]:
        made.append("pictures")
        return ImageGrid(image_set().images, "grid"), Figure()

    files = {"weights": "w.safetensors", "grid": "grid.png", "figure": "figure.png"}
    kinds = {"weights": WeightsDataset, "grid": PictureDataset, "figure": PictureDataset}
    catalog = DataCatalog(
        {"seed": MemoryDataset(1)} | {name: kinds[name](filepath=str(tmp_path / files[name])) for name in files}
    )
    pipeline = Pipeline([node(learn, "seed", "weights"), node(draw, "weights", ["grid", "figure"])])

    def run() -> list[str]:
        made.clear()
        SequentialRunner().run(pipeline, catalog, only_missing_outputs=True)
        return list(made)

    assert run() == ["weights", "pictures"]
    assert run() == []
    for name in files:
        path = tmp_path / files[name]
        path.write_bytes(path.read_bytes()[:-12])
        assert run() == (["weights"] if name == "weights" else ["pictures"])
        assert run() == []


@pytest.mark.reliability
def test_a_run_mends_whatever_was_damaged_after_it(tmp_path, monkeypatch, caplog):
    """Every output of an experiment in turn: cut, then `kedro run --only-missing-outputs`; then nothing is missing."""
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    run_here(EXPERIMENT)
    data = tmp_path / "data"
    patterns = [
        "03_primary/store/*.safetensors", "03_primary/*/images.json", "06_models/rulers/features*.safetensors",
        "06_models/*/domain_classifier.safetensors", "06_models/*/reference.json", "06_models/*/real_rows.json",
        *(f"06_models/*/{name}.safetensors/*/*" for name in ("generator", "frames", "snapshots", "trained")),
        "08_reporting/*/*/*/*.png", "08_reporting/*/history.csv/*/*", "08_reporting/*/scores.json/*/*",
    ]  # fmt: skip
    for pattern in patterns:
        found = sorted(data.glob(pattern))
        assert found, pattern
        found[-1].write_bytes(found[-1].read_bytes()[:-1])
        caplog.clear()
        run_here(EXPERIMENT, only_missing_outputs=True)
        assert "is damaged and will be made again" in caplog.text, pattern
    caplog.clear()
    run_here(EXPERIMENT, only_missing_outputs=True)
    assert "damaged" not in caplog.text


def test_scores_of_images_that_papergan_did_not_make_are_not_in_its_way(tmp_path, caplog):
    publish(tmp_path, "1", generator(1.0))
    scores = tmp_path / "reporting" / "evaluate_images" / "scores.json" / "2" / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text("of another form")
    assert len(cards(tmp_path)) == 1
    assert not caplog.records
