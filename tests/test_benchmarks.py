"""Benchmarks run; what they find is for people."""

from __future__ import annotations

import copy
import json
import runpy
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from helpers.project_run import PROJECT
from papergan import systems
from papergan.config.workers import WorkerSettings
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.metrics import feature_statistics
from papergan.networks.layers.spectral import spectral_norm
from papergan.studies.workers import train_all
from papergan.tracking import Tracker


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder's modules can be imported, as they are where one of them is run."""
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))


@pytest.fixture
def peers(benchmarks, monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks" / "peers"))


@pytest.fixture
def run(benchmarks, monkeypatch, capsys):
    """Runs a file of the folder in this process; the rows that it prints."""

    def rows(name: str, *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(PROJECT / "benchmarks" / name), run_name="__main__")
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]

    return rows


def test_the_metrics_are_timed(run):
    rows = run("metrics.py", "--samples", "2200", "--real", "2300", "--dimension", "16", "--size", "16")
    assert len(rows) == 13
    assert all(float(row.split("|")[2]) >= 0 for row in rows)


def test_deviations_are_held_against_the_truth(benchmarks, capsys, monkeypatch):
    import frechet_deviation

    monkeypatch.setattr(frechet_deviation, "REAL", 500)
    few = ["frechet_deviation.py", "--fresh", "20", "--estimates", "2", "--dimensions", "3"]
    monkeypatch.setattr(sys, "argv", few)
    frechet_deviation.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| spec")]
    assert len(rows) == 12
    assert all(0.2 < float(cell.split()[0]) < 5 for row in rows for cell in row[5:])


def test_distances_are_timed_and_held_against_the_truth(benchmarks, capsys, monkeypatch):
    from scoring import print_distances

    pytest.importorskip("scipy")
    roots: list[int] = []
    root = feature_statistics._root
    monkeypatch.setattr(feature_statistics, "_root", lambda matrix: roots.append(1) or root(matrix))
    print_distances(64, 2)
    assert len(roots) >= 2 * 3  # the samples' root in each repeat of the three kinds that need it
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()[2:]]
    assert len(rows) == 4
    assert all(float(seconds) >= 0 for row in rows for seconds in row[1:4])
    assert all(float(row[4]) < 1e-10 * 4 * 64 for row in rows)
    assert max(float(row[5]) for row in rows if row[0].startswith("singular")) > 1e-8


def test_the_parts_of_an_evaluation_add_up(benchmarks, capsys, monkeypatch):
    import scoring

    small = scoring.systems.build
    shape = {"width": 4, "latent_dim": 4, "self_attention": False}
    monkeypatch.setattr(scoring.systems, "build", lambda name, kind, _, seed: small(name, kind, shape, seed=seed))
    few = {"kid_subsets": 2, "kid_subset_size": 50, "manifold_samples": 100, "similarity_pairs": 10}
    how = scoring.EvaluationSettings(inception=False, num_samples=200, discriminator_samples=50, **few)
    scoring.print_evaluation(how, 300)
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    parts = {name: float(seconds) for name, seconds in lines}
    everything = parts.pop("all")
    without = parts.pop("all but the sampling")
    assert len(parts) == 5
    assert sum(parts.values()) == pytest.approx(everything, abs=0.3)
    assert everything - parts[scoring.SAMPLING] == pytest.approx(without, abs=0.2)


