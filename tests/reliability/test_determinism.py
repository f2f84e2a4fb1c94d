"""The same numbers again: whoever runs it, from where, in which surroundings; and what cannot promise that, says so.

As a script it prints what `come_to` returns.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers import kinds
from helpers.small_systems import each_system
from helpers.subject import outcome
from papergan.config.experiment import Recipe
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.errors import RecipeError
from papergan.game.affine_resampling import _MODES, _PADDINGS, transposed_in_order
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.numerics import numerics
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer
from papergan.weights import Weights

PLAN = TrainSettings(steps=2, seed=3, report_every=1)
HERE = Path(__file__).parent


def trained(folder: Path, kind: str, *, deterministic: bool = False, augment=None) -> Trainer:
    game, pixels = kinds.build(kind), kinds.images(kind)
    game.augment = augment or game.augment
    batches = Batches(
        pixels, torch.zeros(len(pixels), dtype=torch.int64), batch_size=4, seed=3, device="cpu", flip=True,
        inputs=kinds.inputs(kind, len(pixels)),
    )  # fmt: skip
    settings = replace(PLAN, deterministic=deterministic)
    training = Trainer(game, batches, settings, CheckpointStore(folder, "recipe"), Callbacks())
    training.run()
    return training


def put(images: torch.Tensor) -> torch.Tensor:
    """What torch has no deterministic kernel for, on a CPU either."""
    images.detach().clone().put_(torch.tensor([0]), torch.tensor([0.0]))
    return images


@pytest.mark.parametrize("kind", each_system(*kinds.TINY))
def test_deterministic_runs_are_on_a_cpu_the_same_bits_as_any_run(kind, tmp_path):
    assert outcome(trained(tmp_path / "first", kind, deterministic=True)) == outcome(trained(tmp_path / "second", kind))


def test_a_kernel_that_cannot_is_one_line_that_names_it_and_the_way_out(tmp_path):
    with pytest.raises(RecipeError) as caught:
        trained(tmp_path / "strict", "two_player", deterministic=True, augment=put)
    said = str(caught.value)
    assert said.startswith("put_ has no deterministic kernel in torch")
    assert said.endswith("training.deterministic=false")
    assert "\n" not in said
    assert trained(tmp_path / "loose", "two_player", augment=put).step == PLAN.steps


def test_products_that_cannot_be_deterministic_name_the_variable():
    theirs = "Deterministic behavior was enabled with ..., set CUBLAS_WORKSPACE_CONFIG=:4096:8 or ..."
    ours = "CUBLAS_WORKSPACE_CONFIG was neither :4096:8 nor :16:8; set it before"
    with pytest.raises(RecipeError, match=ours), numerics("float32", deterministic=True):
        raise RuntimeError(theirs)


def test_every_other_error_is_left_as_it_is():
    error = RuntimeError("shapes do not fit")
    with pytest.raises(RuntimeError) as caught, numerics("float32", deterministic=True):
        raise error
    assert caught.value is error


def switches() -> tuple:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )


@pytest.mark.parametrize("outside", [(False, False), (True, False), (True, True)])
def test_switches_are_put_back_nested_and_after_errors(outside):
    mode, lenient = outside
    torch.use_deterministic_algorithms(mode, warn_only=lenient)
    try:
        before = switches()
        with numerics("float32", deterministic=True):
            assert switches() == (True, False, False)  # never a mere warning
            with numerics("tf32", deterministic=False):
                assert switches() == (False, False, True)
            assert switches() == (True, False, False)
        assert switches() == before
        twice = [numerics("float32", deterministic=True) for _ in range(2)]
        with pytest.raises(RecipeError), twice[0], twice[1]:
            put(torch.zeros(2))
        assert switches() == before
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("mode", "padding"), [*itertools.product(_MODES.values(), _PADDINGS.values())])
def test_the_ordered_transpose_of_a_resampling_is_torchs_own(mode, padding):
    draw = torch.Generator().manual_seed(0)
    affine = torch.eye(2, 3) + 0.4 * torch.randn(20, 2, 3, generator=draw)
    shape = torch.Size((20, 3, 8, 8))
    grid = torch.nn.functional.affine_grid(affine, list(shape), align_corners=False)
    gradient = torch.randn(shape, generator=draw)
    theirs, _ = torch.ops.aten.grid_sampler_2d_backward(
        gradient, torch.empty(shape), grid, mode, padding, False, [True, False]
    )
    ours = transposed_in_order(gradient, grid, shape, mode, padding)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


RECIPE = {
    "paper": "tahvili2025", "system": "hybrid", "dataset": "synthetic_shapes", "training": {"steps": 3},
    "overrides": {"width": 8, "r1": 0.1, "loss": "hinge", "augmentation": "color,cutout"},
}  # fmt: skip


def come_to() -> dict[str, str | None]:
    """What a run depends on and what it comes to, as digests; and what is set for cuBLAS."""
    with tempfile.TemporaryDirectory() as folder:
        state = outcome(trained(Path(folder), "dcgan"))
    return {
        "weights": state["networks"],
        "optimisers": state["optimisers"],
        "history": state["history"],
        "images": synthetic_shapes("test", 20).digest,
        "fingerprint": Recipe.parse("environment", RECIPE).fingerprint,
        "random": Weights({"draw": torch.randn(100, generator=torch.Generator().manual_seed(1))}).digest,
        "cublas": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


BARE = {
    "OMP_NUM_THREADS": "1", "PATH": os.defpath,
    "PYTHONPATH": os.pathsep.join(str(HERE / folder) for folder in ("..", "../../src")),
}  # fmt: skip
SURROUNDINGS = {  # by name: variables, and the folder to start in
    "hash seed 1": ({"PYTHONHASHSEED": "1"}, "."),
    "hash seed 2": ({"PYTHONHASHSEED": "2"}, "."),
    "ascii": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "."),
    "comma as decimal point": ({"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}, "."),
    "date line": ({"TZ": "Pacific/Kiritimati"}, "."),
    "home is no folder": ({"HOME": "/dev/null"}, "."),
    "home is missing": ({"HOME": "/nowhere/at/all"}, "."),
    "root": ({}, "/"),
    "no way out": ({"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}, "."),
}


def elsewhere(folder: Path, variables: dict[str, str], start: str) -> dict[str, str | None]:
    where = folder if start == "." else Path(start)
    command = [sys.executable, str(Path(__file__).resolve())]
    environment = {**BARE, "TMPDIR": str(folder), **variables}
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_surroundings_change_nothing(tmp_path):
    """All at once; one by one in the test below. What a user has set for cuBLAS is kept."""
    together = {name: value for variables, _ in SURROUNDINGS.values() for name, value in variables.items()}
    here = come_to()
    assert here["cublas"] == os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    found = elsewhere(tmp_path, {**together, "CUBLAS_WORKSPACE_CONFIG": ":16:8"}, "/")
    assert found == here | {"cublas": ":16:8"}


@pytest.mark.reliability
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_nothing_of_the_surroundings_changes_anything(name, tmp_path):
    assert elsewhere(tmp_path, *SURROUNDINGS[name]) == come_to()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(come_to()))
