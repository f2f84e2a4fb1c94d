"""Sets of vectors: drawn, read from tables, normalised; what cannot be used is refused in one line."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from papergan.errors import DataError
from papergan.validation import StrictModel
from papergan.vectors.settings import VectorData
from papergan.vectors.tables import load_vectors
from papergan.vectors.vectors import Normalisation, VectorSet, VectorSplits


def data(**settings) -> VectorData:
    assert issubclass(VectorData, StrictModel)
    return VectorData(**settings)


@pytest.fixture
def frame():
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(200, 2, generator=draw, dtype=torch.float64).numpy()
    return pd.DataFrame({"a": values[:, 0], "name": ["x"] * 200, "b": 1e9 + values[:, 1], "whole": range(200)})


def test_a_swiss_roll_without_noise_lies_on_its_sheet():
    rows = load_vectors(data(noise=0.0, train=500, test=30)).train
    x, height, z = rows.values.T
    angle = (x.square() + z.square()).sqrt()
    assert torch.allclose(x, angle * angle.cos())
    assert 1.5 * torch.pi <= angle.min() < angle.max() <= 4.5 * torch.pi
    assert 0 <= height.min() < 1
    assert 20 < height.max() <= 21
    assert rows.columns == ("x", "y", "z")


def test_two_moons_without_noise_are_half_circles():
    x, y = load_vectors(data(drawn="two_moons", noise=0.0, train=500, test=30)).train.values.T
    upper = (x.square() + y.square() - 1).abs() < 1e-9
    lower = ((x - 1).square() + (y - 0.5).square() - 1).abs() < 1e-9
    assert bool((upper | lower).all())
    assert 0.4 < upper.float().mean() < 0.6
    assert bool((y[upper] >= 0).all())
    assert bool((y[lower & ~upper] <= 0.5).all())


def test_drawn_rows_follow_the_seed_and_splits_differ():
    one, again, other = (load_vectors(data(train=30, test=30, seed=seed)) for seed in (0, 0, 1))
    assert one.digest == again.digest != other.digest
    assert not torch.equal(one.train.values, one.test.values)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_split_once_and_columns_of_text_are_left_out(tmp_path, frame, suffix, caplog):
    path = tmp_path / f"rows.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    with caplog.at_level("INFO", "papergan"):
        found = load_vectors(data(table=str(path), held_out=0.25))
    assert found.train.columns == ("a", "b", "whole")
    assert "columns without numbers are left out: name" in caplog.text
    assert (len(found.train), len(found.test), found.train.name) == (150, 50, "rows/train")
    together = torch.cat([found.train.values, found.test.values])
    assert together[:, 2].sort().values.tolist() == list(range(200))  # every row once
    row = int(found.test.values[0, 2])
    assert found.test.values[0, 1] == frame["b"][row]  # of 1e9, to the last digit
    assert load_vectors(data(table=str(path), held_out=0.25)).digest == found.digest
    assert load_vectors(data(table=str(path), held_out=0.25, seed=1)).digest != found.digest
    assert load_vectors(data(table=str(path), columns=["whole", "a"])).train.columns == ("whole", "a")


def test_the_first_test_rows_of_a_sorted_table_stand_for_all(tmp_path):
    """Scores and figures of fewer rows take the first ones."""
    values = torch.arange(2000, dtype=torch.float64)
    pd.DataFrame({"a": values.numpy(), "b": values.square().numpy()}).to_csv(tmp_path / "rows.csv", index=False)
    test = load_vectors(data(table=str(tmp_path / "rows.csv"), held_out=0.5)).test.values[:, 0]
    assert abs(float(test[:250].mean() - test.mean())) < 150


def test_what_cannot_be_used_is_one_line(tmp_path, frame):
    path = tmp_path / "rows.csv"

    def refused(why, table=path, **settings):
        with pytest.raises(DataError, match=why) as caught:
            load_vectors(data(table=str(table), **settings))
        assert "\n" not in str(caught.value)

    frame.to_csv(path, index=False)
    refused("no column 'wole'; did you mean 'whole'", columns=["wole"])
    refused("column 'name' holds no numbers", columns=["name"])
    refused("a table is a file .csv or .parquet", table=tmp_path / "rows.xlsx")
    refused("200 rows, of which 2 would be held out; each split needs 20", held_out=0.01)
    frame.assign(a=frame["a"].where(frame["a"].index != 17)).to_csv(path, index=False)
    refused("column 'a' of row 18 is empty or not finite, one of 1 such values")
    frame.assign(a=3.5).to_csv(path, index=False)
    refused("column 'a' is the same in every row; leave it out of `columns`")
    frame[["name"]].to_csv(path, index=False)
    refused("has no column of numbers")
    path.write_bytes(b"")
    refused("cannot be read as csv")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 nothing")
    refused("cannot be read as parquet", table=tmp_path / "rows.parquet")
    refused("none.csv: there is no such file", table=tmp_path / "none.csv")
    with pytest.raises(ValueError, match="columns: of a table alone"):
        data(columns=["x"])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("height,weight\n" + "150,50,0\n" * 200, 2),
        ("height,weight\n150,50,0\n" + "150,50\n" * 200, 2),
        ('\n"height, cm",weight\n \n\n' + "150,50,0\n" * 200, 5),
        ("height,weight\n" + "150,50\n" * 200 + "150,50,0\n", 202),
    ],
)
def test_rows_of_more_fields_than_the_header_are_refused_with_their_line(content, line, tmp_path):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError, match=rf"rows\.csv cannot .*Expected 2 fields in line {line}, saw 3") as caught:
        load_vectors(data(table=str(tmp_path / "rows.csv")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["\n \nheight,weight\n\n", "\ufeffheight,weight\r\n"])
def test_blank_lines_and_what_spreadsheets_write_are_read(content, tmp_path):
    rows = "".join(f"{row},{row * row}\n" for row in range(200))
    (tmp_path / "rows.csv").write_text(content + rows, newline="")
    found = load_vectors(data(table=str(tmp_path / "rows.csv")))
    assert found.train.columns == ("height", "weight")
    assert all(weight == height**2 for height, weight in found.train.values.tolist())


@pytest.mark.parametrize("kind", ["standard", "range"])
def test_normalised_rows_come_back(kind):
    rows = load_vectors(data(train=300, test=30)).train
    scale = Normalisation.of(rows, kind)
    small = scale.apply(rows.values)
    assert small.dtype == torch.float32
    if kind == "range":
        assert small.amin(0).tolist() == pytest.approx([-0.8] * 3)
        assert small.amax(0).tolist() == pytest.approx([0.8] * 3)
    else:
        assert small.mean(0).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
        assert small.std(0, correction=0).tolist() == pytest.approx([1.0] * 3)
    assert torch.allclose(scale.invert(small), rows.values, atol=1e-4)
    assert torch.equal(Normalisation.stored(scale.config).apply(rows.values), small)


def test_sets_that_are_none():
    values = torch.zeros(3, 2, dtype=torch.float64)
    with pytest.raises(DataError, match=r"float64 \[N, D\].* got torch.float64 \(3, 2\) and 1 names"):
        VectorSet("rows", values, ("a",))
    with pytest.raises(DataError, match="must be finite"):
        VectorSet("rows", values / 0, ("a", "b"))
    with pytest.raises(DataError, match="the same columns"):
        VectorSplits(VectorSet("one", values, ("a", "b")), VectorSet("other", values, ("a", "c")))