@pytest.mark.slow
def test_starts_are_timed_up_to_their_first_step(tmp_path):
    figures, name = tmp_path / "figures.json", "hybrid_cifar10"
    small = ["overrides.width=8", "overrides.latent_dim=8", "training.batch_size=8", "evaluation.inception=false"]
    options = ["--env", "test", "--params", ",".join(f"{name}.{one}" for one in small), "--repeats", "1"]
    command = [sys.executable, str(PROJECT / "benchmarks" / "start_up.py"), *options, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    for marks in (found["first"], *found["later"]):
        names, seconds = [what for what, _, _ in marks], [wall for _, wall, _ in marks]
        assert names[:2] == ["configuration is read", "recipes are checked"]
        assert names[-2:] == ["the first step begins", "the first step is made"]
        assert seconds == sorted(seconds)
    assert "| the first step begins |" in done.stdout
    assert "`kedro registry list`" in done.stdout


@pytest.mark.slow
def test_safety_has_a_price(tmp_path):
    small = ["--overrides", '{"width": 8, "latent_dim": 8}', "--batch-size", "8", "--steps", "2", "--saves", "2"]
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(PROJECT / "benchmarks" / "safety.py"), *small, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    times = found["milliseconds"]
    parts = [value for name, value in times.items() if name.startswith("of which")]
    assert len(parts) == 4
    assert all(value > 0 for value in times.values())
    assert 0 < found["share of saves"] < 0.01
    assert "share of a run" in done.stdout


def test_the_bare_loop_of_small_games_makes_the_steps_of_the_tool(benchmarks, monkeypatch):
    import small_games

    copies, trial = [], small_games.trial_of("mode_stress_test", "ring/non_saturating")
    keep = SimpleNamespace(deepcopy=lambda network: copies.append(copy.deepcopy(network)) or copies[-1])
    monkeypatch.setattr(small_games, "copy", keep)
    training = small_games.PointsTraining(trial, lambda row: None, None)
    step, mixture = small_games.bare_loop(training), training.mixture

    def batch(size, *_):
        """Of the ambient state, as in the bare loop."""
        centres = mixture.centres.float()[torch.randint(len(mixture.centres), (size,))]
        return ((centres + mixture.deviation * torch.randn(size, 2)) / training.scale).reshape(size, -1, 1, 1)

    monkeypatch.setattr(training, "_batch", batch)
    begun = [next(network.parameters()).detach().clone() for network in copies]
    for move in (training.training_values, step):
        torch.manual_seed(0)
        for number in range(3):
            move(number)
    for name, network, weight in zip(("generator", "discriminator"), copies, begun, strict=True):
        assert not torch.equal(next(network.parameters()), weight)
        torch.testing.assert_close(training.game.networks[name].state_dict(), network.state_dict())


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        ("ring/wasserstein_gradient_penalty", "5 steps of the discriminator"),
        ("ring/hinge", "other than the plain non-saturating loss"),
        ("ring/one_sided_smoothing", "other than the plain non-saturating loss"),
        ("ring/wasserstein_clipped", "steps of the discriminator|other than"),
    ],
)
def test_games_that_the_bare_loop_does_not_play_are_refused(benchmarks, trial, why):
    import small_games

    with pytest.raises(SystemExit, match=f"{trial}: .*({why}).*take another trial"):
        small_games.measured(small_games.trial_of("mode_stress_test", trial), 1, 1)
    for tool, name in (("mode_stress_test", "ring/non_saturating"), ("pacgan_points", "ring/gan")):
        training = small_games.PointsTraining(small_games.trial_of(tool, name), lambda row: None, None)
        assert small_games.unlike_the_bare_loop(training) is None


def test_trials_at_scale_are_what_workers_train(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    from trials_at_scale import Store, Trainer, stubs

    store = Store(tmp_path)
    assert train_all(WorkerSettings(jobs=1), stubs(2, 1), Trainer(tmp_path), store, Tracker()) == {}
    assert [store.find(trial.key) for trial in stubs(2, 1)] == ["0", "1"]


def test_small_games_are_timed_beside_a_bare_loop(run):
    (row,) = run("small_games.py", "--steps", "2", "--rounds", "2")
    bare, tool, ratio = (cell.split()[0] for cell in row.strip("| ").split(" | "))
    assert float(bare) > 0
    assert float(tool) > 0
    assert float(ratio) > 0


def test_throughput_is_of_the_recipe_s_image_size(benchmarks):
    from throughput import image_size, recipe_of

    assert image_size(recipe_of("began_fashion_mnist", [])) == 64
    assert image_size(recipe_of("hybrid_cifar10", [])) == 32
    assert image_size(recipe_of("hybrid_cifar10", ["image_size=16"])) == 16


@pytest.mark.slow  # quicker: test_the_metrics_are_timed
def test_throughput_is_measured_and_compared(benchmarks, tmp_path):
    from throughput import kept, table

    figures, changes = (
        tmp_path / "figures.json",
        ["overrides.width=8", "overrides.latent_dim=8", "training.batch_size=8"],
    )
    options = ["--set", *changes, "--steps", "5", "--warm-up", "1", "--device", "cpu", "--json", str(figures)]
    command = [sys.executable, str(PROJECT / "benchmarks" / "throughput.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert found["spread"][0] <= found["images_per_second"] <= found["spread"][1]
    parts = found["milliseconds"]
    turns = parts["turns of discriminator"] + parts["turns of generator"]
    assert {"batches", "average", "logging", "host"} <= parts.keys()
    assert parts["penalties"] < turns
    assert 0 < parts["host"] < found["milliseconds_per_step"]
    assert 0 < found["share_of_attainable"] < 1
    assert found["launches"] > 100
    assert 0 <= found["memory_of_training"] < found["peak_memory"]  # 0: loading torch took more than so small a game
    assert f"| GFLOP per step | {found['mean_flops'] / 1e9:.4g} |" in done.stdout
    rows = [line for line in table(kept(figures), found).splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    assert all(
        line.endswith("| 1.00 |") for line in rows if not line.endswith("| 0 | 0 |  |")
    )  # what is 0 has no ratio


def small_game(r1_interval: int = 16, r1: float = 0.1):
    small = {"width": 4, "latent_dim": 4, "r1": r1, "r1_interval": r1_interval, "self_attention": False}
    return systems.build("hybrid", ImageSpec(3, 16), small, seed=0)


def test_a_lazy_turn_costs_as_much_of_a_step_as_it_is_taken(benchmarks):
    from counting import count

    real = [{"image": torch.zeros(2, 3, 16, 16), "label": torch.zeros(2, dtype=torch.int64)}]

    def flops(**choices):
        return count(small_game(**choices), lambda game: training_step(game, real, Progress(0))).flops

    always, never = flops(r1_interval=1), flops(r1=0.0)
    assert always > never > 0
    assert flops(r1_interval=4) - never == pytest.approx((always - never) / 4)


def test_ranks_sum_every_gradient_of_a_move(benchmarks):
    from counting import summed_bytes

    game = small_game(r1_interval=4)
    judge, maker = (sum(w.numel() for w in game.networks[n].parameters()) for n in ("discriminator", "generator"))
    assert summed_bytes(game) == pytest.approx(4 * (1.25 * judge + maker))


def test_a_power_law_is_found(benchmarks):
    from growth import power_law

    assert power_law([(x, 3 * x**1.5) for x in (8, 16, 64)]) == pytest.approx((1.5, 3))
    assert power_law([(8, 1.0), (8, 2.0)]) is None


def test_two_values_are_no_fit(benchmarks):
    from growth import figure_of, table

    cell = {
        "memory_of_training": 2**20, "kept_bytes": 1, "mean_flops": 1, "images_per_step": 1, "hardware": "a core",
        "commit": "0" * 40, "dirty": False, "experiment": "dcgan", "precision": "float32", "versions": {"torch": "2"},
    }  # fmt: skip
    many, two = ([(x, cell | {"images_per_second": 100.0 * x}) for x in values] for values in ((1, 2, 4), (1, 2)))
    axes = {"batch": many, "ranks": two}
    found = [line for line in table(axes).splitlines() if line.startswith("| exponent |")]
    assert [line.split("|")[2].strip() for line in found] == ["-1.00", ""]
    panels = figure_of(axes).axes
    assert [len(panel.get_lines()) for panel in panels] == [2, 1] * 2
    assert [panel.get_yscale() for panel in panels] == ["log", "linear"] * 2
    assert panels[1].get_ylim()[0] == 0


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_was_stopped(benchmarks, tmp_path, capsys):
    import scaling

    fixed = ["--experiment", "dcgan_cifar10", "--folder", str(tmp_path), "--device", "cpu", "--steps", "5"]
    fixed += ["--warm-up", "1", "--base", "2", "0.03125", "16", "--widths", "--sizes", "--ranks"]
    scaling.sweep(scaling.arguments().parse_args([*fixed, "--batches", "2"]))
    first = json.loads((tmp_path / "cells.json").read_text())["cells"]
    scaling.sweep(scaling.arguments().parse_args([*fixed, "--batches", "2", "4"]))
    both = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert [cell["batch_size"] for cell in both.values()] == [2, 4]
    assert first.items() <= both.items()  # not run again: the very same times
    assert capsys.readouterr().err.count("1 of 1: ") == 2
    assert "| exponent |" in (tmp_path / "scaling.md").read_text()
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RecipeError, match="use another --folder"):
        scaling.sweep(scaling.arguments().parse_args([*fixed, "--warm-up", "2"]))


def test_a_cell_that_cannot_run_says_why(benchmarks, tmp_path):
    import scaling

    given = scaling.arguments().parse_args(["--folder", str(tmp_path), "--base", "2", "0.01", "32"])
    with pytest.raises(RecipeError, match="width"):
        scaling.sweep(given)
    said = "loading\n[rank0]: ValueError: too small\n[rank0]: more\n=====\n"
    assert scaling._reason(said) == "[rank0]: ValueError: too small"
    assert scaling._reason(said + "throughput: no such device\n") == "throughput: no such device"


def test_what_to_expect_is_counted_and_estimated(benchmarks, tmp_path):
    import scaling
    from expect import expect, seconds

    options = ["--expect", "--folder", str(tmp_path), "--experiments", "dcgan_cifar10", "--sizes", "16"]
    given = scaling.arguments().parse_args([*options, "--set", "overrides.width=4", "--bandwidth", "1", "--share", "1"])
    text = expect(given)
    counted = json.loads((tmp_path / "expected.json").read_text())["dcgan_cifar10 16"]
    one, two = (seconds(counted, 128, devices, given) for devices in (1, 2))
    assert two["computing"] == pytest.approx(one["computing"] / 2)
    assert one["summing"] == 0
    assert two["summing"] == pytest.approx(4 * sum(counted["weights"].values()) / 1e9)
    assert two["step"] == max(two["computing"], two["host"]) + two["summing"]
    assert "no GPU measurement backs it" in text
    wider = scaling.arguments().parse_args([*options, "--set", "overrides.width=8"])
    expect(wider)
    assert json.loads((tmp_path / "expected.json").read_text())["dcgan_cifar10 16"]["weights"] != counted["weights"]


FAKE_PEER = {
    "nets/dcgan/dcgan_32.py": """
from torch import nn
class DCGANGenerator32(nn.Sequential):
    def __init__(self, ngf=4):
        super().__init__(nn.Linear(8, 16 * ngf), nn.Linear(16 * ngf, 768), nn.Unflatten(1, (3, 16, 16)), nn.Tanh())
        self.nz = 8
class DCGANDiscriminator32(nn.Sequential):
    def __init__(self, ndf=4):
        super().__init__(nn.Conv2d(3, ndf, 4, 4), nn.Flatten(), nn.Linear(16 * ndf, 1))
""",
    "training/trainer.py": """
import torch
from torch.nn.functional import softplus
class Trainer:
    def __init__(self, netD, netG, optD, optG, dataloader, num_steps, n_dis, log_dir, device):
        self.__dict__.update(locals())
    def fake(self, real):
        return self.netG(torch.randn(len(real), self.netG.nz))
    def train(self):
        real = [images for images, _ in self.dataloader]
        assert (real[0].shape, real[0].dtype) == ((4, 3, 16, 16), torch.float32)
        for step in range(self.num_steps):
            for move in range(self.n_dis):
                fake = self.fake(real[0]).detach()
                self.netD.zero_grad()
                (softplus(-self.netD(real[0])).mean() + softplus(self.netD(fake)).mean()).backward()
                self.optD.step()
            self.netG.zero_grad()
            softplus(-self.netD(self.fake(real[0]))).mean().backward()
            self.optG.step()
""",
    "datasets/data_utils.py": """
import torchvision
def load_dataset(root, name):
    return torchvision.datasets.CIFAR10(root=root, download=True, transform=torchvision.transforms.ToTensor())
""",
}
IN_ONE_PROCESS = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import compare
def here(given, side, *more):
    given = compare.arguments().parse_args([*compare.options(given), "--side", side, *more])
    return compare.one_side(given)
compare.in_a_process = here
small = "--size 16 --batch 4 --steps 3 --warm-up 1 --rounds 2 --workers 0 --device cpu --width 4".split()
folder = pathlib.Path(sys.argv[2])
for peer in (["mimicry", "--path", str(folder), "--discriminator-steps", "2"], ["plain"]):
    sys.argv[1:] = ["--peer", *peer, *small, "--json", str(folder / (peer[0] + ".json"))]
    compare.main()
"""


@pytest.mark.slow
def test_peers_are_compared_on_the_same_work(tmp_path):
    for name, text in FAKE_PEER.items():
        file = tmp_path / "torch_mimicry" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    command = [sys.executable, "-c", IN_ONE_PROCESS, str(PROJECT / "benchmarks" / "peers"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    took_turns = [line.split()[2] for line in done.stderr.splitlines() if line.startswith("round")]
    assert took_turns == ["peer", "ours", "ours", "peer"] * 2
    for name in ("mimicry", "plain"):
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert min(found["ratios"]) <= found["ratio"] <= max(found["ratios"])
        assert all(rate > 0 for rates in found["images_per_second"].values() for rate in rates)
        (forward, backward), (our_forward, our_backward) = found["flops"]["peer"], found["flops"]["ours"]
        assert 0 < our_backward < backward  # the discriminator's, in the generator's move
        assert (our_forward == forward) == (name == "mimicry")  # the plain script uses its fakes twice
        assert found["images_per_step"] == (8 if name == "mimicry" else 4)
    assert "The same forward work; in backward passes" in done.stdout
    assert "that nobody uses." in done.stdout


def test_a_peer_in_this_repository_is_refused():
    command = [sys.executable, str(PROJECT / "benchmarks" / "peers" / "compare.py"), "--peer", "mimicry", "--path"]
    done = subprocess.run([*command, str(PROJECT / "tests")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("compare: ")
    assert "lies in this repository" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_networks_of_one_recipe_are_held_against_each_other(peers):
    from pairs import Pair, beside

    torch.manual_seed(0)
    images = torch.randn(4, 8, 16, 16)
    found = beside(Pair(_Skipping(early=True), _Skipping(early=False), (images,), _forward, _forward))
    assert found["parameters"]["ours"] == found["parameters"]["theirs"] == (8 * 8 + 8) + 2 * (8 * 8 * 9 + 8)
    first, second = (found["kinds"][side]["1x1 convolution"] for side in ("ours", "theirs"))
    assert (first, second) == (2 * 8 * 8 * 8 * 8, 2 * 8 * 8 * 16 * 16)  # before and after halving
    assert found["kinds"]["ours"]["3x3 convolution"] == found["kinds"]["theirs"]["3x3 convolution"]
    assert found["difference"] < 1e-5
    assert not found["only_ours"]
    spoilt = Pair(_Skipping(early=True), _Skipping(early=False, in_place=True), (images,), _forward, _forward)
    assert beside(spoilt)["difference"] > 1e-2


def test_networks_of_different_weights_are_said_to_differ(peers):
    from pairs import Pair, beside

    images = torch.randn(4, 3)
    found = beside(Pair(torch.nn.Linear(3, 5), torch.nn.Linear(3, 5, bias=False), (images,), _forward, _forward))
    assert (found["only_ours"], found["only_theirs"], found["difference"]) == ([(5,)], [], None)
    assert found["flops"] == {"ours": 30, "theirs": 30}


def _forward(network, images):
    return network(images)


class _Skipping(torch.nn.Module):
    """A residual block under spectral normalisation whose skip is computed first and halved early, or last and late."""

    def __init__(self, *, early, in_place=False):
        super().__init__()
        norm = spectral_norm if early else torch.nn.utils.spectral_norm
        self.early, self.in_place = early, in_place
        self.first, self.second = (norm(torch.nn.Conv2d(8, 8, 3, padding=1)) for _ in range(2))
        self.skip = norm(torch.nn.Conv2d(8, 8, 1))

    def forward(self, images):
        pool = torch.nn.functional.avg_pool2d
        if self.early:
            skip = self.skip(pool(images, 2))
            return pool(self.second(torch.relu(self.first(torch.relu(images)))), 2) + skip
        kept = images.clone()
        active = kept.relu_() if self.in_place else kept.relu()
        return pool(self.second(torch.relu(self.first(active))), 2) + pool(self.skip(kept), 2)


def test_neighbours_are_timed_for_every_shape_of_features(run):
    rows = run("neighbours.py", "--samples", "60", "--real", "80", "--dimension", "8")
    assert [row.split("|")[1].strip() for row in rows] == [
        "normal", "clusters 1e-3", "noise 1e-7", "collapsed", "outlier",
    ]  # fmt: skip


def test_modulated_convolutions_are_timed_two_ways(run):
    rows = run("modulation.py", "--batch", "2", "--repeats", "1", "--widths", "4", "--sizes", "4")
    assert [row.split(" | ")[3] for row in rows[-4:]] == ["no", "yes", "no", "yes"]
    assert all(float(row.split(" | ")[-1].strip(" |")) > 0 for row in rows[-4:])
